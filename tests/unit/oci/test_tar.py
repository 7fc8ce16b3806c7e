import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.content.entry import MTIME, Entry, Kind, arrange, directory, file_of_bytes, file_of_path, symlink
from mlimage.errors import BuildError
from mlimage.oci.tar import CHUNK, header, tar_chunks
from mlimage.oci.untar import TarReader
from support.tars import ODD, unpack_with, written

parts = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120
).filter(lambda part: part not in {".", ".."})
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for number, path in enumerate(draw(st.lists(paths, max_size=6, unique=True))):
        mode = draw(st.sampled_from([0o644, 0o755, 0o4755, 0o600]))
        uid = draw(st.sampled_from([0, 65532, 0o7777777]))
        kind = draw(st.sampled_from(list(Kind)))
        # A folder of its own for each, so that none lies in another that is a file.
        place = f"{number}/{path}"
        if kind is Kind.DIRECTORY:
            entries.append(directory(place, origin="test", mode=mode, uid=uid))
        elif kind is Kind.SYMLINK:
            entries.append(symlink(place, draw(paths), origin="test"))
        else:
            content = draw(st.binary(max_size=1500))
            entries.append(file_of_bytes(place, content, origin="test", mode=mode, uid=uid, gid=uid))
    return arrange(entries)


@given(trees())
@settings(max_examples=200, deadline=None)
def test_the_standard_library_and_our_reader_read_back_what_is_written(entries: tuple[Entry, ...]) -> None:
    raw = written(entries)
    with tarfile.open(fileobj=io.BytesIO(raw), format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == [entry.path for entry in entries]
        for entry, member in zip(entries, members, strict=True):
            assert (member.mode, member.uid, member.gid, member.mtime) == (
                entry.mode,
                entry.uid,
                entry.gid,
                MTIME,
            )
            assert (member.uname, member.gname) == ("", "")
            if entry.kind is Kind.SYMLINK:
                assert (member.issym(), member.linkname) == (True, entry.target)
            elif entry.kind is Kind.DIRECTORY:
                assert member.isdir()
            else:
                assert entry.open is not None
                stream = archive.extractfile(member)
                assert stream is not None
                assert stream.read() == entry.open().read()
    reader = TarReader(io.BytesIO(raw))
    for entry, found in zip(entries, reader, strict=True):
        assert found.path.removesuffix("/") == entry.path
        assert (found.mode, found.uid, found.gid, found.size) == (
            entry.mode,
            entry.uid,
            entry.gid,
            entry.size,
        )
        if entry.open is not None:
            assert b"".join(reader.content()) == entry.open().read()


def test_gnu_tar_unpacks_what_is_written(tmp_path: Path) -> None:
    unpack_with("tar", ODD, tmp_path)


def test_pax_only_where_ustar_cannot_say_it() -> None:
    found = [
        f"{entry.kind.value} {entry.path[0]}{len(entry.path)}" for entry in ODD if len(header(entry)) > 512
    ]
    assert found == [
        "directory g5",
        "file g8",
        "symlink l8",
        "file n101",
        "directory p155",
        "directory p156",
        "file p158",
        "symlink u11",
    ]


def test_a_size_that_octal_digits_cannot_say() -> None:
    entry = Entry(path="big", kind=Kind.FILE, mode=0o644, origin="test", size=8 << 30, open=io.BytesIO)
    assert header(entry)[512:530] == b"19 size=8589934592"
    assert tarfile.TarInfo.frombuf(header(entry)[1024:], "utf-8", "strict").size == 0


def test_pieces_are_whole_chunks_whatever_the_files() -> None:
    class Dribble(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 7777))

    entries = arrange(
        [
            file_of_bytes("small", b"x" * 700, origin="test"),
            Entry(
                path="large",
                kind=Kind.FILE,
                mode=0o644,
                origin="test",
                size=3 * CHUNK + 5,
                open=lambda: Dribble(bytes(3 * CHUNK + 5)),
            ),
        ]
    )
    assert [len(chunk) for chunk in tar_chunks(entries)] == [
        CHUNK,
        CHUNK,
        CHUNK,
        (512 + 1024) + (512 + 5 + 507) + 1024,
    ]


def test_memory_does_not_grow_with_a_file() -> None:
    class Endless(io.BytesIO):
        left = 300 * CHUNK

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= CHUNK
            given = min(size, self.left)
            self.left -= given
            return bytes(given)

    entry = Entry(path="big", kind=Kind.FILE, mode=0o644, origin="test", size=300 * CHUNK, open=Endless)
    assert max(len(chunk) for chunk in tar_chunks([entry])) == CHUNK


@pytest.mark.parametrize(("size", "said"), [(4, "more"), (0, None), (6, "only 5"), (3_000_000, "only 5")])
def test_a_file_that_is_not_what_its_size_says(size: int, said: str | None) -> None:
    entry = Entry(
        path="app/x", kind=Kind.FILE, mode=0o644, origin="app", size=size, open=lambda: io.BytesIO(b"12345")
    )
    if said is None:
        assert len(written((directory("app", origin="app"), entry))) == 2048
        return
    with pytest.raises(BuildError) as caught:
        written((directory("app", origin="app"), entry))
    assert str(caught.value) == f"`/app/x` of `app` should have {size} bytes, and has {said}"
    assert caught.value.hint == "it changed while it was read: try again when nothing writes there"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"1")
    entry = file_of_path("x", tmp_path / "x", origin="app")
    (tmp_path / "x").unlink()
    with pytest.raises(BuildError) as caught:
        written((entry,))
    assert str(caught.value) == "cannot read `/x` of `app`: no such file or directory"


def test_streams_are_closed_when_the_reader_stops() -> None:
    opened: list[BinaryIO] = []

    def content() -> BinaryIO:
        opened.append(io.BytesIO(bytes(5 * CHUNK)))
        return opened[-1]

    entry = Entry(path="x", kind=Kind.FILE, mode=0o644, origin="app", size=5 * CHUNK, open=content)
    chunks = tar_chunks([entry])
    assert isinstance(chunks, Iterator)
    next(chunks)
    del chunks
    assert opened[0].closed


def test_an_owner_that_tar_has_no_number_for() -> None:
    with pytest.raises(BuildError) as caught:
        header(directory("home/x", origin="spec", uid=2_097_152))
    assert str(caught.value) == "`/home/x` of `spec` belongs to 2097152:0, and tar has no such numbers"


def test_a_name_with_nul() -> None:
    with pytest.raises(BuildError, match="has a name with a NUL character"):
        header(symlink("x", "a\0b", origin="wheel"))


@pytest.mark.parametrize(
    "entries",
    [
        (directory("b", origin="x"), directory("a", origin="x")),
        (directory("a", origin="x"), directory("a", origin="x")),
        (file_of_bytes("a/b", b"", origin="x"),),
        (directory("a", origin="x"), directory("a/..", origin="x")),
        (directory("", origin="x"),),
        (file_of_bytes("a", b"", origin="x"), file_of_bytes("a/b", b"", origin="x")),
    ],
)
def test_entries_that_are_not_arranged(entries: tuple[Entry, ...]) -> None:
    with pytest.raises(ValueError, match="entries"):
        written(entries)
