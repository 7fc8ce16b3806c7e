"""Zip archives are read as zipfile reads them, or refused by name."""

import hashlib
import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlimage.content import members
from mlimage.content.archive import Archive, read_archive
from mlimage.content.members import Checksum
from mlimage.errors import BuildError
from support.wheels import write_zip

BIG = hashlib.shake_128(b"noise").digest(1_500_000) + bytes(3_000_000) + b"end"


def read(path: Path) -> Archive:
    return read_archive(path, origin="demo 1.0")


def contents(path: Path) -> dict[str, bytes]:
    archive = read(path)
    found = {}
    for member in archive.members:
        with archive.open(member) as stream:
            found[member.name] = stream.read()
    return found


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(BuildError) as caught:
        action()
    assert caught.value.hint == "lock another version or file of this package"
    return caught.value.message.removeprefix("the wheel of `demo 1.0` ")


@pytest.mark.parametrize("compress", [True, False])
def test_every_file_is_read_as_zipfile_reads_it(tmp_path: Path, *, compress: bool) -> None:
    files = {"a/empty": b"", "a/small": b"text", "b/größe.txt": b"x" * 70_000, "big": BIG}
    write_zip(tmp_path / "x.whl", files, compress=compress)
    assert contents(tmp_path / "x.whl") == files


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("size", [1, 1000, 64 * 1024, 1024 * 1024, len(BIG), len(BIG) + 1])
def test_a_large_file_comes_in_pieces_of_any_size(tmp_path: Path, size: int, *, compress: bool) -> None:
    write_zip(tmp_path / "x.whl", {"big": BIG}, compress=compress)
    archive = read(tmp_path / "x.whl")
    with archive.open(archive.members[0]) as stream:
        if size == 1:
            assert [stream.read(1) for _ in range(100)] == [BIG[at : at + 1] for at in range(100)]
            return
        pieces = []
        while piece := stream.read(size):
            pieces.append(piece)
    assert b"".join(pieces) == BIG
    assert all(len(piece) == size for piece in pieces[:-1])


