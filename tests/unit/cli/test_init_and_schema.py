"""`mlimage init` and `mlimage schema`, as a user calls them."""

import json
import sys
from pathlib import Path

import pytest

from mlimage import __version__
from mlimage.cli import main
from mlimage.spec.schema import json_schema
from support.webserver import LOGIN_PAGE, WebServer
from support.wheels import make_wheel

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("schema", "--json", "-v") == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_init(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("init", "churn") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out == (
        "made\n"
        "  images/churn/app/.dockerignore\n"
        "  images/churn/app/features.py\n"
        "  images/churn/app/model.py\n"
        "  images/churn/app/serve.py\n"
        "  images/churn/app/train.py\n"
        "  images/churn/golden/edges.json\n"
        "  images/churn/golden/extreme.json\n"
        "  images/churn/golden/usual.json\n"
        "  images/churn/golden/zero.json\n"
        "  images/churn/mlimage.yaml\n"
        "\n"
        "next:\n"
        "  mlimage lock churn\n"
        "  mlimage build churn\n"
        "  mlimage run churn train\n"
    )
    monkeypatch.chdir(tmp_path / "images" / "churn")
    assert _run("init", "churn") == 2
    assert capsys.readouterr().err == (
        "error: `images/churn` is there already, with `app`, `golden`, `mlimage.yaml`\n"
        "hint: choose another name, or move it away\n"
    )
    assert _run("init", "other") == 0
    assert (tmp_path / "images" / "other" / "mlimage.yaml").is_file()


def test_init_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("pandas==2.2.0\n-e .\ntorch==2.1.0+cu118\n")
    assert _run("init", "churn", "--from", str(file), "--project", str(tmp_path), "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == (
        "warning: `variants`: `cpu` takes PyTorch from https://download.pytorch.org/whl/cpu and `cuda` takes "
        "PyTorch from https://download.pytorch.org/whl/cu118; remove the one that you do not need\n"
        "warning: `torch==2.1.0+cu118`: became `torch==2.1.0`; which build, each variant's index says\n"
        "warning: left out `-e .`: an editable package cannot be locked; put your own code into the app "
        "folder, "
        "and what it needs into `dependencies:`\n"
    )
    assert json.loads(captured.out) == {
        "name": "churn",
        "root": str(tmp_path),
        "files": [
            "images/churn/app/.dockerignore",
            "images/churn/app/features.py",
            "images/churn/app/model.py",
            "images/churn/app/serve.py",
            "images/churn/app/train.py",
            "images/churn/golden/edges.json",
            "images/churn/golden/extreme.json",
            "images/churn/golden/usual.json",
            "images/churn/golden/zero.json",
            "images/churn/mlimage.yaml",
        ],
        "notes": [
            {
                "text": "variants",
                "reason": "`cpu` takes PyTorch from https://download.pytorch.org/whl/cpu and `cuda` takes "
                "PyTorch from https://download.pytorch.org/whl/cu118; remove the one that you do not need",
            },
            {
                "text": "torch==2.1.0+cu118",
                "reason": "became `torch==2.1.0`; which build, each variant's index says",
            },
            {
                "text": "-e .",
                "reason": "an editable package cannot be locked; put your own code into the app folder, and "
                "what it needs into `dependencies:`",
            },
        ],
    }


def test_a_bad_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("init", "Churn", "--project", str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        "error: `Churn` cannot be the name of an image\n"
        "hint: use lower-case letters and digits, with `-`, `_` or `.` between them, as `digits-sklearn`\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_init_elsewhere_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    assert _run("init", "churn", "-C", "a b") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"made in {tmp_path}/a b"
    assert said[-3:] == [
        f"  mlimage {verb} -C 'a b'" for verb in ("lock churn", "build churn", "run churn train")
    ]
    monkeypatch.chdir(tmp_path / "a b" / "images")
    assert _run("init", "other") == 0
    said = capsys.readouterr().out.splitlines()
    assert (said[0], said[-1]) == (f"made in {tmp_path}/a b", "  mlimage run other train")


@pytest.mark.parametrize("name", ["", "a: b", "~", "#x", "A", "\udcff"])
def test_init_of_what_is_no_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("init", name) == 2
    shown = name.encode(errors="replace").decode()
    assert capsys.readouterr().err == (
        f"error: `{shown}` cannot be the name of an image\n"
        "hint: use lower-case letters and digits, with `-`, `_` or `.` between them, as `digits-sklearn`\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_init_of_a_name_that_is_a_number_in_yaml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("init", "1.0") == 0
    assert 'name: "1.0"\n' in (tmp_path / "images" / "1.0" / "mlimage.yaml").read_text()
    assert capsys.readouterr().err == ""


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project with one image, in a repository."""
    root = tmp_path / "repository" / "ml"
    (root.parent / ".git").mkdir(parents=True)
    root.mkdir()
    monkeypatch.chdir(root)
    assert _run("init", "churn") == 0
    capsys.readouterr()
    return root


@pytest.mark.parametrize("what", ["file", "link", "folder"])
def test_no_workflow_is_overwritten(what: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = project.parent / ".gitlab-ci.yml"
    if what == "file":
        there.write_text("mine")
    elif what == "link":
        there.symlink_to("nowhere")
    else:
        there.mkdir()
    assert _run("init", "other", "--ci", "gitlab") == 2
    assert capsys.readouterr().err == (
        f"error: `.gitlab-ci.yml` is there already, in `{project.parent}`\n"
        "hint: move it away, and bring back what you need of it\n"
    )
    assert not (project / "images" / "other").exists()
    assert what != "file" or there.read_text() == "mine"


def test_no_workflow_of_a_spec_that_is_wrong(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "images/churn/mlimage.yaml").write_text("name: churn\n")
    assert _run("init", "other", "--ci", "gitlab") == 3
    assert "images/churn/mlimage.yaml:" in capsys.readouterr().err
    assert not (project / "images" / "other").exists()
    assert not (project.parent / ".gitlab-ci.yml").exists()


@pytest.mark.parametrize("arguments", [(), ("--from", "x"), ("--from", "x", "--ci", "github")])
def test_init_of_nothing(
    arguments: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("init", *arguments) == 2
    assert capsys.readouterr().err == (
        "error: missing argument `NAME`\nhint: `mlimage init --help` shows what it takes\n"
    )


def test_no_workflow_without_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run("init", "--ci", "github") == 2
    assert capsys.readouterr().err == (
        f"error: no project here: neither `{tmp_path}` nor a folder above it has `images/NAME/mlimage.yaml`\n"
        "hint: `mlimage init NAME` makes one here\n"
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "lockfiles").mkdir()
    assert _run("init", "--ci", "github") == 2
    assert capsys.readouterr().err == (
        f"error: no images in `{tmp_path}`\nhint: `mlimage init NAME` makes one\n"
    )
    assert not (tmp_path / ".github").exists()


THERE = "hint: move it away, and bring back what you need of it"
ARCHIVE = "lockfiles/mlimage-archive.txt"
RUN = "python -m pip install --require-hashes -r lockfiles/mlimage.txt"
PYTHON_OF_IT = f'python-version: "{PYTHON}"'


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f'python-version: "3.8"\n{RUN}\n', f"{THERE}; it may stay if it has `{PYTHON_OF_IT}` and `{RUN}`"),
        (
            f"{PYTHON_OF_IT}\n{RUN}\npip install -r {ARCHIVE}\n",
            f"hint: take `{ARCHIVE}` out of it: mlimage is in `lockfiles/mlimage.txt` now",
        ),
    ],
)
def test_a_workflow_that_installs_something_else(
    text: str, hint: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = project.parent / ".github/workflows/mlimage.yml"
    there.parent.mkdir(parents=True)
    there.write_text(text)
    assert _run("init", "--ci", "github") == 2
    assert capsys.readouterr().err == (
        f"error: `.github/workflows/mlimage.yml` is there already, in `{project.parent}`\n{hint}\n"
    )
    assert there.read_text() == text


def test_requirements_of_somebody_else_are_not_overwritten(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lockfiles/mlimage.txt").write_text("mine\n")
    assert _run("init", "--ci", "github") == 2
    assert capsys.readouterr().err == (
        "error: `lockfiles/mlimage.txt` is there already, and mlimage did not write it\nhint: move it away\n"
    )


def test_a_source_of_mlimage_is_for_ci(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("init", "other", "--mlimage-from", "https://example.com/x.zip") == 2
    assert capsys.readouterr().err == (
        "error: `--mlimage-from` is for `--ci`\nhint: add `--ci github` or `--ci gitlab`\n"
    )
    assert not (project / "images/other").exists()


@pytest.mark.parametrize("system", ["github", "gitlab"])
@pytest.mark.parametrize("there", [None, "0.0.9", "sdist"])
def test_a_version_that_the_index_does_not_have(
    there: str | None,
    system: str,
    project: Path,
    web: WebServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which a checkout is; what others have published by the old name counts for nothing."""
    monkeypatch.setenv("MLIMAGE_MIRROR_DEFAULT", web.index)
    made = make_wheel(project, "mlimage", __version__, {})
    web.offer("mlimage", made.name, made.read_bytes())
    if there == "sdist":
        web.offer("mlimage-builder", f"mlimage_builder-{__version__}.tar.gz", b"")
    elif there:
        made = make_wheel(project, "mlimage-builder", there, {})
        web.offer("mlimage-builder", made.name, made.read_bytes())
    assert _run("init", "other", "--ci", system) == 2
    assert capsys.readouterr().err == (
        f"error: index `default` has no wheel of `mlimage-builder=={__version__}` for CI to install\n"
        "hint: make one of your checkout with `pip wheel --no-deps .`, upload it, and say where it is: "
        "`--mlimage-from 'https://HOST/FILE.whl#sha256=DIGEST'`\n"
    )
    assert not (project / "images/other").exists()
    assert not (project.parent / ".github").exists()
    assert not (project.parent / ".gitlab-ci.yml").exists()
    assert list((project / "lockfiles").iterdir()) == []


def test_no_index_to_ask(
    project: Path,
    web: WebServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLIMAGE_MIRROR_DEFAULT", web.index)
    web.spoil("/simple/", LOGIN_PAGE)
    assert _run("init", "--ci", "github") == 6
    assert capsys.readouterr().err.startswith("error: index `default`: ")
    assert not (project.parent / ".github").exists()
