"""`mlimage render`, and builds that end before anything is built, in a small project."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.lock.check import wanted_by
from mlimage.lock.writer import render_lock
from mlimage.spec.load import load_spec
from support import locks
from support.locks import CPU

SPEC = """\
name: demo
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
dependencies: [numpy]
"""
STEPS = """\
run: [{command: fetch, secrets: [hub-token]}]
"""
FILES = ("images/demo/Dockerfile.cpu", "images/demo/Dockerfile.cpu.dockerignore")


def write_project(where: Path, text: str = SPEC) -> None:
    folder = where / "images/demo"
    (folder / "app").mkdir(parents=True, exist_ok=True)
    (folder / "app/train.py").touch()
    (folder / "mlimage.yaml").write_text(text)
    lock = locks.lock([locks.package("numpy", "2.1")], image="demo")
    lock = replace(lock, wanted=wanted_by(load_spec(folder, shown="images/demo"), CPU))
    (where / "lockfiles/demo").mkdir(parents=True, exist_ok=True)
    for name, content in render_lock(lock).items():
        (where / "lockfiles/demo" / name).write_text(content)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def mlimage(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_files_are_written_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("render") == 0
    assert capsys.readouterr().out == "".join(f"{file}: written\n" for file in FILES)
    assert (project / FILES[0]).read_text().startswith("# demo:cpu for linux/amd64, with python 3.11\n")
    assert mlimage("render", "demo") == 0
    assert capsys.readouterr().out == "".join(f"{file}: as it was\n" for file in FILES)
    (project / FILES[0]).unlink()
    assert mlimage("render", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [
        {"file": FILES[0], "written": True},
        {"file": FILES[1], "written": False},
    ]


def test_check_shows_the_difference(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("render") == 0
    capsys.readouterr()
    assert mlimage("render", "--check") == 0
    assert capsys.readouterr().out == "".join(f"{file} is up to date\n" for file in FILES)
    (project / FILES[1]).write_text((project / FILES[1]).read_text().replace("*\n!lock", "**\n!lock"))
    difference = (
        f"--- {FILES[1]}\n+++ {FILES[1]} (rendered)\n@@ -1,6 +1,6 @@\n"
        " # What `docker build -f images/demo/Dockerfile.cpu .` sees of the project.\n"
        " # To render it anew: mlimage render demo\n"
        "-**\n"
        "+*\n"
        " !lockfiles/demo/cpu.txt\n"
        " !images/demo/app\n"
        " images/demo/app/**/__pycache__"
    )
    error = (
        "error: 1 of 2 rendered files are not what the spec and the lock give\n"
        "hint: `mlimage render` writes them anew; changes belong in mlimage.yaml or a template of yours\n"
    )
    assert mlimage("render", "--check") == 4
    assert capsys.readouterr() == (f"{FILES[0]} is up to date\n{difference}\n", error)
    assert mlimage("render", "--check", "--json") == 4
    out, err = capsys.readouterr()
    assert json.loads(out) == [
        {"file": FILES[0], "up_to_date": True, "diff": None},
        {"file": FILES[1], "up_to_date": False, "diff": difference},
    ]
    assert err == error
    assert "**\n!lock" in (project / FILES[1]).read_text()


def test_a_stale_lock_renders_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "images/demo/mlimage.yaml").write_text(SPEC.replace("numpy", "numpy>=3"))
    assert mlimage("render") == 4
    assert capsys.readouterr().out == ""
    assert not (project / FILES[0]).exists()


def test_a_wrong_template_renders_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = '{% extends "Dockerfile.j2" %}\n{% block after_app %}{{ imag }}{% endblock %}\n'
    (project / "images/demo/my.j2").write_text(template)
    write_project(project, f"{SPEC}dockerfile: {{template: my.j2}}\n")
    assert mlimage("render") == 3
    assert capsys.readouterr() == (
        "",
        "error: images/demo/my.j2:2:1: `imag` is undefined\nhint: did you mean `image`?\n",
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("--engine", "direct"),
            """\
error: the direct engine cannot build `demo:cpu`: `run:` has 1 step
hint: `--engine docker`, or leave `--engine` out
""",
        ),
        (
            ("--secret", "hub_token=x"),
            "error: no step asks for the secret `hub_token`\nhint: did you mean `hub-token`?\n",
        ),
        (
            ("--secret", "hub-token=env:NOWHERE"),
            "error: the secret `hub-token` is in no variable `NOWHERE`: it is not set\n",
        ),
        (
            ("--secret", "hub-token"),
            """\
error: `--secret hub-token` says not where the secret is
hint: `--secret hub-token=FILE`, or `--secret hub-token=env:VARIABLE`
""",
        ),
    ],
)
def test_builds_that_cannot_be(
    arguments: tuple[str, ...], error: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_project(project, SPEC + STEPS)
    assert mlimage("build", *arguments) == 2
    assert capsys.readouterr() == ("", error)
    assert not (project / "cache").exists()
