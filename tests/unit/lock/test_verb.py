"""`mlimage lock` as a command, without any network."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from mlimage.cli import main
from mlimage.lock.check import wanted_by
from mlimage.lock.text import write_lock
from mlimage.spec.project import Project
from support import locks
from support.locks import CPU

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm}
train: {command: python t.py}
dependencies: [numpy]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "digits"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "t.py").touch()
    (folder / "mlimage.yaml").write_text(SPEC)
    return tmp_path


def write(root: Path) -> Path:
    project = Project(root)
    lock = locks.lock([locks.package("numpy", "2.1")])
    lock = replace(lock, wanted=wanted_by(project.load("digits"), CPU))
    write_lock(project.lock_folder("digits"), lock)
    return project.lock_folder("digits")


class Run(Protocol):
    def __call__(self, *arguments: str) -> tuple[object, str, str]: ...


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output and standard error of `mlimage lock` in the project."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLIMAGE_CACHE", str(root / "cache"))

    def lock(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(("lock", *arguments))
        return (ended.value.code, *capsys.readouterr())

    return lock


def test_check(root: Path, run: Run) -> None:
    assert run("--check") == (
        4,
        "",
        (
            "error: lockfiles/digits/cpu.toml: `digits` has no lock for `cpu`\n"
            "hint: `mlimage lock digits` writes it\n"
        ),
    )
    write(root)
    assert run("--check") == (0, "digits:cpu is up to date\n", "")
    (root / "images/digits/mlimage.yaml").write_text(SPEC.replace("numpy", "numpy, pandas"))
    status, out, errors = run("--check", "--json")
    assert status == 4
    assert errors.startswith("error: the lock of `digits:cpu` is stale:\n  requirement added: pandas\n")
    assert json.loads(out) == [
        {
            "image": "digits",
            "variant": "cpu",
            "platform": "linux/amd64",
            "up_to_date": False,
            "problem": "the lock of `digits:cpu` is stale:\n  requirement added: pandas",
        }
    ]


def test_a_lock_that_is_up_to_date_is_left_alone_without_network(root: Path, run: Run) -> None:
    folder = write(root)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert run() == (0, "digits:cpu is up to date\n", "")
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_another_resolver_makes_no_lock_stale(root: Path, run: Run) -> None:
    write(root)
    (root / "images/digits/mlimage.yaml").write_text(f"{SPEC}resolver: uv\n")
    assert run("--check") == (0, "digits:cpu is up to date\n", "")
    assert run("--resolver", "pip-compile") == (0, "digits:cpu is up to date\n", "")
    assert run("--resolver", "poetry") == (
        2,
        "",
        (
            "error: invalid value for `--resolver`: `poetry` is not one of `pip-compile`, `uv`\n"
            "hint: `mlimage lock --help` shows what it takes\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check", "--upgrade"), "`--check` changes nothing, so it cannot upgrade"),
        (("--upgrade", "-P", "numpy"), "`--upgrade` upgrades everything"),
        (("--variant", "cuda"), "no image has a variant `cuda`"),
        (("digit",), "no image `digit` in `{root}`"),
    ],
)
def test_usage(arguments: tuple[str, ...], message: str, root: Path, run: Run) -> None:
    status, out, errors = run(*arguments)
    assert (status, out) == (2, "")
    assert errors.splitlines()[0] == "error: " + message.format(root=root)


def test_names_to_upgrade_are_checked(root: Path, run: Run) -> None:
    status, _, errors = run("-P", "numpy")
    assert (status, errors.splitlines()[0]) == (
        4,
        "error: there is no lock yet whose packages could be upgraded",
    )
    write(root)
    assert run("-P", "nunpy") == (
        4,
        "",
        "error: no package `nunpy` is in the lock of `digits:cpu`\nhint: did you mean `numpy`?\n",
    )


ELSEWHERE = """\
name: {name}
python: "3.11"
base: {{image: "{name}.example/python:3.11"}}
train: {{command: python t.py}}
"""


def add(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An image that cannot be locked, and why."""
    folder = root / "images" / name
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "t.py").touch()
    (folder / "mlimage.yaml").write_text(ELSEWHERE.format(name=name))
    variable = f"MLIMAGE_MIRROR_{name.upper()}_EXAMPLE"
    monkeypatch.setenv(variable, str(root))
    return (
        f"the mirror of registry `{name}.example` is the folder `{root}`, "
        "and must be a registry\n"
        "{}"
        f"hint: set {variable}=https://HOST, or https://HOST/PATH for images below a path\n"
    )


def test_one_that_cannot_be_locked_keeps_no_other_from_it(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root)
    first = add(root, "broken", monkeypatch)
    assert run("broken", "digits") == (2, "digits:cpu is up to date\n", f"error: {first.format('')}")
    second = add(root, "worse", monkeypatch)
    assert run() == (
        2,
        "digits:cpu is up to date\n",
        (
            "error: 2 of 3 images could not be locked (broken, worse):\n"
            f"{first.format('  ')}{second.format('  ')}"
        ),
    )


def test_a_package_is_upgraded_in_the_images_that_have_it(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hints name a package and no image; `broken`, which would fail otherwise, has no numpy."""
    add(root, "broken", monkeypatch)
    status, _, errors = run("-P", "NumPy")
    assert (status, errors.splitlines()[0]) == (
        4,
        "error: there is no lock yet whose packages could be upgraded",
    )
    status, _, errors = run("-P", "numpy", "-P", "scipy")
    assert (status, errors.splitlines()[0]) == (
        4,
        "error: 2 of 2 images could not be locked (broken, digits):",
    )
