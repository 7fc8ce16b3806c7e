"""Two indexes, with both resolvers and when it is built: what comes from where, and what is said if not."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mlimage.errors import FetchError, MlimageError, ResolveError
from mlimage.lock.model import LockedPackage
from mlimage.progress import SILENT
from support.resolving import RESOLVERS, Index
from support.webserver import LOGIN_PAGE, Fault, WebServer, web_server

PLACE = "images/digits/mlimage.yaml:11:5: "
ANY, LINUX = "py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"


@pytest.fixture
def team() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(params=RESOLVERS)
def index(
    request: pytest.FixtureRequest, team: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Index]:
    """`inner` comes from the index `team`, and needs `lib`."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with web_server() as web:
        made = Index(web, RESOLVERS[request.param], tmp_path, team=team, bound=["inner", "torch"])
        made.add("inner", "1.0", requires=["lib"], to=team)
        yield made


def origins(packages: tuple[LockedPackage, ...]) -> dict[str, tuple[str, str]]:
    return {package.name: (str(package.version), package.index) for package in packages}


def fetch(index: Index, packages: tuple[LockedPackage, ...]) -> dict[str, bytes]:
    """What a build on another machine gets."""
    shutil.rmtree(index.folder / "built", ignore_errors=True)
    with index.sources("built") as sources, SILENT.task("") as task:
        return {package.name: sources.inputs.get(package, task).read_bytes() for package in packages}


