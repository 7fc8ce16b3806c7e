"""Reading packages: sound ones of every packing, and hostile ones, which are refused by name."""

import io
import lzma
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.content import inflate
from mlimage.content.deb import read_control, read_deb
from mlimage.content.entry import Entry, Kind
from mlimage.digest import Digest
from mlimage.errors import BuildError
from support.debs import PACK, ar_of, control_of, deb_bytes, folder, link, member, tar_of


def _content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        return stream.read()


def _write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "sample.deb"
    path.write_bytes(content)
    return path


def _refusal(tmp_path: Path, content: bytes) -> str:
    path = _write(tmp_path, content)
    with pytest.raises(BuildError) as caught:
        read_deb(path, scratch=tmp_path)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("packing", PACK)
def test_a_package_in_every_packing(tmp_path: Path, packing: str) -> None:
    members = [
        folder("./usr/"),
        folder("./usr/bin/"),
        member("./usr/bin/tool", b"tool", mode=0o4755),
        link("./usr/bin/alias", "tool"),
        member("./usr/bin/same", kind=tarfile.LNKTYPE, target="./usr/bin/tool"),
        member("./etc-ü", b"", gid=42, mode=0o640),
    ]
    scripts = {"postinst": "#!/bin/sh\n", "md5sums": "0  usr/bin/tool\n", "conffiles": "/etc/x\n"}
    path = _write(tmp_path, deb_bytes(members, scripts=scripts, packing=packing))
    deb = read_deb(path, scratch=tmp_path)
    assert deb.control == read_control(path)
    assert deb.control.origin == "sample 1.0-1"
    assert deb.control.architecture == "amd64"
    assert deb.control.paragraph == control_of()
    assert dict(deb.control.scripts) == {"postinst": b"#!/bin/sh\n"}
    assert deb.control.script("postinst") == Digest.of(b"#!/bin/sh\n")
    assert deb.control.script("preinst") is None
    assert deb.control.md5sums == b"0  usr/bin/tool\n"
    found = [(e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target) for e in deb.entries]
    assert found == [
        ("usr", Kind.DIRECTORY, 0o755, 0, 0, 0, ""),
        ("usr/bin", Kind.DIRECTORY, 0o755, 0, 0, 0, ""),
        ("usr/bin/tool", Kind.FILE, 0o4755, 0, 0, 4, ""),
        ("usr/bin/alias", Kind.SYMLINK, 0o777, 0, 0, 0, "tool"),
        ("usr/bin/same", Kind.FILE, 0o4755, 0, 0, 4, ""),
        ("etc-ü", Kind.FILE, 0o640, 0, 42, 0, ""),
    ]
    assert [_content(e) for e in reversed(deb.entries) if e.open] == [b"", b"tool", b"tool"]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(tmp_path: Path, form: int) -> None:
    name, target = f"usr/{'n' * 200}/{'n' * 200}", "t" * 300
    data = tar_of([member(f"./{name}", b"x"), link("./usr/link", target)], form=form)
    parts = [
        ("debian-binary", b"2.0\n"),
        ("control.tar", tar_of([member("./control", control_of().encode())])),
    ]
    deb = read_deb(_write(tmp_path, ar_of([*parts, ("data.tar", data)])), scratch=tmp_path)
    assert [(e.path, e.target) for e in deb.entries] == [(name, ""), ("usr/link", target)]


