"""What is not finished is never found under its name, and does not stay."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlimage.atomic import PARTIAL, atomic_file, atomic_folder, scratch_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_keeps_what_was_there_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail() -> None:
        with atomic_file(path) as stream:
            stream.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (names(tmp_path), path.read_bytes()) == (["file"], b"before")


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "roots/one"

    def fail() -> None:
        with atomic_folder(path) as folder:
            (folder / "half").write_bytes(b"")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(path.parent) == []
    with atomic_folder(path) as folder:
        (folder / "file").write_bytes(b"")
    assert (names(path.parent), names(path), path.stat().st_mode & 0o777) == (["one"], ["file"], 0o755)


def test_the_first_of_two_equal_folders_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "one"
    with atomic_folder(path) as late:
        (late / "late").write_bytes(b"")
        with atomic_folder(path) as early:
            (early / "early").write_bytes(b"")
    assert (names(tmp_path), names(path)) == (["one"], ["early"])


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"")
    with pytest.raises(NotADirectoryError), atomic_folder(tmp_path / "one"):
        pass
    assert names(tmp_path) == ["one"]


def test_scratch_folders_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    for name in ("dead", "alive"):
        (tmp_path / f"{PARTIAL}{name}/inside").mkdir(parents=True)
    (tmp_path / f"{PARTIAL}file").write_bytes(b"")
    descriptor = os.open(tmp_path / f"{PARTIAL}alive", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    with scratch_folder(tmp_path) as one, scratch_folder(tmp_path) as two:
        assert names(tmp_path) == sorted([f"{PARTIAL}alive", f"{PARTIAL}file", one.name, two.name])
    os.close(descriptor)
    assert names(tmp_path) == [f"{PARTIAL}alive", f"{PARTIAL}file"]


def test_many_at_once_do_not_remove_each_other_s(tmp_path: Path) -> None:
    lost = []

    def work() -> None:
        for _ in range(50):
            with scratch_folder(tmp_path) as folder:
                (folder / "file").write_bytes(b"1")
                lost.extend([] if (folder / "file").exists() else [folder])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (lost, names(tmp_path)) == ([], [])


ENDS = """\
import sys, threading
from pathlib import Path
from mlimage import atomic
from mlimage.atomic import atomic_file, scratch_folder
folder, writing = Path(sys.argv[1]), threading.Event()
stream = atomic_file(folder / "file")

def write():
    with stream as opened:
        opened.write(b"half")
        writing.set()
        threading.Event().wait()

threading.Thread(target=write, daemon=True).start()
writing.wait()

def torn(path):
    atomic.remove_tree = remove_tree
    raise KeyboardInterrupt

remove_tree, atomic.remove_tree = atomic.remove_tree, torn
with scratch_folder(folder) as scratch:
    (scratch / "folder").mkdir()
    print(len(list(folder.iterdir())), flush=True)
"""


def test_the_process_takes_with_it_what_threads_and_signals_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("2\n", "KeyboardInterrupt")
    assert names(tmp_path) == []


ENDS_LATE = """\
import atexit, sys
from pathlib import Path

@atexit.register
def late():
    atomic.write_atomically(Path(sys.argv[1], "late"), b"whole")

from mlimage import atomic
"""


def test_who_is_called_at_the_very_end_may_write(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ENDS_LATE, str(tmp_path)], check=True, timeout=60)
    assert (names(tmp_path), (tmp_path / "late").read_bytes()) == (["late"], b"whole")