WRONG = {
    "a higher version": ("99.0", ANY),
    "the same version": ("1.0", ANY),
    "an older version": ("0.1", ANY),
    "another build": ("1.0+evil", ANY),
    "an unfinished version": ("99.0rc1", ANY),
    "a version that is for this machine": ("99.0", LINUX),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_wrong_index_is_never_asked(case: str, index: Index, team: WebServer) -> None:
    version, tag = WRONG[case]
    index.add("inner", version, tag=tag)
    index.add("lib", version.replace("1.0", "2.0"), to=team, tag=tag)
    packages, _ = index.lock("app", "inner")
    assert origins(packages) == {
        "app": ("1.0", "default"),
        "inner": ("1.0", "team"),
        "lib": ("2.0", "default"),
    }
    fetched = fetch(index, packages)
    assert fetched["inner"] == team.projects["inner"]["inner-1.0-py3-none-any.whl"].content
    assert fetched["lib"] == index.web.projects["lib"]["lib-2.0-py3-none-any.whl"].content
    assert not [path for path in index.web.paths() if "inner" in path]
    assert not [path for path in team.paths() if "lib" in path or "app" in path]


@pytest.mark.parametrize("spelled", ["Inner", "INNER", "inner[extra]"])
def test_no_spelling_leads_to_the_wrong_index(spelled: str, index: Index, team: WebServer) -> None:
    index.add("inner", "99.0")
    index.add("wants", "1.0", requires=[spelled])
    packages, _ = index.lock("wants")
    assert origins(packages)["inner"] == ("1.0", "team")
    assert not [path for path in index.web.paths() if "inner" in path]


def test_a_package_is_not_looked_for_elsewhere(index: Index, team: WebServer) -> None:
    index.add("missing", "1.0", to=team)
    index.add("inner", "1.0")
    del team.projects["inner"]
    for text, at, hint in (
        (
            "inner",
            "team",
            f"look at `{team.index}/inner/`: are the name and the `url` of `team` right?",
        ),
        (
            "missing",
            "default",
            "look for its name on the index; a package of another index is bound to it under `indexes:`",
        ),
    ):
        error = index.error("app", text)
        assert isinstance(error, ResolveError)
        assert str(error) == f"{PLACE}index `{at}` has no package `{text}`"
        assert error.hint == hint


def test_a_build_takes_no_file_from_the_wrong_index(index: Index, team: WebServer) -> None:
    packages, _ = index.lock("inner")
    # The very file: even then, a build says that the index has it no more.
    offered = team.projects.pop("inner")
    for filename, file in offered.items():
        index.web.offer("inner", filename, file.content)
    index.web.requests.clear()
    with pytest.raises(FetchError) as caught:
        fetch(index, packages)
    assert str(caught.value) == "`inner 1.0` is not in index `team`"
    assert caught.value.hint == "`mlimage lock --upgrade-package inner` takes what is there now"
    assert index.web.requests == []


LOGIN_HINT = "is a login, or a proxy, in between? open the URL in a browser"
NETRC_HINT = "write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc"
MIRROR_HINT = "name a mirror (MLIMAGE_MIRROR_TEAM=URL, or a folder of wheels)"
BUILDS_HINT = "an image has one build of `torch`: ask for each in a variant of its own (`variants:`)"
HTML = {"Content-Type": "text/html"}
SIGN_IN = b"<html><title>Sign in</title><p>You need to <a href='/login'>sign in</a>.</p></html>"

FAULTS: Mapping[str, tuple[Fault, str, str]] = {
    "401": (Fault(status=401), "`{page}` cannot be fetched: a login is asked for (HTTP 401)", NETRC_HINT),
    "403": (Fault(status=403), "`{page}` cannot be fetched: access is refused (HTTP 403)", NETRC_HINT),
    "500": (
        Fault(status=500),
        "`{page}` cannot be fetched: tried 5 times: HTTP 500",
        f"that is the server's own trouble: try later, or {MIRROR_HINT}",
    ),
    "a form to sign in": (
        LOGIN_PAGE,
        "`{page}` answers with a web page (`Sign in`) that is no index page (asked for `inner`)",
        LOGIN_HINT,
    ),
    "a page without files": (
        Fault(status=200, headers=HTML, body=SIGN_IN),
        "`{page}` answers with a web page (`Sign in`) that is no index page (asked for `inner`)",
        LOGIN_HINT,
    ),
    "something else": (
        Fault(status=200, headers={"Content-Type": "image/png"}, body=b"x"),
        "`{page}` answers with `image/png`, which is no index page (asked for `inner`)",
        "is that the address of a package index? open it in a browser",
    ),
    "silence": (
        Fault(hang=True),
        "`{page}` cannot be fetched: tried 2 times: `127.0.0.1` sent nothing for 0.3 seconds",
        f"check the network, the proxy (HTTPS_PROXY), or {MIRROR_HINT}",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_an_index_that_does_not_do_its_work(case: str, index: Index, team: WebServer) -> None:
    fault, message, hint = FAULTS[case]
    packages, _ = index.lock("inner")
    index.environ["PIP_TIMEOUT"] = "0.3"
    index.add("inner", "99.0")  # which must not help
    team.spoil("/simple/", fault)
    error = index.error("app", "inner")
    said = message.format(page=f"{team.index}/inner/")
    assert isinstance(error, FetchError)
    assert (str(error), error.hint) == (f"{PLACE}index `team`: {said}", hint)
    with pytest.raises(FetchError) as caught:
        fetch(index, packages)
    assert (str(caught.value), caught.value.hint) == (f"`inner 1.0` from index `team`: {said}", hint)
    assert not [path for path in index.web.paths() if "inner" in path]


def test_metadata_that_does_not_come(index: Index, team: WebServer) -> None:
    index.environ["PIP_TIMEOUT"] = "0.3"
    team.spoil("/files/", Fault(hang=True))
    error = index.error("app", "inner")
    assert str(error) == (
        f"{PLACE}`{team.origin}/files/inner-1.0-py3-none-any.whl` cannot be fetched: "
        "tried 2 times: `127.0.0.1` sent nothing for 0.3 seconds"
    )


def offer_torch(index: Index, team: WebServer) -> None:
    for version in ("2.13.0+cpu", "2.13.0+cu130", "2.12.0+cpu"):
        index.add("torch", version, to=team)


def test_a_build_that_there_is_not(index: Index, team: WebServer) -> None:
    offer_torch(index, team)
    error = index.error("app", "torch==2.13.0+cpux")
    assert str(error) == (
        f"{PLACE}index `team` has no build `torch==2.13.0+cpux`; it has `2.13.0+cu130`, `2.13.0+cpu`"
    )
    assert error.hint == "did you mean `torch==2.13.0+cpu`?"
    index.bound = ("inner",)
    index.add("torch", "2.13.0")
    error = index.error("app", "torch==2.13.0+cpux")
    assert str(error) == f"{PLACE}index `default` has no build `torch==2.13.0+cpux`; it has `2.13.0`"
    assert error.hint == (
        "builds with a label come from an index of their own: bind `torch` to it under `indexes:`"
    )


def test_a_build_that_a_package_asks_for(index: Index, team: WebServer) -> None:
    offer_torch(index, team)
    index.add("vision", "1.0", requires=["torch==2.13.0+cu999"])
    error = index.error("app", "vision")
    assert str(error) == (
        f"{PLACE}index `team` has no build `torch==2.13.0+cu999`, which `vision` asks for; "
        "it has `2.13.0+cu130`, `2.13.0+cpu`"
    )


def test_two_builds_of_one_version(index: Index, team: WebServer) -> None:
    offer_torch(index, team)
    error = index.error("app", "torch==2.13.0+cpu", "torch==2.13.0+cu130")
    assert str(error) == (
        f"{PLACE}these cannot be had together (torch):\n"
        "  you ask for `torch==2.13.0+cpu`  (images/digits/mlimage.yaml:11:5)\n"
        "  you ask for `torch==2.13.0+cu130`  (images/digits/mlimage.yaml:12:5)"
    )
    assert (
        error.hint == "an image has one build of `torch`: ask for each in a variant of its own (`variants:`)"
    )


def test_a_build_and_a_package_that_needs_another(index: Index, team: WebServer) -> None:
    offer_torch(index, team)
    index.add("vision", "1.0", requires=["torch==2.13.0+cu130"])
    error = index.error("vision", "torch==2.13.0+cpu")
    assert str(error) == (
        f"{PLACE}these cannot be had together (torch):\n"
        "  you ask for `torch==2.13.0+cpu`  (images/digits/mlimage.yaml:11:5)\n"
        "  `vision 1.0` needs `torch==2.13.0+cu130`, and you ask for `vision`"
        "  (images/digits/mlimage.yaml:10:5)"
    )
    assert (
        error.hint == "an image has one build of `torch`: ask for each in a variant of its own (`variants:`)"
    )


def test_an_older_release_for_this_python(index: Index) -> None:
    """uv counts no upper bounds of python, and the index does it for both."""
    index.add("lib", "3.0", headers=["Requires-Python: <3.11"], requires_python="<3.11")
    assert index.pins("lib") == {"lib": "2.0"}


@pytest.mark.parametrize(
    ("tag", "requires", "message", "hint"),
    [
        (
            "cp313-cp313-manylinux_2_17_x86_64",
            None,
            "`fast` has no wheel for {about}; its wheels are for python 3.13",
            'write `python: "3.13"` and `base: {debian: trixie}`',
        ),
        (
            "cp39-cp39-manylinux_2_17_x86_64",
            None,
            "`fast` has no wheel for {about}; its wheels are for python 3.9",
            "ask for another package: packages can be locked for python 3.10 and newer",
        ),
        (
            "py3-none-any",
            "<3.11",
            "`fast` needs python `<3.11`, and the image has python 3.11",
            'write `python: "3.10"` and `base: {image: python:3.10-slim}`',
        ),
        (
            "py3-none-any",
            ">=3.12",
            "`fast` needs python `>=3.12`, and the image has python 3.11",
            'write `python: "3.13"` and `base: {debian: trixie}`',
        ),
    ],
)
def test_wheels_for_another_python(
    tag: str, requires: str | None, message: str, hint: str, index: Index
) -> None:
    headers = [f"Requires-Python: {requires}"] if requires else []
    index.add("fast", "1.0", tag=tag, headers=headers, requires_python=requires)
    error = index.error("app", "fast")
    glibc = re.search(r"glibc (\S+?);", str(error))
    about = f"python 3.11 on x86_64 with glibc {glibc[1] if glibc else ''}"
    assert isinstance(error, MlimageError)
    assert (str(error), error.hint) == (PLACE + message.format(about=about), hint)
