"""What the real pip writes when it installs a wheel, to compare with what mlimage writes."""

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from mlimage.content.entry import Kind, arrange
from mlimage.content.wheel import wheel_entries

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"opt/venv/lib/python{PYTHON}/site-packages"

_INSTALLER = re.compile(re.escape(SITE) + r"/[^/]+\.dist-info/INSTALLER")
_EMPTY = ("", "/venv", "/venv/bin", "/venv/include", "/venv/lib", f"/venv/lib/python{PYTHON}")


@dataclass(frozen=True, slots=True)
class File:
    """Mode and bytes of an installed file."""

    mode: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Tree:
    """What an installation added: files by path, and folders with their modes."""

    files: dict[str, File]
    folders: dict[str, int]


def installed_by_pip(wheel: Path, root: Path) -> Tree:
    """Install the wheel into a new venv at `root/opt/venv` by `pip install --no-compile --no-deps`.

    Only what must differ is changed:

    - the venv lies at `/opt/venv`, so launchers and scripts begin with `#!/opt/venv/bin/python`;
    - INSTALLER says `mlimage`, and there is no REQUESTED (pip's mark of what was named on its command line);
    - RECORD has the hashes of these, and no line for REQUESTED.
    """
    prefix = root / "opt" / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=True).create(prefix)
    before = _snapshot(root)
    name, version = parse_wheel_filename(wheel.name)[:2]
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(prefix / "bin" / "python")),
            *("install", "--quiet", "--no-compile", "--no-deps", "--no-index", "--no-warn-script-location"),
            *("--disable-pip-version-check", "--find-links", str(wheel.parent), f"{name}=={version}"),
        ],
        check=True,
        umask=0o022,
    )
    after = _snapshot(root)
    files = {path: file for path, file in after.files.items() if path not in before.files}
    folders = {path: mode for path, mode in after.folders.items() if path not in before.folders}
    assert before.files.items() <= after.files.items(), "pip changed the venv itself"
    return Tree(files=_as_in_the_image(files, prefix), folders=folders)


def installed_by_mlimage(wheel: Path, *, but: Tree) -> Tree:
    """The same by mlimage; of the folders those that the other has not found in the empty venv."""
    files = {}
    folders = {}
    for entry in arrange(wheel_entries(wheel, python=PYTHON, origin=wheel.name)):
        if entry.kind is Kind.DIRECTORY:
            folders[entry.path] = entry.mode
            continue
        assert entry.open is not None
        with entry.open() as stream:
            files[entry.path] = File(entry.mode, stream.read())
        assert len(files[entry.path].content) == entry.size
    empty = {SITE, *(f"opt{folder}" for folder in _EMPTY)}
    kept = {path: mode for path, mode in folders.items() if path in but.folders or path not in empty}
    return Tree(files=files, folders=kept)


def _snapshot(root: Path) -> Tree:
    files = {}
    folders = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            continue
        name = path.relative_to(root).as_posix()
        mode = path.stat().st_mode & 0o7777
        if path.is_dir():
            folders[name] = mode
        else:
            files[name] = File(mode, path.read_bytes())
    return Tree(files=files, folders=folders)


def _as_in_the_image(files: dict[str, File], prefix: Path) -> dict[str, File]:
    changed = dict(files)
    (info,) = {path.removesuffix("/INSTALLER") for path in files if _INSTALLER.fullmatch(path)}
    requested = f"{info}/REQUESTED"
    del changed[requested]
    changed[f"{info}/INSTALLER"] = File(files[f"{info}/INSTALLER"].mode, b"mlimage\n")
    assert files[f"{info}/INSTALLER"].content == b"pip\n"
    shebang = f"#!{prefix}/bin/python\n".encode()
    for path, file in files.items():
        if path.startswith("opt/venv/bin/") and file.content.startswith(shebang):
            changed[path] = File(file.mode, b"#!/opt/venv/bin/python\n" + file.content.removeprefix(shebang))
    rows = []
    for row in csv.reader(io.StringIO(files[f"{info}/RECORD"].content.decode(), newline="")):
        path = (
            f"opt/venv/{row[0].removeprefix('../../../')}" if row[0].startswith("../") else f"{SITE}/{row[0]}"
        )
        if path == requested:
            continue
        if path in changed and changed[path] != files[path]:
            digest = hashlib.sha256(changed[path].content).digest()
            row[1] = f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
            row[2] = str(len(changed[path].content))
        rows.append(row)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(sorted(rows))
    changed[f"{info}/RECORD"] = File(files[f"{info}/RECORD"].mode, text.getvalue().encode())
    return changed
