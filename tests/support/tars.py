"""Entries with odd names, and other programs that unpack tars."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mlimage.content.entry import MTIME, Entry, Kind, arrange, directory, file_of_bytes, symlink
from mlimage.oci.tar import tar_chunks


def written(entries: tuple[Entry, ...]) -> bytes:
    """The tar that mlimage writes."""
    return b"".join(tar_chunks(entries))


ODD = arrange(
    [
        directory("d" * 99, origin="test"),
        file_of_bytes("n" * 100, b"fits", origin="test"),
        file_of_bytes("n" * 101, b"does not", origin="test"),
        file_of_bytes("p" * 155 + "/" + "n" * 100, b"prefix", origin="test"),
        file_of_bytes("p" * 156 + "/n", b"no prefix", origin="test"),
        file_of_bytes("a/" * 100 + "deep", b"deep", origin="test"),
        file_of_bytes("größe/日本", b"unicode", origin="test"),
        file_of_bytes("new\nline", b"", origin="test"),
        symlink("link", "t" * 100, origin="test"),
        symlink("longlink", "t" * 101, origin="test"),
        symlink("unicodelink", "größe", origin="test"),
    ]
)


def unpack_with(program: str, entries: tuple[Entry, ...], folder: Path) -> None:
    """Let a program unpack what mlimage writes of the entries, and compare what it makes."""
    if shutil.which(program) is None:
        pytest.fail(f"this test needs the program `{program}`: make engine-up")
    (folder / "a.tar").write_bytes(written(entries))
    (folder / "out").mkdir()
    done = subprocess.run(
        [program, "-xf", str(folder / "a.tar"), "-C", str(folder / "out")],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    for entry in entries:
        path = folder / "out" / entry.path
        if entry.kind is Kind.SYMLINK:
            assert path.readlink() == Path(entry.target)
        elif entry.open is not None:
            assert path.read_bytes() == entry.open().read()
            assert path.stat().st_mtime == MTIME
        else:
            assert path.is_dir()
