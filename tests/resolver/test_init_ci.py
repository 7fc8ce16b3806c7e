"""`mlimage init --ci` with mlimage on an index on loopback: the workflow, and what it installs, locked."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlimage import __version__
from mlimage.cli import main
from mlimage.content.ownpython import own_python
from support.loopback import wheel
from support.webserver import Offered, WebServer

PYTHON = own_python().python
INSTALL = "python -m pip install --require-hashes -r lockfiles/mlimage.txt"
BUILD = (
    "python -m pip install --require-hashes --no-deps --no-build-isolation -r lockfiles/mlimage-archive.txt"
)
HEAD = f"# What CI installs, locked by mlimage for python {PYTHON}; not edited by hand.\n"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project with one image, in a repository."""
    root = tmp_path / "repository" / "ml"
    (root.parent / ".git").mkdir(parents=True)
    root.mkdir()
    monkeypatch.chdir(root)
    assert run("init", "churn") == 0
    capsys.readouterr()
    return root


@pytest.fixture
def world(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """An index with what mlimage needs, two wheels of `lib` among it; offers more, and gives the sha256."""
    monkeypatch.setenv("MLIMAGE_MIRROR_DEFAULT", web.index)
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))

    def add(name: str, version: str, *requires: str, tag: str = "py3-none-any", **says: object) -> str:
        made = wheel(tmp_path / "wheels", name, version, *requires, tag=tag)
        web.offer(name, made.name, made.read_bytes(), **says)
        return digest_of(made.read_bytes())

    return add


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def lib(world: Callable[..., str]) -> str:
    """The lines of `lib`, of which there are wheels for other platforms, too."""
    world("lib", "1.0")
    digests = [
        world("lib", "1.1", tag=tag)
        for tag in ("py3-none-any", "cp39-cp39-win_amd64", "cp313-cp313-manylinux_2_17_aarch64")
    ]
    return "lib==1.1 \\\n" + " \\\n".join(f"    --hash={digest}" for digest in sorted(digests)) + "\n"


