"""Compares two images, wherever they lie and whoever made them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from packaging.utils import canonicalize_name

from mlimage.oci.contents import Package
from mlimage.oci.found import FoundImage
from mlimage.progress import SILENT, Progress
from mlimage.verify.diff.filetrees import Tree, changes, file_change, overlay_of, packages_in, settled
from mlimage.verify.diff.firstbytes import first_differences
from mlimage.verify.diff.layers import layer_changes, named_alike, pair_layers
from mlimage.verify.diff.model import ConfigChange, FileChange, Identity, ImageDiff, PackageChange
from mlimage.verify.diff.reading import Listings, Reading, missing, read, shared_layers, what_to_read

_ELSEWHERE: Final = {"config", "architecture", "os", "variant", "rootfs"}
"""Keys of a configuration that are no values of it, or stand in another part of an `ImageDiff`."""


def compare_images(
    old: FoundImage, new: FoundImage, *, deep: bool = False, progress: Progress = SILENT
) -> ImageDiff:
    """What differs between two images.

    Layers that both know by one blob digest are read only where they have a say in what differs; all others
    are read, and verified. Nothing is unpacked: an image takes some hundred bytes of memory for each entry.

    Args:
        old: the first image.
        new: the second image.
        deep: also find where the bytes of files begin to differ, for which their layers are read again.
        progress: shows what is read.

    Raises:
        BuildError: a layer is missing, damaged or hostile.
        OSError: one cannot be read.
    """
    pairs = pair_layers(old, new)
    old, new = named_alike(old, new, pairs)
    shared = shared_layers(old, new)
    listings = read(what_to_read(old, new, shared=shared), progress, "reading layers")
    files, packages = _compare_trees(old, new, listings, shared=shared, deep=deep, progress=progress)
    return ImageDiff(
        old=_identity(old),
        new=_identity(new),
        config=config_changes(old.config, new.config),
        packages=packages,
        layers=layer_changes(old, new, pairs, listings),
        files=files,
    )


def _identity(image: FoundImage) -> Identity:
    return Identity(name=image.name, digest=image.digest, image_id=image.image_id, platform=image.platform)


def _compare_trees(
    old: FoundImage, new: FoundImage, listings: Listings, *, shared: int, deep: bool, progress: Progress
) -> tuple[tuple[FileChange, ...], tuple[PackageChange, ...]]:
    first, second = (overlay_of(image, listings, shared=shared) for image in (old, new))
    if shared and not settled(first, second):
        below = Reading(listed=tuple(missing(old, listings)), checked=())
        listings = {**listings, **read(below, progress, "reading shared layers")}
        first, second = (overlay_of(image, listings) for image in (old, new))
    trees: tuple[Tree, Tree] = (dict(first.files()), dict(second.files()))
    found = changes(*trees)
    files = [file_change(change, old, new) for change in found]
    if deep:
        pairs = {number: change.sources for number, change in enumerate(found) if change.sources}
        for number, difference in first_differences(old, new, pairs, progress).items():
            files[number] = replace(files[number], bytes=difference)
    return tuple(files), package_changes(packages_in(trees[0]), packages_in(trees[1]))


def package_changes(old: Iterable[Package], new: Iterable[Package]) -> tuple[PackageChange, ...]:
    """The packages with the versions that only one side has; names of python count as pip compares them."""
    first, second = _counted(old), _counted(new)
    versions: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for side, (mine, others) in enumerate(((first, second), (second, first))):
        for kind, name, version in (mine - others).elements():
            versions.setdefault((kind, name), ([], []))[side].append(version)
    return tuple(
        PackageChange(type=kind, name=name, old=tuple(sorted(before)), new=tuple(sorted(after)))
        for (kind, name), (before, after) in sorted(versions.items())
    )


def _counted(packages: Iterable[Package]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (
            package.type,
            canonicalize_name(package.name) if package.type == "python" else package.name,
            package.version,
        )
        for package in packages
    )


def config_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[ConfigChange, ...]:
    """The values that differ, of two configurations; null, empty and missing are the same."""
    first, second = dict(_values(old)), dict(_values(new))
    return tuple(
        ConfigChange(key=key, name=name, old=first.get((key, name)), new=second.get((key, name)))
        for key, name in sorted(first.keys() | second.keys(), key=_order)
        if first.get((key, name)) != second.get((key, name))
    )


def _order(place: tuple[str, str]) -> tuple[bool, str, int, str]:
    """What containers run with before the rest; the numbers of the history as numbers."""
    key, name = place
    return not key[:1].isupper(), key, len(name) if key == "history" else 0, name


def _values(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    rootfs = config.get("rootfs")
    yield from _flat("rootfs", {**rootfs, "diff_ids": None} if isinstance(rootfs, dict) else rootfs)
    run = config.get("config")
    for key, value in {**(run if isinstance(run, dict) else {"config": run})}.items():
        yield from _flat(key, value)
    for key, value in config.items():
        if key not in _ELSEWHERE:
            yield from _flat(key, value)


def _flat(key: str, value: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """A value, or those in it by their names."""
    if key == "Env" and isinstance(value, list):
        value = dict(str(each).partition("=")[::2] for each in value)
    elif key == "history" and isinstance(value, list):
        value = {str(number): each for number, each in enumerate(value)}
    if isinstance(value, dict):
        for name, each in value.items():
            # `{"8080/tcp": {}}` says something, `"Labels": {}` does not.
            yield (key, name), each
    elif value is not None and value is not False and value not in ("", []):
        yield (key, ""), value
