"""Packages as the real pip installs them, called as in a Dockerfile, give the files of their wheels."""

import subprocess
import sys
import venv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from mlimage.content.entry import Entry, Kind, file_of_bytes, file_of_path, symlink
from mlimage.content.installed import Installed, installed_packages
from mlimage.content.wheel import wheel_entries
from mlimage.digest import Digest
from mlimage.errors import BuildError
from support.pipped import PYTHON, SITE
from support.wheels import make_wheel

Tree = dict[str, tuple[int, bytes]]


def wheels(folder: Path) -> list[Path]:
    """Wheels with all that wheels may have, some of which share folders."""
    return [
        make_wheel(
            folder, "Every.Thing", "1.0+local",
            {
                "every/__init__.py": b"", "every/größe ☃.txt": b"unicode",
                'every/"quoted", comma.txt': b"csv", "every/__pycache__/old.cpython-311.pyc": b"stale",
                "every/tool": b"\x7fELF", "every/.hidden": b"", "every-ns.pth": b"import sys\n",
                "every/RECORD": b"not pip's", "other.dist-info.txt": b"",
            },
            entry_points="[console_scripts]\nevery = every:main\ngröße = every:main [extra]\n"
            "[gui_scripts]\nwindow = every:window\n",
            scripts={"plain.sh": b"#!/bin/sh\n", "py": b"#!python\nprint(1)\n", "binary": bytes(range(256))},
            data={
                "data/etc/every.conf": b"a = 1\n", "data/share/größe": b"", "headers/every.h": b"#define E\n",
                "purelib/pure.py": b"", "platlib/every/plat.so": b"so",
            },
            executable=["every/tool"],
        ),
        make_wheel(folder, "space_one", "1", {"space/one/__init__.py": b"1 = 1\n"[2:]}),
        make_wheel(folder, "space-two", "2", {"space/two.py": b"", "space/data/x.json": b"{}"}),
        make_wheel(folder, "empty", "0.1", {}),
    ]  # fmt: skip


def installed_by_pip(paths: Iterable[Path], root: Path) -> dict[str, Entry]:
    """What the Dockerfile's command writes at `root/opt/venv`; its launchers and scripts name `/opt/venv`."""
    prefix = root / "opt/venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(prefix)
    requirements = root / "requirements.txt"
    lines = [
        f"{canonicalize_name(name)}=={version} --hash=sha256:{Digest.of_file(path).hex}\n"
        for path in paths
        for name, version in [path.name.split("-")[:2]]
    ]
    requirements.write_text("".join(lines))
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(prefix / "bin/python"), "install", "--quiet"),
            *("--no-index", f"--find-links={next(iter(paths)).parent}", "--require-hashes", "--no-deps"),
            *("--no-cache-dir", "--root-user-action=ignore", f"--requirement={requirements}"),
            "--no-warn-script-location",
        ],
        env={"PIP_COMPILE": "0", "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
        umask=0o077,
    )
    return {entry.path: entry for entry in _entries(root, prefix)}


