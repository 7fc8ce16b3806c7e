import io
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.oci.untar import MemberKind, TarError, TarReader
from support.sealing import tar_of

LONG = "/".join(["folder"] * 60)


@pytest.mark.parametrize("spelling", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_the_standard_library(spelling: int) -> None:
    names = ["short", "x" * 90 + "/" + "y" * 90] + (
        [LONG, "größe"] if spelling != tarfile.USTAR_FORMAT else []
    )
    members = [(name, tarfile.REGTYPE, name.encode()) for name in names]
    links = [
        ("l" + name, tarfile.SYMTYPE, name)
        for name in names
        if len(name) <= 100 or spelling != tarfile.USTAR_FORMAT
    ]
    raw = tar_of(*members, *[link for link in links if len(link[2]) <= 100 or spelling], format=spelling)
    reader = TarReader(io.BytesIO(raw))
    found = [
        (member.path, member.kind, member.target or b"".join(reader.content()).decode()) for member in reader
    ]
    assert found == [(name, MemberKind.FILE, name) for name in names] + [
        (name, MemberKind.SYMLINK, target) for name, _, target in links
    ]


def test_large_numbers_of_gnu() -> None:
    info = tarfile.TarInfo("x")
    info.uid = 1 << 40
    info.mtime = 5
    member = next(iter(TarReader(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT)))))
    assert (member.uid, member.mtime) == (1 << 40, 5)


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(TarError):
        list(TarReader(io.BytesIO(raw)))


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(tar_of(("größe", tarfile.REGTYPE, b"12345"), ("link", tarfile.SYMTYPE, "x" * 120)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 4000))] = data.draw(st.integers(0, 255))
    with suppress(TarError):
        list(TarReader(io.BytesIO(bytes(raw[: data.draw(st.integers(0, len(raw)))]))))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"no tar" * 100, "no octal number in a header"),
        (tar_of(("x", tarfile.REGTYPE, b"1" * 600))[:1100], "the archive ends in the middle of a file"),
        (tar_of(("x", tarfile.REGTYPE, b"1" * 600))[:300], "the archive ends too early"),
        (tar_of(("x", tarfile.GNUTYPE_SPARSE, "")), "a kind that images do not have"),
        (tar_of(("x", b"V", "")), "a kind that images do not have"),
        (tar_of(("x", tarfile.REGTYPE, b"")).replace(b"x\0", b"y\0", 1), "a header with a wrong checksum"),
    ],
)
def test_what_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(TarError, match=said):
        list(TarReader(io.BytesIO(raw)))


def test_an_extended_header_that_is_a_bomb() -> None:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    info.size = 1 << 33
    with pytest.raises(TarError, match="an extended header of 8589934592 bytes"):
        list(TarReader(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT))))