def test_what_goes_in_with_small_steps_comes_out_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decompressor keeps output back when its input is used up."""
    monkeypatch.setattr(members, "_STEP", 3000)
    content = (b"some text that packs well " * 7 + bytes(range(256))) * 12_000
    write_zip(tmp_path / "x.whl", {"big": content})
    archive = read(tmp_path / "x.whl")
    with archive.open(archive.members[0]) as stream:
        assert b"".join(iter(lambda: stream.read(50_000), b"")) == content


def test_threads_read_one_archive(tmp_path: Path) -> None:
    files = {f"file{number}": BIG[number:] if number % 5 == 0 else BIG[:number] for number in range(20)}
    write_zip(tmp_path / "x.whl", files)
    archive = read(tmp_path / "x.whl")

    def load(index: int) -> bool:
        member = archive.members[index % 20]
        with archive.open(member) as stream:
            return b"".join(iter(lambda: stream.read(100_000), b"")) == files[member.name]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(load, range(60)))


def test_folders_are_left_out_and_executables_known(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as file:
        file.mkdir("folder")
        for name, mode in (("run", 0o100744), ("plain", 0o100644), ("typeless", 0o755), ("none", 0)):
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            file.writestr(member, b"x")
    members = read(tmp_path / "x.whl").members
    assert {member.name: member.executable for member in members} == {
        "run": True, "plain": False, "typeless": False, "none": False,
    }  # fmt: skip


def test_an_archive_written_as_a_stream_is_read(tmp_path: Path) -> None:
    """Sizes after the data (flag bit 3)."""

    class Pipe:
        def __init__(self, path: Path) -> None:
            self.file = path.open("wb")

        def write(self, data: bytes) -> int:
            return self.file.write(data)

        def flush(self) -> None:
            self.file.flush()

    pipe = Pipe(tmp_path / "x.whl")
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as file:  # type: ignore[call-overload]  # no seek
        file.writestr("a", b"text" * 100)
        file.writestr("b", BIG)
    pipe.file.close()
    assert contents(tmp_path / "x.whl") == {"a": b"text" * 100, "b": BIG}


def test_zip64_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as file, file.open("a", "w", force_zip64=True) as stream:
        stream.write(b"text")
    assert contents(tmp_path / "x.whl") == {"a": b"text"}
    packed = bytearray((tmp_path / "x.whl").read_bytes())
    central, end = packed.index(b"PK\x01\x02"), packed.index(b"PK\x05\x06")
    (offset,) = struct.unpack_from("<I", packed, central + 42)
    extra = struct.pack("<2H3Q", 1, 24, 4, 4, offset)
    struct.pack_into("<2I", packed, central + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", packed, central + 30, len(extra))
    struct.pack_into("<I", packed, central + 42, 0xFFFFFFFF)
    directory = packed[central:end] + extra
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(directory), central)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, central + len(directory), 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "x.whl").write_bytes(packed[:central] + directory + record + locator + last)
    assert contents(tmp_path / "x.whl") == {"a": b"text"}


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/.",
        "..",
        "C:/x",
        "c:x",
        "a\\b",
        "..\\x",
        "a\nb",
        "a\x7fb",
    ],
)
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / "x.whl", {"fine": b"", name: b"x"})
    assert refusal(lambda: read(tmp_path / "x.whl")) == f"has a file with the unsafe name {name!r}"


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.whl", {"aXb": b"x"})
    data = (tmp_path / "x.whl").read_bytes().replace(b"aXb", b"a\x00b")
    (tmp_path / "x.whl").write_bytes(data)
    assert refusal(lambda: read(tmp_path / "x.whl")) == "has a file with the unsafe name 'a\\x00b'"


def test_long_names_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.whl", {"a" * 256: b"x"})
    assert refusal(lambda: read(tmp_path / "x.whl")) == (
        f"has `{'a' * 100}…`, which has a name of 256 bytes; at most 255 are allowed"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/" * 300 + "x", "lies 301 levels deep; at most 256 are allowed"),
        ("a/" * 2047 + "xy", "has 4096 bytes; at most 4095 are allowed in a path"),
        ("é" * 128, "has a name of 256 bytes; at most 255 are allowed"),
    ],
)
def test_what_is_out_of_bounds_is_refused(name: str, why: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "x.whl", {name: b"x"})
    assert refusal(lambda: read(tmp_path / "x.whl")) == f"has `{name[:100]}…`, which {why}"


@pytest.mark.parametrize("flags", [0, 0x800])
def test_names_that_are_not_utf8_are_refused(tmp_path: Path, flags: int) -> None:
    write_zip(tmp_path / "x.whl", {"aXb": b"x"})
    data = bytearray((tmp_path / "x.whl").read_bytes().replace(b"aXb", b"a\xe9b"))
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 8, flags)
    (tmp_path / "x.whl").write_bytes(data)
    assert refusal(lambda: read(tmp_path / "x.whl")) == "has a file name that is not UTF-8: b'a\\xe9b'"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as file:
        file.writestr("a", b"1")
        file.writestr("a", b"2")
    assert refusal(lambda: read(tmp_path / "x.whl")) == "has two files named `a`"


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (0o120777, "has the symbolic link `a`"),
        (0o020644, "has `a`, which is neither file nor folder"),
        (0o010644, "has `a`, which is neither file nor folder"),
        (0o040755, "has `a`, which is neither file nor folder"),
    ],
)
def test_other_things_than_files_are_refused(tmp_path: Path, mode: int, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as file:
        member = zipfile.ZipInfo("a")
        member.external_attr = mode << 16
        file.writestr(member, b"/etc")
    assert refusal(lambda: read(tmp_path / "x.whl")) == message


def patched(path: Path, *, central: dict[int, bytes], local: dict[int, bytes] | None = None) -> None:
    """Overwrite fields of the first entry, by their offsets in its headers."""
    write_zip(path, {"a": b"text" * 1000})
    data = bytearray(path.read_bytes())
    for start, fields in ((data.index(b"PK\x01\x02"), central), (0, local or {})):
        for at, field in fields.items():
            data[start + at : start + at + len(field)] = field
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("central", "message"),
    [
        ({8: b"\x01\x00"}, "has the encrypted file `a`"),
        ({10: b"\x0c\x00"}, "has `a` packed by method 12; wheels are stored or deflated"),
        ({24: b"\xff\xff\xff\x7f"}, "gives impossible sizes for `a`"),
        ({10: b"\x00\x00"}, "gives impossible sizes for `a`"),
        ({24: b"\xff\xff\xff\xff"}, "gives impossible sizes for `a`"),
        ({34: b"\x01\x00"}, "gives impossible sizes for `a`"),
        ({0: b"XX"}, "has a damaged directory"),
        ({28: b"\xff\xff"}, "has a damaged directory"),
        ({42: b"\xff\x00\x00\x00"}, "has files over its directory"),
    ],
)
def test_impossible_directories_are_refused(tmp_path: Path, central: dict[int, bytes], message: str) -> None:
    patched(tmp_path / "x.whl", central=central)
    assert refusal(lambda: read(tmp_path / "x.whl")) == message


@pytest.mark.parametrize(
    ("central", "local", "message"),
    [
        ({}, {0: b"XX"}, "says two things about `a`"),
        ({}, {30: b"b"}, "says two things about `a`"),
        ({}, {6: b"\x01\x00"}, "says two things about `a`"),
        ({}, {8: b"\x00\x00"}, "says two things about `a`"),
        ({}, {22: b"\x01\x00\x00\x00"}, "says two things about `a`"),
        ({24: b"\x9f\x0f\x00\x00"}, {22: b"\x9f\x0f\x00\x00"}, "is damaged: `a` cannot be unpacked"),
        ({24: b"\xa1\x0f\x00\x00"}, {22: b"\xa1\x0f\x00\x00"}, "is damaged: `a` cannot be unpacked"),
        ({16: b"\x00\x00\x00\x00"}, {}, "is damaged: `a` cannot be unpacked"),
        ({}, {31: b"\xff\xff"}, "is damaged: `a` cannot be unpacked"),
    ],
)
def test_files_that_are_not_what_the_directory_says_are_refused(
    tmp_path: Path, central: dict[int, bytes], local: dict[int, bytes], message: str
) -> None:
    patched(tmp_path / "x.whl", central=central, local=local)
    archive = read(tmp_path / "x.whl")
    assert refusal(lambda: archive.open(archive.members[0])) == message


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    """As in the bombs of D. Fifield (2019): many entries share the same bytes."""
    write_zip(tmp_path / "x.whl", {"a": b"text" * 1000, "b": b"text" * 1000})
    data = bytearray((tmp_path / "x.whl").read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", data, second + 42, 0)
    (tmp_path / "x.whl").write_bytes(data)
    assert refusal(lambda: read(tmp_path / "x.whl")) == "has `b` over other files"


def test_bombs_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "x.whl", {"bomb": BIG[:500_000]}, compress=False)
    data = bytearray((tmp_path / "x.whl").read_bytes())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, central + 10, 8)
    struct.pack_into("<I", data, central + 24, 500_000_000)
    (tmp_path / "x.whl").write_bytes(data)
    assert refusal(lambda: read(tmp_path / "x.whl")) == "unpacks to 500000000 bytes, 999 times its own size"


@pytest.mark.parametrize("content", [bytes(100), bytes(2_000_000)])
def test_more_bytes_than_declared_never_come_out(tmp_path: Path, content: bytes) -> None:
    write_zip(tmp_path / "x.whl", {"a": content + b"more"})
    data = bytearray((tmp_path / "x.whl").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, len(content))
    struct.pack_into("<I", data, 22, len(content))
    (tmp_path / "x.whl").write_bytes(data)
    archive = read(tmp_path / "x.whl")

    def whole() -> None:
        with archive.open(archive.members[0]) as stream:
            stream.read()

    assert refusal(whole) == "is damaged: `a` cannot be unpacked"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "is no zip archive, or is cut short"),
        (lambda data: b"hello", "is no zip archive, or is cut short"),
        (lambda data: data[:-30], "is no zip archive, or is cut short"),
        (lambda data: data + b"x", "has data after its end"),
        (lambda data: b"#!/bin/sh\n" + data, "has data before its beginning, or a damaged directory"),
    ],
)
def test_other_data_is_refused(tmp_path: Path, change: Callable[[bytes], bytes], message: str) -> None:
    write_zip(tmp_path / "x.whl", {"a": b"text"})
    (tmp_path / "x.whl").write_bytes(change((tmp_path / "x.whl").read_bytes()))
    assert refusal(lambda: read(tmp_path / "x.whl")) == message


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        read(tmp_path / "x.whl")
    assert str(caught.value) == "cannot read the wheel of `demo 1.0`: no such file or directory"


@pytest.mark.parametrize("content", [b"text", BIG])
@pytest.mark.parametrize("compress", [True, False])
def test_a_wrong_checksum_is_found_before_the_last_bytes_are_given(
    tmp_path: Path, content: bytes, *, compress: bool
) -> None:
    write_zip(tmp_path / "x.whl", {"a": content}, compress=compress)
    archive = read(tmp_path / "x.whl")
    given = 0

    def consume() -> None:
        nonlocal given
        with archive.open(archive.members[0], Checksum("sha256", "A" * 43)) as stream:
            while given < len(content):
                given += len(stream.read(100_000))

    assert refusal(consume) == "has `a` with another hash than its RECORD says"
    assert given < len(content)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_archive_gives_the_same_bytes_or_an_error(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    files = {"a/one": b"one" * 50, "a/two": hashlib.shake_128(b"noise").digest(300), "three": b""}
    write_zip(tmp_path / "good.whl", files)
    data = bytearray((tmp_path / "good.whl").read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    (tmp_path / "bad.whl").write_bytes(data)
    with suppress(BuildError):
        found = contents(tmp_path / "bad.whl")
        assert set(found.values()) <= set(files.values())
