"""Makes Debian packages, sound ones and others, without Debian's tools."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

PACK: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def member(
    name: str,
    content: bytes = b"",
    *,
    mode: int = 0o644,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    uid: int = 0,
    gid: int = 0,
) -> tuple[tarfile.TarInfo, bytes]:
    """An entry of a tar, with any name and kind."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type, info.linkname, info.uid, info.gid = (
        len(content),
        mode,
        kind,
        target,
        uid,
        gid,
    )
    return info, content


def folder(name: str, *, mode: int = 0o755, gid: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    """A folder."""
    return member(name, mode=mode, kind=tarfile.DIRTYPE, gid=gid)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic link."""
    return member(name, mode=0o777, kind=tarfile.SYMTYPE, target=target)


def tar_of(members: Iterable[tuple[tarfile.TarInfo, bytes]], *, form: int = tarfile.GNU_FORMAT) -> bytes:
    """The bytes of a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def ar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    """The bytes of an `ar` archive."""
    parts = [b"!<arch>\n"]
    for name, content in members:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        parts += [header.encode(), content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


def control_of(package: str = "sample", version: str = "1.0-1", **fields: str) -> str:
    """A control paragraph; names of fields have `_` for `-`."""
    given = {
        "Package": package,
        "Version": version,
        "Architecture": "amd64",
        "Installed_Size": "10",
        **fields,
    }
    return "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in given.items() if value)


def deb_bytes(
    members: Iterable[tuple[tarfile.TarInfo, bytes]] = (),
    *,
    control: str | None = None,
    scripts: Mapping[str, str] | None = None,
    packing: str = ".xz",
) -> bytes:
    """The bytes of a package with these files and scripts."""
    parts = [member("./control", (control_of() if control is None else control).encode())]
    parts += [member(f"./{name}", text.encode(), mode=0o755) for name, text in (scripts or {}).items()]
    return ar_of(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{packing}", PACK[packing](tar_of(parts))),
            (f"data.tar{packing}", PACK[packing](tar_of([folder("./"), *members]))),
        ]
    )


def write_deb(
    where: Path,
    members: Iterable[tuple[tarfile.TarInfo, bytes]] = (),
    *,
    package: str = "sample",
    version: str = "1.0-1",
    architecture: str = "amd64",
    scripts: Mapping[str, str] | None = None,
) -> Path:
    """A package as a file in the folder `where`."""
    path = where / f"{package}_{version}_{architecture}.deb"
    control = control_of(package, version, Architecture=architecture)
    path.write_bytes(deb_bytes(members, control=control, scripts=scripts))
    return path
