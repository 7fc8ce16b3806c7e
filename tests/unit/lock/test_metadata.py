import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.errors import FetchError
from mlimage.lock.metadata import RangedFile, index_only, read_metadata
from support.wheels import make_wheel, metadata_of, write_zip

NAME = "demo-1.0-py3-none-any.whl"


class Served:
    """Bytes that are given by ranges, and which ones were asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.content[start:stop]

    def open(self, tail: int) -> io.BufferedReader:
        rest = self.content[max(0, len(self.content) - tail) :]
        return io.BufferedReader(RangedFile(self.read, total=len(self.content), tail=rest))


def big_wheel(folder: Path) -> bytes:
    files = {f"demo/{number}.bin": os.urandom(2000) for number in range(500)}
    return make_wheel(folder, "demo", "1.0", files, requires=["numpy>=1"]).read_bytes()


def test_a_small_wheel_is_in_its_tail(tmp_path: Path) -> None:
    served = Served(make_wheel(tmp_path, "demo", "1.0", {"demo.py": b""}, requires=["numpy>=1"]).read_bytes())
    expected = metadata_of("demo", "1.0", requires=["numpy>=1"])
    assert read_metadata(served.open(65536), filename=NAME) == expected
    assert served.asked == []


def test_a_big_wheel_is_read_in_few_ranges(tmp_path: Path) -> None:
    served = Served(big_wheel(tmp_path))
    assert len(served.content) > 1_000_000
    expected = metadata_of("demo", "1.0", requires=["numpy>=1"])
    assert read_metadata(served.open(4096), filename=NAME) == expected
    assert len(served.asked) <= 3
    assert sum(stop - start for start, stop in served.asked) < 150_000


@given(st.binary(max_size=3000), st.integers(0, 4000), st.data())
def test_ranges_read_like_a_file(content: bytes, tail: int, data: st.DataObject) -> None:
    served = Served(content)
    real, ranged = io.BytesIO(content), served.open(tail)
    for _ in range(6):
        position = data.draw(st.integers(0, len(content) + 10))
        length = data.draw(st.integers(0, 500))
        assert real.seek(position) == ranged.seek(position)
        assert real.read(length) == ranged.read(length)
        assert real.tell() == ranged.tell()
    asked = [byte for start, stop in served.asked for byte in range(start, stop)]
    assert len(asked) == len(set(asked))


def test_a_server_that_gives_nothing() -> None:
    stream = io.BufferedReader(RangedFile(lambda *_: b"", total=100, tail=b""))
    with pytest.raises(FetchError, match="the server gives an empty range"):
        read_metadata(stream, filename=NAME)


def wrong(change: Callable[[dict[str, bytes]], object]) -> Callable[[Path], bytes]:
    def make(path: Path) -> bytes:
        members = {"demo.py": b"", "demo-1.0.dist-info/METADATA": metadata_of("demo", "1.0")}
        change(members)
        write_zip(path / NAME, members)
        return (path / NAME).read_bytes()

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: b"", f"`{NAME}` is no wheel: file is not a zip file"),
        (lambda _: b"PK\x05\x06", f"`{NAME}` is no wheel: file is not a zip file"),
        (
            wrong(lambda members: members.pop("demo-1.0.dist-info/METADATA")),
            f"`{NAME}` has 0 METADATA files, not one",
        ),
        (
            wrong(lambda members: members.update({"other-2.dist-info/METADATA": b""})),
            f"`{NAME}` has 2 METADATA files, not one",
        ),
        (
            wrong(lambda members: members.update({"demo-1.0.dist-info/METADATA": metadata_of("x", "2")})),
            f"the metadata of `{NAME}` says that it is `x` `2`",
        ),
        (
            wrong(lambda members: members.update({"demo-1.0.dist-info/METADATA": b"\xff\x00"})),
            f"the metadata of `{NAME}` says that it is `` ``",
        ),
        (
            wrong(lambda members: members.update({"demo-1.0.dist-info/METADATA": b" " * (17 << 20)})),
            f"`{NAME}` has 17825792 bytes of metadata",
        ),
    ],
)
def test_what_is_no_wheel(make: Callable[[Path], bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        read_metadata(io.BytesIO(make(tmp_path)), filename=NAME)
    assert str(caught.value) == message


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_wheel_is_read_or_refused(position: int, value: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", metadata_of("demo", "1.0"))
    content = bytearray(buffer.getvalue())
    content[position % len(content)] = value
    try:
        found = read_metadata(io.BytesIO(bytes(content)), filename=NAME)
    except FetchError:
        return
    assert found == metadata_of("demo", "1.0")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """An archive that calls its member small, whatever comes out of it."""
    write_zip(tmp_path / NAME, {"demo-1.0.dist-info/METADATA": b"Name: demo\n" + b"x" * (64 << 20)})
    content = (tmp_path / NAME).read_bytes()
    claimed = content.replace(struct.pack("<I", (64 << 20) + 11), struct.pack("<I", 100))
    assert claimed != content
    tracemalloc.start()
    with pytest.raises(FetchError):
        read_metadata(io.BytesIO(claimed), filename=NAME)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_no_wheel_has(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", metadata_of("demo", "1.0"))
    with pytest.raises(FetchError, match="is compressed in a way that wheels are not"):
        read_metadata(buffer, filename=NAME)


def test_an_archive_that_asks_for_too_much() -> None:
    stream = RangedFile(lambda *_: b"x", total=1 << 40, tail=b"")
    with pytest.raises(FetchError, match="asks for 33554432 bytes at once"):
        stream.readinto(bytearray(32 << 20))


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("numpy>=1", "numpy>=1"),
        ("numpy; python_version < '3'", "numpy; python_version < '3'"),
        ("numpy; platform_version == '@'", "numpy; platform_version == '@'"),
        ("evil @ https://example.com/e.tar.gz", "evil==0+a.direct.reference"),
        ("Evil[a]@git+https://u:p@example.com/e", "Evil[a]==0+a.direct.reference"),
        ("evil @ file:///e.whl ; extra == 'x'", 'evil==0+a.direct.reference; extra == "x"'),
        ("evil @https://example.com/e; extra == 'x'", "evil==0+a.direct.reference"),
        ("@ https://example.com/e", "unnamed==0+a.direct.reference"),
    ],
)
def test_requirements_name_no_places(requirement: str, expected: str) -> None:
    headers = ("Requires-Python: >=3.9", "Summary: a @ https://example.com", "Provides-Extra: x")
    content = index_only(metadata_of("demo", "1.0", requires=[requirement], extra=headers) + b"Text\n")
    assert content.decode() == (
        "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Python: >=3.9\nProvides-Extra: x\n"
        f"Requires-Dist: {expected}\n\n"
    )


def test_a_requirement_over_several_lines() -> None:
    content = b"Name: demo\nVersion: 1.0\nRequires-Dist: evil\n @\n https://example.com/e.whl\n\n"
    assert index_only(content) == b"Name: demo\nVersion: 1.0\nRequires-Dist: evil==0+a.direct.reference\n\n"
