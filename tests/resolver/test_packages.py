"""Locks packages from real indexes on loopback, with the real pip-compile and uv, on this python."""

import io
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from mlimage.errors import ResolveError
from mlimage.lock.changes import Upgrade
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.resolver import Resolver
from mlimage.lock.writer import render_requirements
from mlimage.process import Command, run
from support import locks
from support.resolving import RESOLVERS, Index
from support.webserver import WebServer, web_server
from support.wheels import make_wheel


@pytest.fixture(params=["json", "html"])
def style(request: pytest.FixtureRequest) -> Literal["json", "html"]:
    kind: Literal["json", "html"] = request.param
    return kind


@pytest.fixture(params=RESOLVERS)
def resolver(request: pytest.FixtureRequest) -> Resolver:
    """Each, since a lock must not depend on which one it is."""
    return RESOLVERS[request.param]


@pytest.fixture
def web(style: Literal["json", "html"]) -> Iterator[WebServer]:
    with web_server(style=style) as server:
        yield server


@pytest.fixture
def index(web: WebServer, resolver: Resolver, tmp_path: Path) -> Index:
    return Index(web, resolver, tmp_path)


def test_pins_files_and_who_asks(index: Index) -> None:
    index.add("lib", "2.0", tag="py2.py3-none-any")
    index.add("lib", "2.0", tag="cp27-cp27m-win32")
    packages, notes = index.lock("app", "lib!=1.5")
    app, lib = packages
    assert notes == {}
    assert (app.name, str(app.version), app.required_by) == ("app", "1.0", ("-r dependencies",))
    assert (lib.name, str(lib.version), lib.required_by) == ("lib", "2.0", ("-r dependencies", "app"))
    offered = index.web.projects["lib"]
    assert lib.file == "lib-2.0-py2.py3-none-any.whl"
    assert lib.sha256.hex == offered[lib.file].sha256
    assert lib.size == len(offered[lib.file].content)
    assert {digest.hex for digest in lib.hashes} == {
        offered["lib-2.0-py3-none-any.whl"].sha256,
        offered["lib-2.0-py2.py3-none-any.whl"].sha256,
    }
    assert not [path for path in index.web.paths() if path.endswith(".tar.gz")]


def test_arbitrary_equality_is_a_pin(index: Index) -> None:
    index.add("lib", "2.1")
    assert index.pins("lib===2.0") == {"lib": "2.0"}


def previous(*packages: LockedPackage) -> Lock:
    return locks.lock(packages)


def test_versions_stay_until_they_are_upgraded(index: Index) -> None:
    old = previous(locks.package("app", "1.0"), locks.package("lib", "1.0"))
    index.add("app", "1.1", requires=["lib>=1"])
    assert index.pins("app", previous=old) == {"app": "1.0", "lib": "1.0"}
    assert index.pins("app", previous=old, upgrade=Upgrade(packages=("App",))) == {"app": "1.1", "lib": "1.0"}
    assert index.pins("app", previous=old, upgrade=Upgrade(everything=True)) == {"app": "1.1", "lib": "2.0"}


def test_an_upgrade_moves_others_only_where_it_must(index: Index) -> None:
    old = previous(locks.package("app", "1.0"), locks.package("lib", "1.0"))
    index.add("app", "2.0", requires=["lib>=2"])
    assert index.pins("app>=2", previous=old) == {"app": "2.0", "lib": "2.0"}


def test_an_upgrade_that_others_hold_back_is_said(index: Index) -> None:
    old = previous(locks.package("app", "1.0"), locks.package("lib", "1.0"))
    index.add("app", "2.0", requires=["lib>=2"])
    packages, notes = index.lock("app", "lib<2", previous=old, upgrade=Upgrade(packages=("app",)))
    assert [str(package.version) for package in packages] == ["1.0", "1.0"]
    assert notes == {"app": "2.0 does not fit what is asked for or locked"}


def test_a_withdrawn_release_is_said(index: Index) -> None:
    index.add("app", "3.0", yanked="broken on Mondays")
    packages, notes = index.lock("app==3.0")
    assert [str(package.version) for package in packages] == ["3.0"]
    assert notes == {"app": "yanked: broken on Mondays"}


def test_a_withdrawn_release_is_not_taken_unnamed(index: Index) -> None:
    index.add("app", "3.0", yanked="broken on Mondays")
    assert str(index.error("app>=3")) == (
        "images/digits/mlimage.yaml:10:5: `app>=3` fits withdrawn versions only: `3.0`"
    )


