"""`mlimage lock --check` where strangers' changes are checked: it neither waits nor reads without end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.errors import LockError
from mlimage.lock.check import wanted_by
from mlimage.lock.records import read_digests, write_digests
from mlimage.lock.steps import read_steps
from mlimage.lock.text import read_lock, write_lock
from mlimage.spec.project import Project
from support import locks
from support.locks import CPU
from support.unfit import put, watchdog

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm}
train: {command: python t.py}
dependencies: [numpy]
golden: {preprocess: 'a:b', predict: 'c:d', model: model.npz}
"""
WHY = {
    "endless": "it is a symbolic link, not a regular file",
    "link": "it is a symbolic link, not a regular file",
    "pipe": "it is a named pipe, not a regular file",
    "sparse": "it is larger than 64 MiB",
    "folder": "is a directory",
}


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog():
        yield


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "images/digits"
    (folder / "app").mkdir(parents=True)
    (folder / "app/t.py").touch()
    (folder / "mlimage.yaml").write_text(SPEC)
    project = Project(tmp_path)
    lock = locks.lock([locks.package("numpy", "2.1")])
    write_lock(project.lock_folder("digits"), replace(lock, wanted=wanted_by(project.load("digits"), CPU)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def check(capsys: pytest.CaptureFixture[str]) -> tuple[object, list[str]]:
    with pytest.raises(SystemExit) as ended:
        main(("lock", "--check"))
    return ended.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("name", ["cpu.toml", "cpu.txt", "base.toml"])
@pytest.mark.parametrize("kind", WHY)
def test_lock_files(kind: str, name: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(kind, root / "lockfiles/digits" / name)
    assert check(capsys) == (
        4,
        [
            f"error: lockfiles/digits/{name}: cannot be read: {WHY[kind]}",
            "hint: restore it from version control, or remove it and run `mlimage lock`",
        ],
    )


@pytest.mark.parametrize("name", ["mlimage.yaml", "requirements.txt", "app/.dockerignore", "Dockerfile.j2"])
@pytest.mark.parametrize("kind", ["endless", "pipe", "sparse"])
def test_files_of_the_image(kind: str, name: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "images/digits"
    named = {
        "requirements.txt": "requirements: requirements.txt\n",
        "Dockerfile.j2": "dockerfile: {template: Dockerfile.j2}\n",
    }
    (folder / "mlimage.yaml").write_text(SPEC + named.get(name, ""))
    put(kind, folder / name)
    status, lines = check(capsys)
    if name == "app/.dockerignore" and kind != "sparse":
        # What is no file says nothing, and in the application it is an error of the build.
        assert (status, lines) == (0, [])
    elif kind == "sparse":
        assert (status, lines[0]) == (
            3,
            f"error: images/digits/{name}:1:1: larger than 1,000,000 bytes",
        )
    elif name == "mlimage.yaml":
        assert (status, lines) == (
            2,
            [
                "error: `images/digits/mlimage.yaml` is no file",
                "hint: it is a folder, a named pipe or a device, or a link that leads to no file",
            ],
        )
    else:
        assert (status, lines[0].endswith(f"`{name}` is no file")) == (3, True)


def test_a_link_to_a_file_is_a_spec(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = root / "images/digits/mlimage.yaml"
    spec.rename(root / "shared.yaml")
    spec.symlink_to("../../shared.yaml")
    assert check(capsys) == (0, [])


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
@pytest.mark.parametrize("kind", ["endless", "link", "pipe", "sparse", "folder"])
def test_golden_records(kind: str, name: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the build's affair; a check of the lock is not kept up by them."""
    (root / "lockfiles/digits/golden").mkdir()
    (root / "lockfiles/digits/golden/manifest.json").write_text("{}")
    put(kind, root / "lockfiles/digits/golden" / name)
    assert check(capsys) == (0, [])


@pytest.mark.parametrize("kind", WHY)
def test_digests(kind: str, root: Path) -> None:
    folder = root / "lockfiles/digits"
    put(kind, folder / "digests.toml")
    with pytest.raises(LockError) as caught:
        read_digests(folder)
    assert (caught.value.message, caught.value.hint) == (
        f"cannot be read: {WHY[kind]}",
        "`mlimage build digits --record` writes it anew; look at the difference",
    )
    if kind != "folder":  # the hint
        write_digests(folder, "cpu", ())
        assert read_digests(folder) == ()


@pytest.mark.parametrize("kind", WHY)
def test_steps(kind: str, root: Path) -> None:
    folder = root / "lockfiles/digits"
    put(kind, folder / "cpu.steps")
    with pytest.raises(LockError) as caught:
        read_steps(folder, "cpu")
    assert (str(caught.value), caught.value.hint) == (
        f"lockfiles/digits/cpu.steps: cannot be read: {WHY[kind].replace('64', '256')}",
        "remove it; `mlimage build digits --record` writes it anew",
    )


@pytest.mark.parametrize("kind", ["endless", "link", "pipe", "sparse"])
def test_a_lock_is_written_in_place_of_what_lies_there(kind: str, root: Path) -> None:
    folder = root / "lockfiles/digits"
    before = read_lock(folder, CPU)
    put(kind, folder / "cpu.toml")
    assert write_lock(folder, before) == (folder / "cpu.toml",)
    assert read_lock(folder, CPU) == before
    assert not (folder / "cpu.toml").is_symlink()
