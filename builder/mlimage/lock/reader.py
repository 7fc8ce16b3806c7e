"""Reads the tables of lock files; every value is checked."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlimage.errors import LockError
from mlimage.lock.model import BaseLock, Deb, Lock, LockedPackage, Wanted, WantedIndex
from mlimage.lock.toml import Table
from mlimage.lock.writer import FORMAT
from mlimage.platforms import Platform

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?\Z")
_POOL: Final = re.compile(r"[A-Za-z0-9+_~%:][A-Za-z0-9.+_~%:-]*(/[A-Za-z0-9+_~%:][A-Za-z0-9.+_~%:-]*)+\Z")
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
    base = BaseLock(
        suite=root.text("suite"),
        platform=_platform(root),
        python=root.text("python"),
        packages=root.texts("packages"),
        debs=tuple(_parse_deb(item) for item in root.tables("deb")),
    )
    root.done()
    _ordered(root, [deb.name for deb in base.debs])
    return base


def _parse_deb(item: Table) -> Deb:
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
        suite=item.text("suite"),
        packages=item.texts("packages"),
        requirements=item.texts("requirements"),
        indexes=tuple(_parse_index(index) for index in item.tables("index")),
    )
    item.done()
    return wanted


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
    except InvalidVersion as error:
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
    )
    item.done()
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