def test_a_workflow_for_what_is_there(
    project: Path, web: WebServer, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lib(world)
    own = world("mlimage-builder", __version__, "lib>=1", 'uv; extra == "uv"')
    web.projects["lib"]["lib-1.1.tar.gz"] = Offered(content=b"")
    assert run("init", "--ci", "github") == 0
    assert capsys.readouterr().out == (
        "made\n"
        "  lockfiles/mlimage.txt\n"
        "  ../.github/workflows/mlimage.yml\n"
        "\n"
        "next:\n"
        "  mlimage lock\n"
        "  mlimage render\n"
        "  mlimage build --record\n"
        "  then commit what is new, `lockfiles/` and the Dockerfiles included\n"
    )
    assert (project / "lockfiles/mlimage.txt").read_text() == (
        f"{HEAD}# To write it anew: mlimage init --ci github\n"
        "--only-binary :all:\n"
        f"{lines}"
        "    # via mlimage-builder\n"
        f"mlimage-builder=={__version__} \\\n    --hash={own}\n"
    )
    text = (project.parent / ".github/workflows/mlimage.yml").read_text()
    assert text.count(f"      - run: {INSTALL}\n") == 3
    assert text.count(f'          python-version: "{PYTHON}"\n') == 3
    assert "    working-directory: ml\n" in text


def test_again_it_locks_anew_and_the_workflow_stays(
    project: Path, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lib(world)
    world("mlimage-builder", __version__, "lib>=1")
    assert run("init", "--ci", "gitlab", "--json") == 0
    written = json.loads(capsys.readouterr().out)
    assert written["files"] == ["lockfiles/mlimage.txt", "../.gitlab-ci.yml"]
    workflow = project.parent / ".gitlab-ci.yml"
    workflow.write_text(workflow.read_text() + "# mine\n")
    newer = world("lib", "1.2")
    assert run("init", "--ci", "gitlab") == 0
    assert capsys.readouterr().out == ("made\n  lockfiles/mlimage.txt\n\n../.gitlab-ci.yml stays as it is\n")
    assert workflow.read_text().endswith("# mine\n")
    assert f"lib==1.2 \\\n    --hash={newer}\n" in (project / "lockfiles/mlimage.txt").read_text()
    # A new image would have to be written into it.
    assert run("init", "other", "--ci", "gitlab") == 2
    assert capsys.readouterr().err.endswith(
        f"error: `.gitlab-ci.yml` is there already, in `{project.parent}`\n"
        "hint: move it away, and bring back what you need of it\n"
    )
    assert not (project / "images/other").exists()


def test_a_workflow_with_a_new_image(
    project: Path, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    world("mlimage-builder", __version__)
    assert run("init", "other", "--ci", "gitlab") == 0
    assert capsys.readouterr().out.endswith(
        "  images/other/mlimage.yaml\n"
        "  lockfiles/mlimage.txt\n"
        "  ../.gitlab-ci.yml\n"
        "\n"
        "next:\n"
        "  mlimage lock other\n"
        "  mlimage render other\n"
        "  mlimage build other --record\n"
        "  mlimage run other train\n"
        "  then commit what is new, `lockfiles/` and the Dockerfiles included\n"
    )
    found = yaml.safe_load((project.parent / ".gitlab-ci.yml").read_text())
    assert found["build"]["parallel"]["matrix"] == [
        {"IMAGE": "churn", "VARIANT": ["cpu"]},
        {"IMAGE": "other", "VARIANT": ["cpu"]},
    ]
    assert found["default"]["image"] == f"python:{PYTHON}-slim"
    assert found["default"]["before_script"][:2] == ["cd ml", f"{INSTALL} --quiet"]


def test_a_withdrawn_version_is_said(
    project: Path, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    world("mlimage-builder", __version__, yanked="leaks")
    assert run("init", "--ci", "github") == 0
    assert (
        "warning: this version of mlimage was withdrawn by its authors (yanked: leaks)\n"
        in capsys.readouterr().err
    )


def test_a_wheel_that_no_index_has(project: Path, web: WebServer, world: Callable[..., str]) -> None:
    lines = lib(world)
    made = wheel(project, "mlimage-builder", "0.2.0", "lib>=1")
    web.files[f"/dist/{made.name}"] = made.read_bytes()
    url, digest = f"{web.origin}/dist/{made.name}", digest_of(made.read_bytes())
    assert run("init", "--ci", "github", "--mlimage-from", f"{url}#{digest.replace(':', '=')}") == 0
    assert (project / "lockfiles/mlimage.txt").read_text() == (
        f"{HEAD}# To write it anew: mlimage init --ci github --mlimage-from URL#sha256=DIGEST\n"
        "--only-binary :all:\n"
        f"mlimage-builder @ {url} \\\n    --hash={digest}\n"
        f"{lines}"
        "    # via mlimage-builder\n"
    )
    assert not (project / "lockfiles/mlimage-archive.txt").exists()


def test_a_wheel_that_needs_nothing(project: Path, web: WebServer, world: Callable[..., str]) -> None:
    world("lib", "1.0")
    made = wheel(project, "mlimage-builder", "0.2.0")
    web.files[f"/dist/{made.name}"] = made.read_bytes()
    url, digest = f"{web.origin}/dist/{made.name}", digest_of(made.read_bytes())
    assert run("init", "--ci", "github", "--mlimage-from", f"{url}#{digest.replace(':', '=')}") == 0
    text = (project / "lockfiles/mlimage.txt").read_text()
    assert text.endswith(f"--only-binary :all:\nmlimage-builder @ {url} \\\n    --hash={digest}\n")


def test_an_archive_is_built_of_locked_wheels(
    project: Path, web: WebServer, world: Callable[..., str]
) -> None:
    lines = lib(world)
    tools = world("hatchling", "1.27")
    text = (
        '[build-system]\nrequires = ["hatchling"]\n'
        '[project]\nname = "mlimage-builder"\ndependencies = ["lib>=1"]\n'
    )
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("mlimage-3f2a/pyproject.toml")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
    web.files["/archive/3f2a.tar.gz"] = stream.getvalue()
    url, digest = f"{web.origin}/archive/3f2a.tar.gz", digest_of(stream.getvalue())
    assert run("init", "--ci", "gitlab", "--mlimage-from", f"{url}#{digest.replace(':', '=')}") == 0
    head = f"{HEAD}# To write it anew: mlimage init --ci gitlab --mlimage-from URL#sha256=DIGEST\n"
    assert (project / "lockfiles/mlimage.txt").read_text() == (
        f"{head}--only-binary :all:\n"
        f"hatchling==1.27 \\\n    --hash={tools}\n    # via mlimage-builder\n"
        f"{lines}"
        "    # via mlimage-builder\n"
    )
    assert (project / "lockfiles/mlimage-archive.txt").read_text() == (
        f"{head}mlimage-builder @ {url} \\\n    --hash={digest}\n"
    )
    lines_of = yaml.safe_load((project.parent / ".gitlab-ci.yml").read_text())["default"]["before_script"]
    assert lines_of[:3] == ["cd ml", f"{INSTALL} --quiet", f"{BUILD} --quiet"]


def test_something_else_at_the_url(
    project: Path, web: WebServer, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    world("mlimage-builder", __version__)
    made = wheel(project, "mlimage-builder", "0.2.0")
    web.files[f"/dist/{made.name}"] = made.read_bytes()
    url = f"{web.origin}/dist/{made.name}"
    assert run("init", "--ci", "github", "--mlimage-from", f"{url}#sha256={'0' * 64}") == 6
    assert capsys.readouterr().err.endswith(
        f"error: `{made.name}` from `{url}` has another hash: expected sha256:{'0' * 64}, "
        f"got {digest_of(made.read_bytes())}\n"
        "hint: compare it with the digest that `sha256sum` prints for your own copy of the file\n"
    )
    assert not (project.parent / ".github").exists()
    assert list((project / "lockfiles").iterdir()) == []


def test_what_mlimage_needs_is_not_there(
    project: Path, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    world("mlimage-builder", __version__, "lib>=1")
    assert run("init", "--ci", "github") == 5
    assert capsys.readouterr().err.endswith(
        "error: index `default` has no package `lib`, which `mlimage-builder` asks for\n"
        "hint: set MLIMAGE_MIRROR_DEFAULT to an index that has wheels of all that mlimage needs\n"
    )
    assert not (project.parent / ".github").exists()


def test_the_lock_of_images_is_not_mistaken_for_it(
    project: Path, world: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor the other way round: there may be an image `mlimage`, and verbs see the images alone."""
    world("mlimage-builder", __version__)
    assert run("init", "mlimage", "--ci", "github") == 0
    capsys.readouterr()
    assert run("lock", "--check", "--json") == 4
    assert [found["image"] for found in json.loads(capsys.readouterr().out)] == ["churn", "mlimage"]
