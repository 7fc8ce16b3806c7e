"""What is in a layer: its packages, found where package managers of an image look for them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from os import sched_getaffinity
from typing import Final, Literal

from mlimage.errors import BuildError
from mlimage.oci.found import FoundImage, FoundLayer, open_tar
from mlimage.oci.untar import MemberKind, TarError, TarReader
from mlimage.parallel import at_once

_WHEEL: Final = re.compile(r"(?:^|/)(?:site|dist)-packages/[^/]+\.dist-info/METADATA\Z")
_DEB: Final = re.compile(r"(?:^|/)var/lib/dpkg/(?:status|status\.d/[^/]+(?<!\.md5sums))\Z")
MAX_RECORD: Final = 32 << 20
"""Bytes of the largest record of packages that is read; Debian's status of 5,000 packages has a sixth."""
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """A package that an image says it has."""

    type: Literal["deb", "python"]
    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a layer.

    Attributes:
        files: how many files (and links, but not folders).
        size: bytes of the tar.
        packages: by type and name.
    """

    files: int
    size: int
    packages: tuple[Package, ...]


def image_contents(image: FoundImage, advance: Callable[[int], None]) -> tuple[Contents, ...]:
    """The contents of each layer, bottom first; reads them all, each verified, all cores at once.

    Args:
        image: which.
        advance: is told how many stored bytes were read.

    Raises:
        BuildError: a layer is missing or damaged.
    """
    cores = len(sched_getaffinity(0))
    return tuple(at_once(lambda layer: layer_contents(layer, advance), image.layers, threads=cores))


def layer_contents(layer: FoundLayer, advance: Callable[[int], None] = lambda _: None) -> Contents:
    """The contents of one layer; raises `BuildError` when it is missing or damaged."""
    files = 0
    packages: list[Package] = []
    with open_tar(layer, advance) as stream:
        reader = TarReader(stream)
        try:
            for member in reader:
                files += member.kind is not MemberKind.DIRECTORY
                if member.kind is not MemberKind.FILE or not 0 < member.size <= MAX_RECORD:
                    continue
                packages += packages_of(member.path, reader.content)
        except TarError as error:
            stream.finish()  # whose error is the truer one
            raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
        stream.finish()
    return Contents(files=files, size=stream.done, packages=tuple(sorted(set(packages))))


def packages_of(path: str, content: Callable[[], Iterable[bytes]]) -> list[Package]:
    """The packages that a file tells of; `content` is asked only where its path is that of such a record."""
    if path.endswith("METADATA") and _WHEEL.search(path):
        return _python(b"".join(content()))
    if "var/lib/dpkg/status" in path and _DEB.search(path):
        return _debs(b"".join(content()))
    return []


def _python(metadata: bytes) -> list[Package]:
    headers = BytesHeaderParser().parsebytes(_END_OF_HEADERS.split(metadata, maxsplit=1)[0])
    name, version = headers.get("Name"), headers.get("Version")
    return [Package(type="python", name=str(name), version=str(version))] if name and version else []


def _debs(status: bytes) -> list[Package]:
    found = []
    for paragraph in re.split(rb"\n[ \t]*\n", status):
        fields = dict(
            line.split(b":", 1)
            for line in paragraph.splitlines()
            if line.startswith((b"Package:", b"Version:", b"Status:"))
        )
        state = fields.get(b"Status", b" installed").split()[-1:]
        if b"Package" in fields and b"Version" in fields and state == [b"installed"]:
            name, version = (fields[key].strip().decode(errors="replace") for key in (b"Package", b"Version"))
            found.append(Package(type="deb", name=name, version=version))
    return found
