"""Whether the bytes of a locked file are what its lock calls them.

A digest says which bytes, and not whose. What a lock says of them besides goes into SBOMs, provenance and the
keys of layers, so a layer is made of a file only after it was held against that.
"""

import re
from pathlib import Path
from typing import Final

from mlimage.content.deb import read_control
from mlimage.errors import FetchError, LockError
from mlimage.lock.metadata import read_metadata
from mlimage.lock.model import Deb, ImageLayer, LockedPackage

_HINT: Final = (
    "lock files are not edited by hand: restore the folder from version control, "
    "or delete it and run `mlimage lock`"
)
_MAGIC: Final = {
    re.compile(rb"\x1f\x8b"): "+gzip",
    re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"): "+zstd",
}
"""How compressed layers begin (RFC 1952; RFC 8878, which may skip frames), and how their media types end."""


def check_identity(item: Deb | LockedPackage | ImageLayer, path: Path) -> None:
    """Hold a file, whose digest is that of the lock, against what else the lock says of it.

    Raises:
        LockError: it has another size, name, version, architecture, script or compression.
        BuildError: it is no sound Debian package.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size != item.size:
        raise LockError(
            f"the lock says that {_title(item)} has {item.size} bytes, and it has {size}", hint=_HINT
        )
    match item:
        case Deb():
            _check_deb(item, path)
        case LockedPackage():
            _check_wheel(item, path)
        case ImageLayer():
            _check_layer(item, path)


def _check_deb(deb: Deb, path: Path) -> None:
    control = read_control(path)
    for what, said, found in (
        ("package", deb.name, control.package),
        ("version", deb.version, control.version),
        ("architecture", deb.architecture, control.architecture),
        ("postinst", deb.postinst or "", deb.postinst and control.script("postinst")),
    ):
        if said != (found or ""):
            raise LockError(
                f"the lock says that the {what} of {_title(deb)} is `{said}`, and it is `{found}`", hint=_HINT
            )


def _check_wheel(package: LockedPackage, path: Path) -> None:
    try:
        with path.open("rb") as stream:
            read_metadata(stream, filename=package.file)
    except FetchError as error:
        raise LockError(error.message, hint=_HINT) from error


def _check_layer(layer: ImageLayer, path: Path) -> None:
    with path.open("rb") as stream:
        begin = stream.read(4)
    packed = next((kind for magic, kind in _MAGIC.items() if magic.match(begin)), "")
    if not layer.media_type.endswith(packed or ".tar"):
        raise LockError(
            f"the lock says that {_title(layer)} is `{layer.media_type}`, and it is not", hint=_HINT
        )


def _title(item: Deb | LockedPackage | ImageLayer) -> str:
    match item:
        case Deb():
            return f"`{item.path.rpartition('/')[2]}`"
        case LockedPackage():
            return f"`{item.file}`"
        case ImageLayer():
            return f"layer {item.digest}"
