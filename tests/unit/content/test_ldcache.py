"""The cache of the dynamic loader, compared with what the real ldconfig writes and reads."""

import ctypes.util
import shutil
import struct
import subprocess
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.base import resolve
from mlimage.content.elf import MACHINES, read_library
from mlimage.content.entry import Entry, Kind, file_of_bytes, file_of_path, symlink
from mlimage.content.ldcache import encode, library_cache
from mlimage.content.unpack import write_entries
from mlimage.platforms import LINUX_AMD64
from support.elf import elf_library as library

LIB = "usr/lib/x86_64-linux-gnu"


def _base(*entries: Entry) -> dict[str, Entry]:
    conf = file_of_bytes("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n", origin="x")
    multiarch = file_of_bytes(
        "etc/ld.so.conf.d/x.conf", f"# x\n/usr/local/lib\n/{LIB}\n".encode(), origin="x"
    )
    return {entry.path: entry for entry in (conf, multiarch, symlink("lib", "usr/lib", origin="x"), *entries)}


def _whole(base: Mapping[str, Entry]) -> dict[str, Entry]:
    folders: dict[str, Entry] = {}
    for path in base:
        for parent in list(Path(path).parents)[:-1]:
            folders[str(parent)] = Entry(path=str(parent), kind=Kind.DIRECTORY, mode=0o755, origin="x")
    return {**folders, **base}


def _cached(base: Mapping[str, Entry]) -> tuple[dict[str, Entry], bytes]:
    whole = _whole(base)
    made = {
        entry.path: entry
        for entry in library_cache(whole, platform=LINUX_AMD64, resolve=partial(resolve, whole))
    }
    cache = made["etc/ld.so.cache"]
    assert cache.open is not None
    return {**whole, **made}, cache.open().read()


def _entries(cache: bytes) -> list[tuple[int, str, str, int, int]]:
    """The rows of a cache as glibc reads them."""
    assert cache[:20] == b"glibc-ld.so.cache1.1"
    count, length = struct.unpack_from("<II", cache, 20)
    assert 48 + 24 * count + length <= len(cache)

    def text(offset: int) -> str:
        return cache[offset : cache.index(b"\0", offset)].decode()

    rows = [struct.unpack_from("<iIIIQ", cache, 48 + 24 * number) for number in range(count)]
    return [(flags, text(key), text(value), osversion, hwcap) for flags, key, value, osversion, hwcap in rows]


def _file(name: str, soname: str, machine: int = MACHINES["amd64"]) -> Entry:
    return file_of_bytes(f"{LIB}/{name}", library(soname, machine), origin="x", mode=0o755)


LIBRARIES = (
    _file("liba.so.1.2.3", "liba.so.1"),
    symlink(f"{LIB}/liba.so.1", "liba.so.1.2.3", origin="x"),
    symlink(f"{LIB}/liba.so", "liba.so.1", origin="x"),
    _file("liba.so.1.10", "liba.so.1"),
    _file("libb-2.0.so", ""),
    _file("libc++.so.9", "libc++.so.9"),
    symlink(f"{LIB}/libalias.so.4", "libc++.so.9", origin="x"),
    _file("libe.so.10", "libe.so.10"),
    _file("libe.so.9", "libe.so.9"),
    _file("other.so.1", "other.so.1"),
    file_of_bytes(f"{LIB}/libtext.so", b"INPUT ( -lx )", origin="x"),
    file_of_bytes(f"{LIB}/libempty.so.1", b"", origin="x"),
    symlink(f"{LIB}/libnowhere.so.1", "nothing", origin="x"),
    file_of_bytes("usr/local/lib/liba.so.1", library("liba.so.1"), origin="x"),
    file_of_bytes("usr/lib/libplain.so.1", library("libplain.so.1"), origin="x"),
)


def test_what_is_in_the_cache_and_which_links_are_made() -> None:
    whole, cache = _cached(_base(*LIBRARIES, _file("libarm.so.1", "libarm.so.1", MACHINES["arm64"])))
    folder = "/" + LIB
    assert [(key, path) for _, key, path, _, _ in _entries(cache)] == [
        ("libplain.so.1", "/lib/libplain.so.1"),
        ("libe.so.10", f"{folder}/libe.so.10"),
        ("libe.so.9", f"{folder}/libe.so.9"),
        ("libc++.so.9", f"{folder}/libc++.so.9"),
        ("libb-2.0.so", f"{folder}/libb-2.0.so"),
        ("liba.so.1", "/usr/local/lib/liba.so.1"),
        ("liba.so.1", f"{folder}/liba.so.1"),
        ("liba.so", f"{folder}/liba.so"),
    ]
    assert whole[f"{LIB}/liba.so.1"].target == "liba.so.1.2.3"


