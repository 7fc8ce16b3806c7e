"""What is left out of what steps leave: as much as needed, and no more."""

import pytest

from mlimage.content.entry import Entry, Kind, directory, file_of_bytes, symlink
from mlimage.engines.docker.noise import without_noise


def a_file(path: str, content: bytes = b"x", *, mode: int = 0o644) -> Entry:
    return file_of_bytes(path, content, origin="test", mode=mode)


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/apt/lists/host_dists_InRelease",
        "var/lib/apt/lists/partial/x",
        "var/cache/apt/srcpkgcache.bin",
        "var/cache/apt/archives/x.deb",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/lock",
        "var/lib/dpkg/lock-frontend",
        "var/lib/dpkg/triggers/Lock",
        "var/cache/debconf/config.dat-old",
        "var/cache/ldconfig/aux-cache",
        "var/log/apt/history.log",
        "var/log/dpkg.log",
        "var/log/alternatives.log",
        "etc/passwd-",
        "etc/gshadow-",
        "root/.cache/pip/selfcheck/x",
        "root/.cache/uv/x",
        "root/.python_history",
        "run/secrets/token",
        "var/lib/dbus/machine-id",
    ],
)
def test_noise(path: str) -> None:
    assert without_noise(a_file(path)) is None


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/apt/lists",
        "var/lib/apt/extended_states",
        "var/lib/dpkg/status",
        "var/lib/dpkg/info/x.list",
        "var/cache/debconf/config.dat",
        "var/log/own.log",
        "etc/passwd",
        "etc/shadow",
        "root/.cache/huggingface/x",
        "home/me/.cache/pip/x",
        "app/var/log/apt/x",
        "run/secrets.txt",
        "opt/run/secrets/x",
        "etc/.wh.passwd",
    ],
)
def test_what_an_image_needs(path: str) -> None:
    entry = a_file(path)
    assert without_noise(entry) is entry


def test_a_file_of_one_machine_is_emptied_and_keeps_its_mode() -> None:
    kept = without_noise(a_file("etc/machine-id", b"4711", mode=0o444))
    assert kept is not None
    assert kept.open is not None
    assert (kept.path, kept.kind, kept.mode, kept.size, kept.open().read()) == (
        "etc/machine-id", Kind.FILE, 0o444, 0, b""
    )  # fmt: skip
    link = symlink("etc/machine-id", "/var/lib/dbus/machine-id", origin="test")
    assert without_noise(link) is link


@pytest.mark.parametrize(
    ("name", "content", "kept"),
    [
        ("a.pyc", b"\xa7\r\r\n\0\0\0\0" + b"time" + b"size", False),
        ("a.pyc", b"\xa7\r\r\n\1\0\0\0" + b"hash", True),
        ("a.pyc", b"\xa7\r\r\n\3\0\0\0" + b"hash", True),
        ("a.pyc", b"\xa7\r\r\n\0\0", True),
        ("a.pyc", b"", True),
        ("a.txt", b"\xa7\r\r\n\0\0\0\0", True),
    ],
)
def test_bytecode_that_names_a_time(name: str, content: bytes, *, kept: bool) -> None:
    entry = a_file(f"usr/lib/{name}", content)
    assert (without_noise(entry) is entry) is kept


def test_folders_called_so_stay() -> None:
    entry = directory("usr/a.pyc", origin="test")
    assert without_noise(entry) is entry