def _entries(root: Path, prefix: Path) -> Iterable[Entry]:
    shebang = f"#!{prefix}/bin/python".encode()
    for path in sorted((root / "opt").rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            yield symlink(name, str(path.readlink()), origin="pip")
        elif path.is_dir():
            yield Entry(path=name, kind=Kind.DIRECTORY, mode=0o755, origin="pip")
        elif path.read_bytes().startswith(shebang):
            content = path.read_bytes().replace(shebang, b"#!/opt/venv/bin/python")
            yield file_of_bytes(name, content, origin="pip", mode=path.stat().st_mode & 0o777)
        else:
            yield file_of_path(name, path, origin="pip", mode=path.stat().st_mode & 0o777)


def contents(entries: Iterable[Entry], *, but: Callable[[str], bool] = lambda _: False) -> Tree:
    found = {}
    for entry in entries:
        assert entry.open is not None
        with entry.open() as stream:
            content = stream.read()
        assert len(content) == entry.size
        if not but(entry.path):
            found[entry.path] = (entry.mode, content)
    return found


def rows(tree: Tree, path: str) -> list[str]:
    """RECORD without the hashes of what names the interpreter: it lay elsewhere when pip hashed it."""
    lines = tree[path][1].decode().splitlines()
    return [line.partition(",")[0] if line.startswith("../../../bin/") else line for line in lines]


def test_what_pip_installs_are_the_files_of_the_wheels(tmp_path: Path) -> None:
    paths = wheels(tmp_path / "wheels")
    files = installed_by_pip(paths, tmp_path)
    packages, owned = installed_packages(files, library=SITE)
    assert [package.name for package in packages] == ["every-thing", "empty", "space-one", "space-two"]
    by_name = {package.name: package for package in packages}
    for path, name in zip(paths, ("every-thing", "space-one", "space-two", "empty"), strict=True):
        ours = contents(wheel_entries(path, python=PYTHON, origin=name))
        pips = contents(by_name[name].entries)
        [record] = [each for each in ours if each.endswith(".dist-info/RECORD")]
        assert rows(pips, record) == rows(ours, record)
        assert {**pips, record: ours[record]} == ours
        assert [entry.path for entry in by_name[name].entries] == sorted(ours)
    left = {path for path, entry in files.items() if entry.kind is not Kind.DIRECTORY} - owned
    assert {path for path in left if path.startswith(SITE)} == set()


def test_without_packages() -> None:
    assert installed_packages({}, library=SITE) == ((), frozenset())


INFO = f"{SITE}/one-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: One.Two\nVersion: 1.0\n\nName: other\n"


def files_of(record: bytes, **more: bytes) -> dict[str, Entry]:
    content: Mapping[str, bytes] = {
        f"{INFO}/METADATA": METADATA,
        f"{INFO}/RECORD": record,
        f"{INFO}/INSTALLER": b"pip\n",
        **{path.replace("__", "/"): body for path, body in more.items()},
    }
    return {path: file_of_bytes(path, body, origin="pip") for path, body in content.items()}


RECORD = (
    b"one-1.0.dist-info/METADATA,,\r\none-1.0.dist-info/INSTALLER,sha256=x,4\r\n"
    b"one-1.0.dist-info/RECORD,,\r\none-1.0.dist-info/REQUESTED,,\r\none-1.0.dist-info/direct_url.json,,\r\n"
    b"one/__pycache__/a.cpython-311.pyc,,\r\n"
)
RECORD_OF_MLIMAGE = (
    b"one-1.0.dist-info/INSTALLER,sha256=xu_X9lBVO1Nw-rlosWkYOBAuRZqkgkywb4EWUPTdAso,8\r\n"
    b"one-1.0.dist-info/METADATA,,\r\none-1.0.dist-info/RECORD,,\r\n"
)


def test_how_pip_was_called_is_left_out_and_yet_its_own() -> None:
    files = files_of(RECORD)
    more = (f"{INFO}/REQUESTED", f"{INFO}/direct_url.json", f"{SITE}/one/__pycache__/a.cpython-311.pyc")
    files |= {path: file_of_bytes(path, b"", origin="pip") for path in more}
    [package], owned = installed_packages(files, library=SITE)
    assert package == Installed(name="one-two", entries=package.entries)
    assert contents(package.entries) == {
        f"{INFO}/INSTALLER": (0o644, b"mlimage\n"),
        f"{INFO}/METADATA": (0o644, METADATA),
        f"{INFO}/RECORD": (
            0o644,
            RECORD_OF_MLIMAGE,
        ),
    }
    assert owned == {*files}


def test_a_record_below_another_folder_is_no_package() -> None:
    files = files_of(b"x")
    elsewhere = {path.replace(SITE, f"{SITE}/vendored"): entry for path, entry in files.items()}
    assert installed_packages(elsewhere, library=SITE) == ((), frozenset())


NO_UTF8 = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            files_of(b"a,b\n"),
            "pip wrote a RECORD of `one-two` with a line that is none: 'a,b'",
        ),
        (
            files_of(b"one/gone.py,,\n"),
            f"pip's RECORD of `one-two` names `/{SITE}/one/gone.py`, which is not in the image",
        ),
        (
            files_of(b"../../../../../../etc/passwd,,\n"),
            "pip's RECORD of `one-two` names `/../etc/passwd`, which is not in the image",
        ),
        (
            files_of(b"\xff,,\n"),
            f"pip wrote a RECORD of `one-two` that cannot be read: {NO_UTF8}",
        ),
        (
            {path: entry for path, entry in files_of(b"").items() if not path.endswith("METADATA")},
            f"pip left no readable `/{INFO}/METADATA` in the image",
        ),
    ],
)
def test_records_that_are_wrong(files: dict[str, Entry], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        installed_packages(files, library=SITE)
    assert str(caught.value) == message
