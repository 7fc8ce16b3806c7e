"""A wheel becomes the files that pip writes; what the format forbids is refused by name."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, Kind, arrange
from mlimage.content.wheel import wheel_entries
from mlimage.errors import BuildError
from support.wheels import make_wheel, metadata_of, write_zip

SITE = "opt/venv/lib/python3.11/site-packages"


def entries_of(path: Path, **options: str) -> tuple[Entry, ...]:
    return wheel_entries(path, python="3.11", origin="demo 1.0", **options)


def content(entry: Entry) -> bytes:
    assert entry.open is not None
    with entry.open() as stream:
        body = stream.read()
    assert len(body) == entry.size
    return body


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(BuildError) as caught:
        action()
    assert caught.value.hint == "lock another version or file of this package"
    return caught.value.message.removeprefix("the wheel of `demo 1.0` ")


def hashed(body: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
    return f"sha256={digest},{len(body)}"


def test_everything_a_wheel_may_hold(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "Demo.Pkg",
        "1.0",
        {
            "demo/__init__.py": b"",
            "demo/größe, 2.txt": b"unicode",
            "demo/tool": b"\x7fELF",
            "demo.pth": b"import x\n",
        },
        entry_points="[console_scripts]\nrun-demo = demo:main [extra]\nlegacy = demo:legacy\n",
        scripts={
            "demo.sh": b"#!/bin/sh\n",
            "demo.py": b"#!python -u\nprint()\n",
            "legacy-script.py": b"#!python\n",
        },
        data={
            "data/share/demo.json": b"{}",
            "headers/demo.h": b"#define D\n",
            "purelib/pure.py": b"pure = 1\n",
            "platlib/p.so": b"so",
        },
        executable=["demo/tool"],
    )
    entries = entries_of(wheel)
    assert {entry.origin for entry in entries} == {"demo 1.0"}
    assert {entry.kind for entry in entries} == {Kind.FILE}
    assert {(entry.uid, entry.gid) for entry in entries} == {(0, 0)}
    info = f"{SITE}/Demo_Pkg-1.0.dist-info"
    launcher = (
        "#!/opt/venv/bin/python\nimport sys\nfrom demo import {0}\nif __name__ == '__main__':\n"
        "    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit({0}())\n"
    )
    files = {entry.path: (oct(entry.mode), content(entry)) for entry in entries}
    record = files.pop(f"{info}/RECORD")
    metadata = {path: files.pop(f"{info}/{path}") for path in ("METADATA", "WHEEL", "entry_points.txt")}
    assert files == {
        "opt/venv/bin/demo.py": ("0o755", b"#!/opt/venv/bin/python\nprint()\n"),
        "opt/venv/bin/demo.sh": ("0o755", b"#!/bin/sh\n"),
        "opt/venv/bin/legacy": ("0o755", launcher.format("legacy").encode()),
        "opt/venv/bin/run-demo": ("0o755", launcher.format("main").encode()),
        "opt/venv/include/site/python3.11/demo-pkg/demo.h": ("0o644", b"#define D\n"),
        "opt/venv/share/demo.json": ("0o644", b"{}"),
        f"{SITE}/demo/__init__.py": ("0o644", b""),
        f"{SITE}/demo/größe, 2.txt": ("0o644", b"unicode"),
        f"{SITE}/demo/tool": ("0o755", b"\x7fELF"),
        f"{SITE}/demo.pth": ("0o644", b"import x\n"),
        f"{SITE}/p.so": ("0o644", b"so"),
        f"{SITE}/pure.py": ("0o644", b"pure = 1\n"),
        f"{info}/INSTALLER": ("0o644", b"mlimage\n"),
    }
    assert [entry.path for entry in entries] == sorted((entry.path for entry in entries), key=str.encode)
    rows = [
        f"../../../bin/demo.py,{hashed(files['opt/venv/bin/demo.py'][1])}",
        f"../../../bin/demo.sh,{hashed(b'#!/bin/sh' + bytes([10]))}",
        f"../../../bin/legacy,{hashed(files['opt/venv/bin/legacy'][1])}",
        f"../../../bin/run-demo,{hashed(files['opt/venv/bin/run-demo'][1])}",
        f"../../../include/site/python3.11/demo-pkg/demo.h,{hashed(files['opt/venv/include/site/python3.11/demo-pkg/demo.h'][1])}",
        f"../../../share/demo.json,{hashed(b'{}')}",
        f"Demo_Pkg-1.0.data/scripts/legacy-script.py,{hashed(b'#!python' + bytes([10]))}",
        f"Demo_Pkg-1.0.dist-info/INSTALLER,{hashed(b'mlimage' + bytes([10]))}",
        *(f"Demo_Pkg-1.0.dist-info/{name},{hashed(metadata[name][1])}" for name in ("METADATA",)),
        "Demo_Pkg-1.0.dist-info/RECORD,,",
        *(
            f"Demo_Pkg-1.0.dist-info/{name},{hashed(metadata[name][1])}"
            for name in ("WHEEL", "entry_points.txt")
        ),
        f"demo.pth,{hashed(files[f'{SITE}/demo.pth'][1])}",
        f"demo/__init__.py,{hashed(b'')}",
        f'"demo/größe, 2.txt",{hashed(b"unicode")}',
        f"demo/tool,{hashed(b'ELF'.join([bytes([127]), b'']))}",
        f"p.so,{hashed(b'so')}",
        f"pure.py,{hashed(files[f'{SITE}/pure.py'][1])}",
    ]
    assert record == ("0o644", "".join(f"{row}\r\n" for row in rows).encode())


def test_the_second_library_folder_of_a_venv_is_a_link(tmp_path: Path) -> None:
    data = {"data/lib64/x.so": b"so", "data/lib64/python3.11/site-packages/y.py": b"y = 1"}
    files = {entry.path: entry for entry in entries_of(make_wheel(tmp_path, "demo", "1.0", {}, data=data))}
    assert {"opt/venv/lib/x.so", f"{SITE}/y.py"} <= files.keys()
    record = content(files[f"{SITE}/demo-1.0.dist-info/RECORD"])
    assert f"../../../lib64/x.so,{hashed(b'so')}\r\n".encode() in record, "as pip writes it"
    clash = make_wheel(tmp_path / "2", "demo", "1.0", {}, data={"data/lib/x": b"1", "data/lib64/x": b"2"})
    assert refusal(lambda: entries_of(clash)) == "has two files for `/opt/venv/lib/x`"
    over = make_wheel(tmp_path / "3", "demo", "1.0", {}, data={"data/lib64": b"1"})
    assert refusal(lambda: entries_of(over)) == "would replace `/opt/venv/lib64`"


def test_another_prefix_and_python(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo.py": b""}, entry_points="[console_scripts]\nd = d:d\n")
    entries = wheel_entries(wheel, python="3.13", prefix="usr/local", origin="demo 1.0")
    assert [entry.path for entry in entries[:2]] == [
        "usr/local/bin/d",
        "usr/local/lib/python3.13/site-packages/demo-1.0.dist-info/INSTALLER",
    ]
    assert content(entries[0]).startswith(b"#!/usr/local/bin/python\n")


def test_the_entries_do_not_depend_on_the_order_of_the_archive(tmp_path: Path) -> None:
    files = {f"demo/{name}.py": name.encode() for name in "zyxabc"}
    first = make_wheel(tmp_path / "1", "demo", "1.0", files)
    second = make_wheel(tmp_path / "2", "demo", "1.0", dict(reversed(files.items())))
    assert [(e.path, e.mode, content(e)) for e in entries_of(first)] == [
        (e.path, e.mode, content(e)) for e in entries_of(second)
    ]


def test_the_name_of_the_archive_need_not_be_a_wheel_s(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo.py": b""})
    cached = wheel.rename(tmp_path / ("0" * 64))
    assert len(entries_of(cached)) == 5
    assert len(entries_of(cached, filename="demo-1.0.0-py3-none-any.whl")) == 5
    assert refusal(lambda: entries_of(cached, filename="demo-1.1-py3-none-any.whl")) == (
        "is `demo 1.0` in its metadata, but its file is `demo-1.1-py3-none-any.whl`"
    )
    assert refusal(lambda: entries_of(cached, filename="other-1.0-py3-none-any.whl")) == (
        "is `demo 1.0` in its metadata, but its file is `other-1.0-py3-none-any.whl`"
    )
    assert refusal(lambda: entries_of(cached, filename="demo.whl")) == "has the invalid file name `demo.whl`"


def test_the_wheel_s_own_installer_is_replaced(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo-1.0.dist-info/INSTALLER": b"other\n"})
    found = {entry.path: content(entry) for entry in entries_of(wheel)}
    assert found[f"{SITE}/demo-1.0.dist-info/INSTALLER"] == b"mlimage\n"
    assert found[f"{SITE}/demo-1.0.dist-info/RECORD"].count(b"INSTALLER") == 1


def test_signatures_of_record_need_no_line(tmp_path: Path) -> None:
    wheel = wrong(tmp_path, {"demo-1.0.dist-info/RECORD.jws": b"{}"})
    record = next(entry for entry in entries_of(wheel) if entry.path.endswith("/RECORD"))
    assert b"demo-1.0.dist-info/RECORD.jws,,\r\n" in content(record)


def wrong(folder: Path, changes: Mapping[str, bytes | None], *, record: str | None = None) -> Path:
    """A wheel whose archive is changed after RECORD was written; None takes a file away."""
    files = {
        "demo.py": b"x = 1\n",
        "demo-1.0.dist-info/METADATA": metadata_of("demo", "1.0"),
        "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
    }
    rows = [f"{name},{hashed(body)}" for name, body in files.items()]
    listed = "\n".join([*rows, "demo-1.0.dist-info/RECORD,,"]) + "\n" if record is None else record
    everything = {**files, "demo-1.0.dist-info/RECORD": listed.encode(), **changes}
    path = folder / "demo-1.0-py3-none-any.whl"
    write_zip(path, {name: body for name, body in everything.items() if body is not None})
    return path


METADATA = f"demo-1.0.dist-info/METADATA,{hashed(metadata_of('demo', '1.0'))}"
ALLOWED = "where `demo-1.0.data` may hold data, headers, platlib, purelib, scripts"
WHEEL = f"demo-1.0.dist-info/WHEEL,{hashed(b'Wheel-Version: 1.0' + bytes([10]))}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"new.py": b""}, "has `new.py`, which RECORD does not list"),
        ({"demo.py": None}, "lists `demo.py` in RECORD, but has no such file"),
        ({"demo.py": b"x = 12\n"}, "has `demo.py` with another size than RECORD says"),
        (
            {"other-1.0.dist-info/METADATA": b""},
            "must have one `.dist-info` folder, but has `demo-1.0.dist-info`, `other-1.0.dist-info`",
        ),
        ({"demo-1.0.dist-info/RECORD": None}, "has no `demo-1.0.dist-info/RECORD`"),
        ({"demo-1.0.dist-info/METADATA": None}, "has no `demo-1.0.dist-info/METADATA`"),
        ({"demo-1.0.dist-info/WHEEL": None}, "has no `demo-1.0.dist-info/WHEEL`"),
        (
            {"demo-1.0.dist-info/WHEEL": b"Wheel-Version: 2.0\n"},
            "has the Wheel-Version 2.0, where 1.0 is known",
        ),
        ({"demo-1.0.dist-info/WHEEL": b""}, "has the Wheel-Version ``, which is none"),
        ({"demo-1.0.dist-info/METADATA": b"\xff"}, "has `demo-1.0.dist-info/METADATA` that is not UTF-8"),
        (
            {"demo-1.0.dist-info/METADATA": metadata_of("evil", "1.0")},
            "is `evil 1.0` in its metadata, but has the folder `demo-1.0.dist-info`",
        ),
        (
            {"demo-1.0.dist-info/METADATA": metadata_of("demo", "1.1")},
            "is `demo 1.1` in its metadata, but has the folder `demo-1.0.dist-info`",
        ),
        (
            {"demo-1.0.dist-info/METADATA": metadata_of("demo", "one")},
            "has invalid metadata: name `demo`, version `one`",
        ),
        (
            {"demo-1.0.dist-info/METADATA": metadata_of("-", "1.0")},
            "has invalid metadata: name `-`, version `1.0`",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, changes: dict[str, bytes | None], message: str
) -> None:
    assert refusal(lambda: entries_of(wrong(tmp_path, changes))) == message


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("demo.py,,", "has no hash for `demo.py` in RECORD"),
        (
            "demo.py,md5=CY9rzUYh03PK3k6DJie09g,6",
            "has no valid hash for `demo.py` in RECORD: `md5=CY9rzUYh03PK3k6DJie09g`",
        ),
        ("demo.py,sha256=short,6", "has no valid hash for `demo.py` in RECORD: `sha256=short`"),
        ("demo.py", "has the line `demo.py` in RECORD, which is not path, hash and size"),
        (f"demo.py,{hashed(b'')[:-1]}6\ndemo.py,{hashed(b'')[:-1]}6", "lists `demo.py` twice in RECORD"),
    ],
)
def test_bad_lines_of_record_are_refused(tmp_path: Path, row: str, message: str) -> None:
    record = f"{row}\n\n{METADATA}\n{WHEEL}\ndemo-1.0.dist-info/RECORD,,\n"
    assert refusal(lambda: entries_of(wrong(tmp_path, {}, record=record))) == message


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_strong_hash_of_record_is_checked(tmp_path: Path, algorithm: str) -> None:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, b"x = 1\n").digest()).decode()
    record = f"demo.py,{algorithm}={digest.rstrip('=')},6\n{METADATA}\n{WHEEL}\n"
    good = entries_of(wrong(tmp_path / "good", {}, record=record))
    assert [content(entry) for entry in good if entry.path.endswith("demo.py")] == [b"x = 1\n"]
    bad = entries_of(wrong(tmp_path / "bad", {"demo.py": b"x = 2\n"}, record=record))
    entry = next(entry for entry in bad if entry.path.endswith("demo.py"))
    assert refusal(lambda: content(entry)) == "has `demo.py` with another hash than its RECORD says"


def test_a_script_with_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    files = {"demo-1.0.data/scripts/s": b"#!python\n1\n"}
    record = f"demo.py,{hashed(b'x = 1' + bytes([10]))}\n{METADATA}\n{WHEEL}\n" + "".join(
        f"{name},{hashed(body[:-2] + b'2' + body[-1:])}\n" for name, body in files.items()
    )
    assert refusal(lambda: entries_of(wrong(tmp_path, files, record=record))) == (
        "has `demo-1.0.data/scripts/s` with another hash than its RECORD says"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": {"evil/x": b""}}, f"has `demo-1.0.data/evil/x`, {ALLOWED}"),
        ({"data": {"data": b""}}, f"has `demo-1.0.data/data`, {ALLOWED}"),
        (
            {"data": {"purelib/demo.py": b"2"}},
            "has two files for `/opt/venv/lib/python3.11/site-packages/demo.py`",
        ),
        (
            {"data": {"data/bin/d": b"2"}, "entry_points": "[console_scripts]\nd = d:d\n"},
            "has two files for `/opt/venv/bin/d`",
        ),
        ({"data": {"data/pyvenv.cfg": b""}}, "would replace `/opt/venv/pyvenv.cfg`"),
        ({"scripts": {"python3": b""}}, "would replace `/opt/venv/bin/python3`"),
        ({"entry_points": "[console_scripts]\npython = a:b\n"}, "would replace `/opt/venv/bin/python`"),
        (
            {"entry_points": "[console_scripts]\n../../x = a:b\n"},
            "has the entry point `../../x = a:b`, which is not a name and `module:callable`",
        ),
    ],
)
def test_files_that_have_no_place_are_refused(
    tmp_path: Path, options: dict[str, dict[str, bytes] | str], message: str
) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo.py": b"1"}, **options)  # type: ignore[arg-type]
    assert refusal(lambda: entries_of(wheel)) == message


def test_a_file_below_a_file_is_refused_when_a_layer_is_arranged(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo": b"1", "demo/x.py": b"2"})
    with pytest.raises(BuildError) as caught:
        arrange(entries_of(wheel))
    assert str(caught.value) == (
        f"`demo 1.0` writes `/{SITE}/demo/x.py`, but `/{SITE}/demo` is a file of `demo 1.0`"
    )