def test_unfinished_versions(index: Index) -> None:
    index.add("lib", "3.0rc1")
    index.add("app", "2.0", requires=["lib>2"])
    assert index.pins("lib") == {"lib": "2.0"}
    assert index.pins("lib>2") == {"lib": "3.0rc1"}
    assert index.pins("app") == {"app": "2.0", "lib": "3.0rc1"}


def test_versions_of_other_variants(index: Index) -> None:
    for old in (None, previous(locks.package("app", "1.0"), locks.package("lib", "2.0"))):
        packages, _ = index.lock("app", previous=old, constraints={"lib": "1.0", "other": "1.0"})
        assert [(each.name, str(each.version), each.required_by) for each in packages] == [
            ("app", "1.0", ("-r dependencies",)),
            ("lib", "1.0", ("app",)),
        ]


def test_setuptools_is_a_package_as_others(index: Index) -> None:
    index.add("setuptools", "80.0")
    index.add("app", "2.0", requires=["setuptools"])
    assert index.pins("app") == {"app": "2.0", "setuptools": "80.0"}


def test_who_asks_with_an_extra(index: Index) -> None:
    index.add("tool", "1.0", requires=['lib; extra == "fast"'], headers=["Provides-Extra: fast"])
    index.add("top", "1.0", requires=["tool"])
    for wanted, expected in ((("top", "tool[fast]"), ("tool",)), (("top", "app", "tool"), ("app",))):
        packages, _ = index.lock(*wanted)
        assert {each.name: each.required_by for each in packages}["lib"] == expected


def test_the_date_of_the_lock(index: Index, style: str) -> None:
    index.add("lib", "3.0", upload_time="2026-07-01T00:00:00Z")
    dated = style == "json"  # HTML pages have no dates
    assert index.pins("lib") == {"lib": "2.0" if dated else "3.0"}
    if dated:
        error = index.error("lib>=3")
        assert "newer than this lock" in str(error)


def test_errors_in_the_users_words(index: Index) -> None:
    error = index.error("app", "lib<1.5", "lib>1.5")
    assert isinstance(error, ResolveError)
    assert str(error) == (
        "images/digits/mlimage.yaml:11:5: these cannot be had together (lib):\n"
        "  you ask for `lib<1.5`  (images/digits/mlimage.yaml:11:5)\n"
        "  you ask for `lib>1.5`  (images/digits/mlimage.yaml:12:5)"
    )
    index.add("app", "4.0", requires=["lib<2"])
    assert str(index.error("app>=4", "lib>=2")) == (
        "images/digits/mlimage.yaml:11:5: these cannot be had together (lib):\n"
        "  you ask for `lib>=2`  (images/digits/mlimage.yaml:11:5)\n"
        "  `app 4.0` needs `lib<2`, and you ask for `app>=4`  (images/digits/mlimage.yaml:10:5)"
    )
    assert (
        str(index.error("numpi")) == "images/digits/mlimage.yaml:10:5: index `default` has no package `numpi`"
    )
    index.add("app", "5.0", requires=["nowhere>=2"])
    assert str(index.error("app>=5")) == (
        "images/digits/mlimage.yaml:10:5: index `default` has no package `nowhere`, which `app` asks for"
    )
    index.web.offer("sourced", "sourced-1.0.tar.gz", b"sdist")
    assert "only sources to build: `sourced-1.0.tar.gz`" in str(index.error("sourced"))


def test_an_index_without_digests(index: Index) -> None:
    index.add("plain", "1.0", hashed=False)
    error = index.error("plain")
    assert str(error) == (
        "index `default` gives no sha256 for `plain-1.0-py3-none-any.whl`, so it cannot be locked"
    )


