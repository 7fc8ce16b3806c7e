"""Reads the tables of lock files; every value is checked."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.errors import LockError
from mlimage.lock.filenames import names_deb, names_wheel
from mlimage.lock.model import (
    AssembledBase,
    BaseLock,
    Deb,
    ImageBase,
    ImageLayer,
    Installation,
    Lock,
    LockedPackage,
    Wanted,
    WantedImage,
    WantedIndex,
)
from mlimage.lock.toml import Table
from mlimage.lock.writer import FORMAT
from mlimage.platforms import Platform

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z")
_POOL: Final = re.compile(r"[A-Za-z0-9+_~%:][A-Za-z0-9.+_~%:-]*(/[A-Za-z0-9+_~%:][A-Za-z0-9.+_~%:-]*)+\Z")
_REPOSITORY: Final = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*\Z")
_MEDIA_TYPE: Final = re.compile(r"application/vnd\.oci\.image\.layer\.v1\.tar(\+gzip|\+zstd)?\Z")
_PROGRAM: Final = re.compile(r"[^/\0-\x1f]+(/[^/\0-\x1f]+)*/bin/[^/\0-\x1f]+\Z")
_FOLDER: Final = re.compile(r"[^/\0-\x1f]+(/[^/\0-\x1f]+)*\Z")
_FULL_VERSION: Final = re.compile(r"3\.[0-9]+\.[0-9]+([a-z+.0-9]*)\Z")
_GLIBC: Final = re.compile(r"[0-9]+\.[0-9.]+\Z")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl\Z")


def check_format(root: Table) -> None:
    """Raise `LockError` for a file of another format."""
    number = root.whole("format")
    if number != FORMAT:
        raise LockError(
            f"this lock has format {number}, and this mlimage reads format {FORMAT}",
            hint="use the version of mlimage that wrote it, or lock anew",
        )


def parse_base(root: Table) -> BaseLock:
    """The base; raises `LockError` for a value that cannot be."""
    check_format(root)
    base = _parse_image(root) if root.has("reference") else _parse_assembled(root)
    root.done()
    _ordered(root, [deb.name for deb in base.debs])
    return base


def _parse_assembled(root: Table) -> AssembledBase:
    platform = _platform(root)
    return AssembledBase(
        suite=root.text("suite"),
        platform=platform,
        python=root.text("python"),
        packages=root.texts("packages"),
        debs=tuple(_parse_deb(item, platform) for item in root.tables("deb")),
    )


def _parse_image(root: Table) -> ImageBase:
    platform = _platform(root)
    return ImageBase(
        reference=root.digest("reference"),
        repository=_matching(root, "repository", _REPOSITORY, "the path of an image in a registry"),
        index=root.digest("index"),
        manifest=root.digest("manifest"),
        config=root.digest("config"),
        platform=platform,
        python=root.text("python"),
        installation=_parse_installation(root.table("installation")),
        env=_parse_env(root),
        layers=tuple(_parse_layer(item) for item in root.tables("layer")),
        packages=root.texts("packages"),
        debs=tuple(_parse_deb(item, platform) for item in root.tables("deb")),
    )


def _parse_installation(item: Table) -> Installation:
    installation = Installation(
        version=_matching(item, "version", _FULL_VERSION, "a full version of python"),
        program=_matching(item, "program", _PROGRAM, "the path of a program in the image"),
        glibc=_matching(item, "glibc", _GLIBC, "a version of glibc"),
        library=_matching(item, "library", _FOLDER, "the path of a folder in the image"),
        bytecode=item.flag("bytecode"),
    )
    item.done()
    return installation


def _parse_env(root: Table) -> tuple[tuple[str, str], ...]:
    parts = [text.partition("=") for text in root.texts("env")]
    if not all(name and equals for name, equals, _ in parts):
        raise root.error("`env` must be a list of `NAME=VALUE`", "env")
    return tuple((name, value) for name, _, value in parts)


def _parse_layer(item: Table) -> ImageLayer:
    layer = ImageLayer(
        media_type=_matching(item, "media_type", _MEDIA_TYPE, "the media type of an OCI layer"),
        digest=item.digest("digest"),
        size=item.whole("size"),
        diff_id=item.digest("diff_id"),
    )
    item.done()
    return layer


def _parse_deb(item: Table, platform: Platform) -> Deb:
    deb = Deb(
        name=_matching(item, "name", re.compile(r"[a-z0-9][a-z0-9+.-]+\Z"), "a Debian package's name"),
        version=_matching(item, "version", re.compile(r"[0-9][A-Za-z0-9.+:~-]*\Z"), "a Debian version"),
        architecture=_matching(item, "architecture", _NAME, "an architecture"),
        archive=_matching(item, "archive", _NAME, "an archive's name"),
        path=_matching(item, "path", _POOL, "a path in the archive's pool"),
        size=item.whole("size"),
        sha256=item.digest("sha256"),
        postinst=item.optional_digest("postinst"),
    )
    item.done()
    if not names_deb(deb.path, deb.name, deb.version, deb.architecture):
        raise item.error(f"`path` does not match `{deb.name}` {deb.version} for {deb.architecture}", "path")
    if deb.architecture not in ("all", platform.debian):
        raise item.error(
            f"`{deb.name}` is for {deb.architecture}, and the base for {platform}", "architecture"
        )
    return deb


def parse_variant(root: Table, base: BaseLock) -> Lock:
    """One variant's lock on its base; raises `LockError` for a value that cannot be."""
    image, variant = root.text("image"), root.text("variant")
    recorded = root.digest("inputs")
    as_of = root.instant("as_of")
    tools = tuple(sorted(root.table("tools").rest().items()))
    wanted = _parse_wanted(root.table("wanted"))
    packages = tuple(_parse_package(item) for item in root.tables("package"))
    root.done()
    _ordered(root, [package.name for package in packages])
    if wanted.digest != recorded:
        raise root.error("`inputs` is not the digest of the table `wanted`", "inputs")
    return Lock(
        image=image, variant=variant, base=base, packages=packages, wanted=wanted, as_of=as_of, tools=tools
    )


