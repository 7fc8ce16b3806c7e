"""What a wheel installs, by its RECORD."""

import csv
from base64 import urlsafe_b64encode
from pathlib import Path

from mlimage.content.entry import Entry
from mlimage.content.listing import list_files, read_small, record_of, without
from mlimage.content.wheel import wheel_entries
from mlimage.digest import Digest
from support.wheels import make_wheel

SITE = "opt/venv/lib/python3.11/site-packages"


def _entries(folder: Path) -> tuple[Entry, ...]:
    wheel = make_wheel(
        folder,
        "demo",
        "1.0",
        {
            "demo/__init__.py": b"a = 1\n",
            "demo/vendored/other-2.0.dist-info/RECORD": b"x,,\n",
            "a,b.txt": b"",
        },
        entry_points="[console_scripts]\ndemo = demo:run\n",
        scripts={"tool": b"#!python\n"},
        data={"data/share/demo/x.json": b"{}", "headers/demo.h": b"", "purelib/more.py": b""},
    )
    return wheel_entries(wheel, python="3.11", origin="demo 1.0")


def test_every_file_is_listed_with_its_hash(tmp_path: Path) -> None:
    entries = _entries(tmp_path)
    files = list_files(entries).files
    assert files.keys() == {entry.path for entry in entries}
    assert {
        "opt/venv/bin/demo", "opt/venv/bin/tool", "opt/venv/share/demo/x.json",
        "opt/venv/include/site/python3.11/demo/demo.h", f"{SITE}/a,b.txt", f"{SITE}/more.py",
    } < files.keys()  # fmt: skip
    for entry in entries:
        if entry.path != f"{SITE}/demo-1.0.dist-info/RECORD":
            algorithm, _, encoded = files[entry.path].partition("=")
            assert algorithm == "sha256"
            digest = Digest.of(read_small(entry))
            assert encoded == _encoded(digest)


def _encoded(digest: Digest) -> str:
    return urlsafe_b64encode(bytes.fromhex(digest.hex)).rstrip(b"=").decode()


def test_what_is_lost_is_not_in_its_record(tmp_path: Path) -> None:
    entries = _entries(tmp_path)
    lost = {f"{SITE}/demo/__init__.py", f"{SITE}/a,b.txt", "opt/venv/bin/tool"}
    kept = without(entries, lost)
    assert [entry.path for entry in kept] == [entry.path for entry in entries if entry.path not in lost]
    assert list_files(kept).files.keys() == {entry.path for entry in kept}
    rows = list(csv.reader(read_small(record_of(kept)).decode().splitlines()))
    assert rows == sorted(rows)
    assert read_small(record_of(without(entries, ()))) == read_small(record_of(entries))


def test_what_is_recorded_and_stands_elsewhere(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "demo",
        "1.0",
        {},
        entry_points="[console_scripts]\ndemo = demo:run\n",
        scripts={"demo": b"#!python\n"},
        data={"data/lib64/libdemo.so.1": b""},
    )
    entries = wheel_entries(wheel, python="3.11", origin="demo 1.0")
    assert list_files(entries).files.keys() == {entry.path for entry in entries}
    kept = without(entries, {"opt/venv/lib/libdemo.so.1"})
    assert b"libdemo" not in read_small(record_of(kept))