def test_the_configuration_of_this_machine_does_not_count(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = make_wheel(index.folder / "evil", "lib", "99.0", {"lib.py": b""})
    for name, value in {
        "PIP_FIND_LINKS": str(evil.parent),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_PRE": "1",
        "PIP_CONSTRAINT": "/nonexistent",
        "UV_FIND_LINKS": str(evil.parent),
        "UV_INDEX_URL": "http://127.0.0.1:9/simple",
        "UV_PRERELEASE": "allow",
        "UV_CONSTRAINT": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    assert index.pins("lib") == {"lib": "2.0"}


def test_sizes_that_the_lock_before_knows_are_not_asked_for(index: Index, style: str) -> None:
    packages, _ = index.lock("lib")
    index.web.requests.clear()
    again, _ = index.lock("lib", previous=replace(previous(), packages=packages))
    assert again == packages
    asked = [path for path in index.web.paths() if path.startswith("/files/")]
    assert asked == [], style


def test_sizes_come_with_the_metadata(index: Index, style: str) -> None:
    if style == "html":
        index.lock("app")
        asked = [path for path in index.web.paths() if path.startswith("/files/")]
        assert sorted(asked) == sorted(set(asked))  # one request for a file: its tail, which tells its size
        index.web.requests.clear()
        assert [package.size for package in index.lock("app")[0]] == [
            len(index.web.projects[name][f"{name}-{version}-py3-none-any.whl"].content)
            for name, version in (("app", "1.0"), ("lib", "2.0"))
        ]
        assert not [path for path in index.web.paths() if path.startswith("/files/")]


def test_an_upgrade_leaves_the_files_of_other_packages(index: Index) -> None:
    packages, _ = index.lock("app", "lib")
    old = replace(previous(), packages=packages)
    index.add("lib", "2.0", tag="py2.py3-none-any")  # pip would like it better, by its name
    index.add("app", "1.1", requires=["lib>=1"])
    again, _ = index.lock("app", "lib", previous=old, upgrade=Upgrade(packages=("app",)))
    assert again[1] == packages[1]
    assert str(again[0].version) == "1.1"
    moved, _ = index.lock("app", "lib", previous=old, upgrade=Upgrade(packages=("lib",)))
    assert moved[0] == packages[0]
    assert moved[1].file == "lib-2.0-py2.py3-none-any.whl"


def test_nothing_outside_of_the_indexes_is_fetched_or_run(index: Index) -> None:
    """pip would fetch it, and run its setup.py: for a URL, `--only-binary` does not count."""
    trace = index.folder / "was-run"
    with web_server() as elsewhere:
        elsewhere.files["/evil-1.0.tar.gz"] = _sdist("evil-1.0", f"open({str(trace)!r}, 'w')\n")
        evil = f"evil @ {elsewhere.origin}/evil-1.0.tar.gz"
        index.add("app", "2.0", requires=[evil])
        assert index.pins("app") == {"app": "1.0", "lib": "2.0"}
        assert str(index.error("app>=2")) == (
            "images/digits/mlimage.yaml:10:5: `app` asks for `evil` at an address of its own, "
            "which cannot be locked"
        )
        index.add("app", "3.0", requires=["lib", f"{evil} ; extra == 'dev'"])
        assert index.pins("app>=3") == {"app": "3.0", "lib": "2.0"}
        assert elsewhere.requests == []
    assert not trace.exists()


def _sdist(name: str, setup: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(f"{name}/setup.py")
        member.size = len(setup)
        archive.addfile(member, io.BytesIO(setup.encode()))
    return buffer.getvalue()


def test_pip_accepts_what_is_locked(index: Index, tmp_path: Path) -> None:
    index.add("Odd.Name_x", "1!2.0.post1+local", requires=["lib[extra]>=1; python_version>'3'"])
    packages, _ = index.lock("app", "odd-name-x")
    requirements = tmp_path / "cpu.txt"

    def install() -> tuple[int, str]:
        requirements.write_text(render_requirements(locked := previous(*packages), locked.tag))
        done = run(
            Command(
                argv=(
                    *(
                        sys.executable,
                        "-m",
                        "pip",
                        "install",
                        "--require-hashes",
                        "--no-deps",
                        "--no-cache-dir",
                    ),
                    *("--quiet", "--disable-pip-version-check", "--index-url", index.web.index),
                    *("--target", str(tmp_path / "site"), "-r", str(requirements)),
                ),
                env={"PATH": "/nowhere", "PIP_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)},
            )
        )
        return done.status, done.errors

    assert install() == (0, "")
    assert sorted(path.name for path in (tmp_path / "site").glob("*.py")) == [
        "Odd.Name_x.py",
        "app.py",
        "lib.py",
    ]
    wrong = locks.digest_of("wrong")
    packages = (replace(packages[0], sha256=wrong, hashes=(wrong,)), *packages[1:])
    status, errors = install()
    assert (status, "DO NOT MATCH THE HASHES" in errors) == (1, True)