def _parse_wanted(item: Table) -> Wanted:
    wanted = Wanted(
        python=item.text("python"),
        platform=_platform(item),
        suite=None if item.has("image") else item.text("suite"),
        packages=item.texts("packages"),
        requirements=item.texts("requirements"),
        split=item.has("split") and item.flag("split"),
        indexes=tuple(_parse_index(index) for index in item.tables("index")),
        image=_parse_wanted_image(item.table("image")) if item.has("image") else None,
    )
    item.done()
    return wanted


def _parse_wanted_image(item: Table) -> WantedImage:
    image = WantedImage(reference=item.digest("reference"), name=item.text("name"))
    item.done()
    return image


def _parse_index(item: Table) -> WantedIndex:
    index = WantedIndex(name=item.text("name"), url=item.digest("url"), packages=item.texts("packages"))
    item.done()
    return index


def _parse_package(item: Table) -> LockedPackage:
    name = item.text("name")
    if name != canonicalize_name(name) or not _NAME.match(name):
        raise item.error("`name` must be a normalized package name", "name")
    try:
        version = Version(item.text("version"))
    except ValueError as error:
        raise item.error("`version` must be a version", "version") from error
    sha256 = item.digest("sha256")
    package = LockedPackage(
        name=name,
        version=version,
        index=_matching(item, "index", re.compile(r"[^/\s:@]+\Z"), "an index's name"),
        file=_matching(item, "file", _FILE, "a wheel's file name"),
        size=item.whole("size"),
        sha256=sha256,
        hashes=tuple(sorted({sha256, *item.digests("other_files")})),
        required_by=item.texts("required_by"),
        license=item.text("license") if item.has("license") else "",
    )
    item.done()
    if not names_wheel(package.file, name, version):
        raise item.error(f"`file` does not match `{name}` {version}", "file")
    return package


def _ordered(root: Table, names: Sequence[str]) -> None:
    for before, name in pairwise(names):
        if before >= name:
            raise root.error(f"`{name}` stands after `{before}`: packages are listed once, in order")


def _platform(item: Table) -> Platform:
    try:
        return Platform.parse(item.text("platform"))
    except ValueError as error:
        raise item.error(str(error), "platform") from error


def _matching(item: Table, key: str, form: re.Pattern[str], what: str) -> str:
    value = item.text(key)
    if not form.match(value) or ".." in value.split("/"):
        raise item.error(f"`{key}` must be {what}", key)
    return value
