"""Real wheels, made from a few bytes: every file recorded, times fixed; equal arguments give equal bytes."""

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

_TIME = (2020, 1, 1, 0, 0, 0)
_NONE: Mapping[str, bytes] = {}
_MODES: Mapping[str, int] = {}


def metadata_of(name: str, version: str, *, requires: Iterable[str] = (), extra: Iterable[str] = ()) -> bytes:
    """A METADATA file; `extra` are whole header lines such as `Requires-Python: >=3.9`."""
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *extra,
    ]
    return ("\n".join(lines) + "\n\n").encode()


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    requires: Iterable[str] = (),
    entry_points: str = "",
    tag: str = "py3-none-any",
    scripts: Mapping[str, bytes] = _NONE,
    data: Mapping[str, bytes] = _NONE,
    headers: Iterable[str] = (),
    executable: Iterable[str] = (),
    compress: bool = True,
) -> Path:
    """Write `name-version-tag.whl` into the folder and return its path.

    Args:
        folder: where; made when missing.
        name: as in the metadata; the file name gets its wheel form.
        version: likewise.
        files: what goes to site-packages, by path.
        requires: `Requires-Dist` lines.
        entry_points: text of entry_points.txt; no such file when empty.
        tag: compressed tag set of the file name; each of its tags is written to WHEEL.
        scripts: files of `.data/scripts`, executable.
        data: files of `.data`, by path that begins with the scheme (`data/…`, `headers/…`, `purelib/…`).
        headers: further header lines of METADATA.
        executable: paths among `files` that have the executable bit.
        compress: whether the archive is deflated.
    """
    distribution = f"{name.replace('-', '_').replace('.', '_')}-{version}"
    info = f"{distribution}.dist-info"
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    pure = "true" if platforms == ["any"] else "false"
    tags = "".join(f"Tag: {p}-{a}-{m}\n" for p in pythons for a in abis for m in platforms)
    content = {
        **files,
        **{f"{distribution}.data/scripts/{path}": script for path, script in scripts.items()},
        **{f"{distribution}.data/{path}": body for path, body in data.items()},
        f"{info}/METADATA": metadata_of(name, version, requires=requires, extra=headers),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\n{tags}\n".encode(),
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    content[f"{info}/RECORD"] = _record(content, f"{info}/RECORD")
    modes = dict.fromkeys((*executable, *(f"{distribution}.data/scripts/{path}" for path in scripts)), 0o755)
    path = folder / f"{distribution}-{tag}.whl"
    write_zip(path, content, modes=modes, compress=compress)
    return path


def write_zip(
    path: Path, content: Mapping[str, bytes], *, modes: Mapping[str, int] = _MODES, compress: bool = True
) -> None:
    """An archive with these members in this order; also for wheels that are wrong on purpose."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in content.items():
            member = zipfile.ZipInfo(name, _TIME)
            member.external_attr = (0o100000 | modes.get(name, 0o644)) << 16
            member.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            archive.writestr(member, body)


def _record(content: Mapping[str, bytes], own: str) -> bytes:
    lines = []
    for name, body in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
        quoted = '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name
        lines.append(f"{quoted},sha256={digest},{len(body)}")
    return ("\n".join([*lines, f"{own},,"]) + "\n").encode()