HOSTILE = {
    "absolute": ([member("/etc/passwd", b"x")], "it has the absolute path `/etc/passwd`"),
    "parent": ([member("./../x", b"x")], "it has the path `./../x`, which could lead outside the root"),
    "inner parent": (
        [member("./a/../../x")],
        "it has the path `./a/../../x`, which could lead outside the root",
    ),
    "roundabout": ([member("./a//b")], "it has the path `./a//b`, which could lead outside the root"),
    "escaping link": (
        [link("./usr/x", "../../etc/passwd")],
        "its link `usr/x` leads outside the root, to `../../etc/passwd`",
    ),
    "empty link": ([link("./x", "")], "its link `x` leads outside the root, to ``"),
    "twice": ([member("./x", b"1"), member("./x", b"2")], "it has `./x` twice"),
    "folder twice": ([folder("./x"), folder("./x/")], "it has `./x` twice"),
    "link, then file": ([link("./x", "/etc"), member("./x", b"")], "it has `./x` twice"),
    "device": ([member("./sda", kind=tarfile.BLKTYPE)], "its `sda` is a block device"),
    "tty": ([member("./tty", kind=tarfile.CHRTYPE)], "its `tty` is a character device"),
    "pipe": ([member("./pipe", kind=tarfile.FIFOTYPE)], "its `pipe` is a named pipe"),
    "hard link outside": (
        [member("./x", kind=tarfile.LNKTYPE, target="/etc/passwd")],
        "it has the absolute path `/etc/passwd`",
    ),
    "hard link to nothing": (
        [member("./x", kind=tarfile.LNKTYPE, target="./y")],
        "its hard link `x` leads to `./y`, which is no file before it",
    ),
    "hard link to a link": (
        [link("./y", "/etc"), member("./x", kind=tarfile.LNKTYPE, target="./y")],
        "its hard link `x` leads to `./y`, which is no file before it",
    ),
    "no UTF-8": ([member("./\udcff", b"")], "it has the name `./\\udcff`, which is no UTF-8"),
    "too long a part": (
        [member(f"./{'n' * 256}")],
        f"its `./{'n' * 198}` has a name of 256 bytes; at most 255 are allowed",
    ),
    "too long a target": (
        [link("./x", "t/" * 2048)],
        f"it has the name `{'t/' * 100}`, which no file can have",
    ),
    "too deep": (
        [member("./" + "d/" * 300 + "x")],
        f"its `./{'d/' * 99}` lies 301 levels deep; at most 256 are allowed",
    ),
    "too long": (
        [member("./" + "d/" * 3000 + "x")],
        f"it has the name `./{'d/' * 99}`, which no file can have",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_entries_are_refused_by_name(tmp_path: Path, case: str) -> None:
    members, message = HOSTILE[case]
    assert _refusal(tmp_path, deb_bytes(members)) == f"`sample 1.0-1` is refused: {message}"


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    info, _ = member("./sparse", kind=tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:398] = b"00000000000\0"
    block[398:410] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    data = bytes(block) + b"\0" * 1024
    assert _refusal(tmp_path, _with_data(data)) == "`sample 1.0-1` is refused: its `sparse` is a sparse file"


def _with_data(data: bytes, name: str = "data.tar") -> bytes:
    control = tar_of([member("./control", control_of().encode())])
    return ar_of([("debian-binary", b"2.0\n"), ("control.tar", control), (name, data)])


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = _with_data(lzma.compress(b"\0" * (100 << 20), preset=0), "data.tar.xz")
    message = "it unpacks to more than 64 MiB, which is more than it declares"
    tracemalloc.start()
    try:
        assert _refusal(tmp_path, content) == f"`sample 1.0-1` is refused: {message}"
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # the dictionary of xz has 8 MiB
    finally:
        tracemalloc.stop()
    assert all(path.stat().st_size <= 65 << 20 for path in tmp_path.iterdir())


def test_a_bomb_in_the_control_part(tmp_path: Path) -> None:
    control = lzma.compress(b"\0" * (33 << 20), preset=0)
    content = ar_of([("debian-binary", b"2.0\n"), ("control.tar.xz", control), ("data.tar", b"")])
    message = "`FILE` is refused: it unpacks to more than 32 MiB, which is more than it declares"
    assert _refusal(tmp_path, content) == message


def test_a_size_that_no_disk_has_is_refused(tmp_path: Path) -> None:
    for exponent in (62, 66, 80):
        info = tarfile.TarInfo("./x")
        info.size = 1 << exponent
        data = info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
        assert _refusal(tmp_path, _with_data(data)).startswith(
            "`sample 1.0-1` is refused: its tar is damaged ("
        )


def test_a_bomb_of_empty_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlimage.content.tarball.ENTRIES", 10)
    content = deb_bytes([member(f"./{number}") for number in range(10)])
    assert _refusal(tmp_path, content) == "`sample 1.0-1` is refused: it has more than 10 files"


def test_a_long_extension_header_is_refused(tmp_path: Path) -> None:
    info, content = member("./././@LongLink", b"n" * (2 << 20), kind=tarfile.GNUTYPE_LONGNAME)
    data = tar_of([(info, content)])
    assert (
        _refusal(tmp_path, _with_data(data))
        == "`sample 1.0-1` is refused: it has a header of more than 1 MiB"
    )


GOOD = deb_bytes([member("./file", b"content" * 1000)], packing="")
BROKEN = {
    "empty": (b"", "`FILE` is refused: it is no `ar` archive"),
    "not ar": (b"PK\3\4", "`FILE` is refused: it is no `ar` archive"),
    "header cut": (GOOD[:40], "`FILE` is refused: the header of one of its members is damaged"),
    "data cut": (GOOD[:-600], "`FILE` is refused: its member `data.tar` is cut short"),
    "no parts": (
        ar_of([("debian-binary", b"2.0\n")]),
        "`FILE` is refused: it has the parts none instead of ",
    ),
    "other format": (
        ar_of([("debian-binary", b"3.0\n")]),
        "`FILE` is refused: its format `3.0` is not known",
    ),
    "no debian-binary": (ar_of([("x", b"")]), "`FILE` is refused: it is no Debian package"),
    "swapped": (
        ar_of([("debian-binary", b"2.0\n"), ("data.tar", b""), ("control.tar", b"")]),
        "`FILE` is refused: it has the parts `data.tar`, `control.tar` instead of `control.tar` and ",
    ),
    "other packing": (
        _with_data(b"", "data.tar.lzma"),
        "`sample 1.0-1` is refused: its compression `lzma` is not known",
    ),
    "xz cut": (
        _with_data(lzma.compress(tar_of([member("./x", bytes(range(256)) * 64)]))[:-40], "data.tar.xz"),
        "`sample 1.0-1` is refused: it is cut short",
    ),
    "xz with a tail": (
        _with_data(lzma.compress(tar_of([])) + b"tail", "data.tar.xz"),
        "`sample 1.0-1` is refused: there are bytes after its end",
    ),
    "gzip cut": (
        _with_data(PACK[".gz"](tar_of([]))[:-4], "data.tar.gz"),
        "`sample 1.0-1` is refused: it is cut short",
    ),
    "no gzip": (_with_data(b"x" * 99, "data.tar.gz"), "`sample 1.0-1` is refused: it cannot be unpacked ("),
    "no xz": (_with_data(b"x" * 99, "data.tar.xz"), "`sample 1.0-1` is refused: it cannot be unpacked ("),
    "tar without end": (
        _with_data(tar_of([member("./x", b"1" * 512)])[:1024]),
        "`sample 1.0-1` is refused: its tar is cut short",
    ),
    "tar cut in a file": (
        _with_data(tar_of([member("./x", b"1" * 5000)])[:1024]),
        "`sample 1.0-1` is refused: its tar is damaged (",
    ),
    "header in the middle": (
        _with_data(tar_of([member("./x", b"")])[:512] + b"garbage" * 200 + b"\0" * 2048),
        "`sample 1.0-1` is refused: its tar is damaged (a header in its middle)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_packages_are_refused(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    assert _refusal(tmp_path, content).startswith(message)


CONTROLS = {
    "no package": (control_of(package=""), "its `control` file has no sound `Package` field"),
    "path as name": (control_of(package="../x"), "its `control` file has no sound `Package` field"),
    "no version": (control_of(version=""), "its `control` file has no sound `Version` field"),
    "no architecture": (control_of(Architecture=""), "its `control` file has no sound `Architecture` field"),
    "no field": (
        "Package sample\n",
        "its `control` file has the line `Package sample`, which is no field or one",
    ),
    "twice": (
        control_of() + "Package: other\n",
        "its `control` file has the line `Package: other`, which is no",
    ),
}


@pytest.mark.parametrize("case", CONTROLS)
def test_unsound_control_files_are_refused(tmp_path: Path, case: str) -> None:
    control, message = CONTROLS[case]
    assert _refusal(tmp_path, deb_bytes(control=control)).startswith(f"`FILE` is refused: {message}")


def test_a_package_without_control_file(tmp_path: Path) -> None:
    content = ar_of([("debian-binary", b"2.0\n"), ("control.tar", tar_of([])), ("data.tar", tar_of([]))])
    assert _refusal(tmp_path, content) == "`FILE` is refused: it has no `control` file"


def test_fields_keep_their_continuation_lines(tmp_path: Path) -> None:
    control = control_of(Description="short\n long\n .\n more")
    assert (
        read_control(_write(tmp_path, deb_bytes(control=control))).fields["Description"]
        == "short\nlong\n.\nmore"
    )


def test_streams_can_be_read_in_pieces_and_sought(tmp_path: Path) -> None:
    content = bytes(range(256)) * 300
    members = [member("./before", b"b" * 777), member("./file", content), member("./after", b"a" * 777)]
    deb = read_deb(_write(tmp_path, deb_bytes(members)), scratch=tmp_path)
    opener = deb.entries[1].open
    assert opener is not None
    with opener() as stream:
        assert stream.read(10) == content[:10]
        assert stream.seek(70_000) == 70_000
        assert stream.read(100) == content[70_000:70_100]
        assert stream.seek(-5, io.SEEK_END) == len(content) - 5
        assert stream.read() == content[-5:]
        assert stream.read() == b""


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_package_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    good = deb_bytes([folder("./usr"), member("./usr/file", b"content" * 50), link("./l", "usr")], packing="")
    where = data.draw(st.integers(0, len(good) - 1))
    change = data.draw(st.sampled_from(("cut", "change", "remove")))
    byte = bytes((data.draw(st.integers(0, 255)),))
    damaged = {
        "cut": good[:where],
        "change": good[:where] + byte + good[where + 1 :],
        "remove": good[:where] + good[where + 1 :],
    }[change]
    folder_ = tmp_path_factory.mktemp("deb")
    path = _write(folder_, damaged)
    try:
        deb = read_deb(path, scratch=folder_)
    except BuildError:
        return
    for entry in deb.entries:
        assert ".." not in entry.path.split("/")
        assert len(_content(entry)) == entry.size if entry.open else True


def test_zstd_without_a_module_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_ZSTD", ("no_such_module",))
    path = _write(tmp_path, _with_data(b"(\xb5/\xfd", "data.tar.zst"))
    with pytest.raises(BuildError) as caught:
        read_deb(path, scratch=tmp_path)
    assert (str(caught.value), caught.value.hint) == (
        "`sample 1.0-1` is refused: it is packed with zstd, which this Python cannot read",
        "run mlimage with Python 3.14 or later, or add `backports.zstd` to its environment",
    )


def test_a_script_that_names_its_own_version_is_the_same_in_the_next_one(tmp_path: Path) -> None:
    digests = set()
    for version in ("2.36-9+deb12u7", "2.36-9+deb12u14"):
        script = {"postinst": f'#!/bin/sh\ntest "$ver" != "{version}"\n'}
        content = deb_bytes(control=control_of(version=version), scripts=script)
        digests.add(read_control(_write(tmp_path, content)).script("postinst"))
    assert digests == {Digest.of(b'#!/bin/sh\ntest "$ver" != "{version}"\n')}