@pytest.mark.parametrize("soname", ["../../../etc/passwd", "/etc/passwd", "lib\nx", "lib ü"])
def test_an_own_name_that_no_file_can_have(soname: str) -> None:
    whole, cache = _cached(_base(_file("libx.so.1", soname)))
    assert [key for _, key, _, _, _ in _entries(cache)] == ["libx.so.1"]
    assert [path for path in whole if path.startswith(LIB + "/")] == [f"{LIB}/libx.so.1"]


def test_a_link_that_no_package_has_is_made() -> None:
    whole, _ = _cached(_base(_file("libx.so.1.0", "libx.so.1")))
    assert whole[f"{LIB}/libx.so.1"].target == "libx.so.1.0"


@pytest.mark.root
def test_the_real_ldconfig_writes_the_same_rows_and_reads_them(tmp_path: Path) -> None:
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin")
    assert ldconfig, "install ldconfig (package libc-bin)"
    python = Path(ctypes.util.find_library("c") or "")
    assert python.name, "this machine has no C library"
    real = [
        file_of_path(f"{LIB}/{path.name}", path.resolve(), origin="x")
        for path in sorted(Path("/", LIB).glob("lib[a-d]*.so.*"))
        if path.is_file() and not path.is_symlink()
    ]
    assert len(real) > 5, "this machine is no Debian on amd64"
    links = [
        symlink(f"{LIB}/{path.name}", str(path.readlink()), origin="x")
        for path in sorted(Path("/", LIB).glob("lib[a-d]*.so*"))
        if path.is_symlink() and (Path("/") / LIB / path.readlink()).parent == Path("/") / LIB
    ]
    taken = {entry.path for entry in LIBRARIES}
    whole, ours = _cached(_base(*LIBRARIES, *(one for one in (*real, *links) if one.path not in taken)))
    write_entries([whole[path] for path in sorted(whole)], tmp_path)
    listed = subprocess.run((ldconfig, "-r", str(tmp_path), "-p"), capture_output=True, text=True, check=True)
    assert f"{len(_entries(ours))} libs found in cache" in listed.stdout
    assert "liba.so.1 (libc6,x86-64) => /usr/local/lib/liba.so.1" in listed.stdout
    assert "Cache generated by: mlimage" in listed.stdout
    before = sorted(path for path in tmp_path.rglob("*"))
    (tmp_path / "etc/ld.so.cache").unlink()
    subprocess.run((ldconfig, "-r", str(tmp_path), "-X"), capture_output=True, check=True)
    theirs = (tmp_path / "etc/ld.so.cache").read_bytes()
    assert _entries(ours) == _entries(theirs)
    subprocess.run((ldconfig, "-r", str(tmp_path)), capture_output=True, check=True)
    made = {path for path in set(tmp_path.rglob("*")) - set(before) if "var" not in path.parts}
    assert made == set()


def test_libraries_that_are_none() -> None:
    good = library("liba.so.1")
    assert read_library(BytesIO(good)) is not None
    others = [b"", b"\x7fELF", good[:60], b"\x7fELF\x01" + good[5:], good[:16] + b"\x02" + good[17:]]
    assert [read_library(BytesIO(content)) for content in others] == [None] * len(others)


@given(st.binary(max_size=400), st.integers(0, 300))
def test_any_bytes_are_a_library_or_none(content: bytes, where: int) -> None:
    good = library("libsample.so.1")
    for damaged in (content, good[:where] + content + good[where + len(content) :]):
        found = read_library(BytesIO(damaged))
        assert found is None or isinstance(found.soname, str)


@given(
    st.lists(st.tuples(st.from_regex(r"lib[a-z]{1,4}\.so\.[0-9]{1,3}", fullmatch=True), st.just("/usr/lib")))
)
def test_any_cache_can_be_read_again(names: list[tuple[str, str]]) -> None:
    libraries = [(name, f"{folder}/{name}") for name, folder in names]
    rows = _entries(encode(libraries, flags=0x0303))
    assert sorted((key, path) for _, key, path, _, _ in rows) == sorted(libraries)
