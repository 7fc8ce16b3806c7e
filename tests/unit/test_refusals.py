"""What the machine refuses, in words: whose folder, which limit, and a hint that is true of it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL, atomic_file, need_space, temporary_folder, writing
from mlimage.errors import BuildError
from mlimage.process import Command, Completed, refuse_full
from mlimage.refusals import Refusal, exhausted_by, refusal_of


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))


def full(*paths: str, number: int = errno.ENOSPC) -> OSError:
    error = OSError(number, os.strerror(number), *paths[:1])
    if len(paths) > 1:
        error.filename2 = paths[1]
    return error


CACHE = "free some (`mlimage cache prune`), or set MLIMAGE_CACHE to a folder on another disk"
GREATER = "raise the limit: `ulimit"


def said(error: BaseException) -> tuple[str, str]:
    refusal = refusal_of(error)
    assert refusal is not None
    return refusal.what, refusal.hint


def test_whose_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/scratch")
    cache = tmp_path / "cache"
    for path, hint in {
        f"{cache}/store/blobs": CACHE,
        "/scratch/mlimage-x/cases": "free some there, or set TMPDIR to a folder on another disk",
        "/scratch/project/x": "free some there, or work in a folder on another disk",
        "/project/lockfiles/x": "free some there, or work in a folder on another disk",
        "standard output": "free some where it goes, or let it go to another disk",
    }.items():  # fmt: skip
        assert said(full(path)) == (f"`{path}`: no space is left on the disk", hint)
        assert said(full(path, number=errno.EDQUOT)) == (f"`{path}`: your disk quota is used up", hint)


def test_of_a_copy_the_target_is_named() -> None:
    assert said(full("/from/a", "/to/b"))[0] == "`/to/b`: no space is left on the disk"
    assert said(full("/from/a", "/to/b", number=errno.EACCES))[0] == "`/from/a` -> `/to/b`: permission denied"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/p/{PARTIAL}abc", "/p"),
        (f"/p/{PARTIAL}abc/golden/record.json", "/p"),
        (f"/{PARTIAL}abc", "/"),
        (f"{PARTIAL}abc", "."),
        ("/p/a", "/p/a"),
    ],
)
def test_an_unfinished_file_is_named_by_its_folder(path: str, shown: str) -> None:
    assert said(full(path))[0] == f"`{shown}`: no space is left on the disk"


@pytest.mark.parametrize("number", [errno.ENOTDIR, errno.EEXIST])
def test_a_file_in_place_of_the_cache(number: int, tmp_path: Path) -> None:
    path = f"{tmp_path}/cache/locks"
    assert said(full(path, number=number)) == (
        f"`{path}`: a file stands where a folder should be",
        "set MLIMAGE_CACHE to a folder",
    )
    assert refusal_of(full("/p", number=number)) is None, "elsewhere it is for who asked"


def test_what_is_none() -> None:
    for error in (ValueError("x"), RuntimeError("x"), full("x", number=errno.ENOENT), FileNotFoundError("x")):
        assert refusal_of(error) is None
    would_wait = BlockingIOError(errno.EAGAIN, "write could not complete without blocking")
    assert refusal_of(would_wait) is None


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / ("a" * 300)).is_file()
    refusal = refusal_of(caught.value)
    assert refusal is not None
    assert refusal.what.startswith(f"a name is too long for the file system: `{tmp_path}/aaa")
    assert refusal.hint == "type a shorter name, or work in a folder with a shorter path"


def test_no_folder_for_temporary_files() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/']")
    assert said(error) == (
        "there is no folder for temporary files: each is full, or cannot be written",
        "set TMPDIR to a folder that you may write, on a disk with space",
    )


LIMITED = """
import resource, sys
from mlimage.refusals import refusal_of
for name, value in (each.split("=") for each in sys.argv[2:]):
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (int(value), int(value)))
error = eval(sys.argv[1])
found = refusal_of(error)
print(found.what)
print(found.hint)
"""


@pytest.mark.parametrize(
    ("error", "limits", "expected"),
    [
        (
            "OSError(27, 'x', '/p/a')",
            ["FSIZE=1024"],
            ["`/p/a`: no file may be larger than 1024 bytes (`ulimit -f`)", f"{GREATER} -f unlimited`"],
        ),
        (
            "OSError(24, 'x', '/p/a')",
            ["NOFILE=64"],
            [
                "too many files are open: the limit is 64 (`ulimit -n`)",
                "ask root to raise your hard limit of 64 (`ulimit -Hn`)",
            ],
        ),
        (
            "MemoryError()",
            [f"AS={4 << 30}"],
            ["the memory limit of 4194304 KiB is used up (`ulimit -v`)", f"{GREATER} -v unlimited`"],
        ),
        (
            "RuntimeError(\"can't allocate lock\")",
            [f"AS={4 << 30}"],
            ["the memory limit of 4194304 KiB is used up (`ulimit -v`)", f"{GREATER} -v unlimited`"],
        ),
        (
            "OSError(12, 'Cannot allocate memory')",
            [f"AS={4 << 30}"],
            ["the memory limit of 4194304 KiB is used up (`ulimit -v`)", f"{GREATER} -v unlimited`"],
        ),
    ],
)  # fmt: skip
def test_which_limit(error: str, limits: list[str], expected: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, error, *limits], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == expected


def test_a_full_control_group(tmp_path: Path) -> None:
    own = Path("/proc/self/cgroup").read_text().splitlines()
    place = next(line[3:].strip("/") for line in own if line.startswith("0::"))
    group = tmp_path / place
    group.mkdir(parents=True, exist_ok=True)
    error = RuntimeError("can't start new thread")
    (group / "pids.max").write_text("50\n")
    (group / "pids.current").write_text("48\n")
    assert refusal_of(error, cgroups=tmp_path) == Refusal(
        what="no more processes and threads can be started: the limit of the control group is 50 (pids.max)",
        hint="give it more (`docker run --pids-limit`, systemd's TasksMax)",
    )
    for limit, now in (("max", "48"), ("500", "48")):
        (group / "pids.max").write_text(limit)
        (group / "pids.current").write_text(now)
        found = refusal_of(error, cgroups=tmp_path)
        assert found
        assert "pids.max" not in found.what


def test_what_an_error_was_raised_from() -> None:
    cause = full("/p/a", number=errno.EMFILE)
    error = BuildError("cannot read `/p/a`: too many open files")
    error.__cause__ = cause
    assert exhausted_by(error) is cause
    assert exhausted_by(cause) is cause
    error.__cause__ = full("/p/a", number=errno.EACCES)
    assert exhausted_by(error) is None, "that is for the error to say"
    error.__cause__ = error
    assert exhausted_by(error) is None, "a circle ends"


def test_a_write_says_where(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(OSError, match="No space") as caught, atomic_file(path):
        raise full()
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="No space") as caught, temporary_folder("x") as folder:
        raise full()
    assert caught.value.filename == str(folder)
    for other in (full("/p/a"), ConnectionResetError(errno.ECONNRESET, "x")):
        before = other.filename
        with pytest.raises(OSError) as caught, writing(path):  # noqa: PT011 - it is held against itself
            raise other
        assert caught.value is other
        assert other.filename == before


def test_programs_that_met_a_full_disk(tmp_path: Path) -> None:
    done = Completed(
        command=Command(argv=("apt-get",)),
        status=100,
        stdout=b"",
        stderr=b"E: Write error - write (28: No space left on device)\n",
    )
    with pytest.raises(OSError, match="No space") as caught:
        refuse_full(done, tmp_path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
    fine = Completed(command=done.command, status=0, stdout=done.stderr, stderr=b"")
    assert refuse_full(fine, tmp_path) is fine


def test_programs_that_do_not_end_on_a_full_disk(tmp_path: Path) -> None:
    need_space(tmp_path, 1)
    with pytest.raises(OSError, match="No space") as caught:
        need_space(tmp_path, 1 << 62)
    assert caught.value.filename == str(tmp_path)
