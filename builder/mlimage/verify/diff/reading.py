"""Which layers of two images have to be read to compare them, and reading those."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from mlimage import parallel
from mlimage.digest import Digest
from mlimage.oci.found import FoundImage, FoundLayer
from mlimage.progress import Progress
from mlimage.verify.diff.listing import Item, check_layer, read_listing

_T = TypeVar("_T")
Listings = Mapping[Digest, tuple[Item, ...]]
"""The entries of layers by their `diff_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Layers to read.

    Attributes:
        listed: those whose entries are needed; one for each `diff_id`.
        checked: those that are only held against their digests.
    """

    listed: tuple[FoundLayer, ...]
    checked: tuple[FoundLayer, ...]


def shared_layers(old: FoundImage, new: FoundImage) -> int:
    """How many layers at the bottom are equal, by what the configurations say."""
    count = 0
    for first, second in zip(old.layers, new.layers, strict=False):
        if first.diff_id != second.diff_id:
            break
        count += 1
    return count


def what_to_read(old: FoundImage, new: FoundImage, *, shared: int) -> Reading:
    """The layers that must be read to know what differs above the `shared` ones at the bottom.

    An image may say of a layer what is not so. Those that both images know by the digest of one blob are
    equal whatever is in them; all others are read, and so verified, before they count as equal.
    """
    listed: dict[Digest, FoundLayer] = {}
    for layer in (*old.layers[shared:], *new.layers[shared:]):
        listed.setdefault(layer.diff_id, layer)
    vouched = {(layer.diff_id, layer.digest) for layer in old.layers if layer.digest} & {
        (layer.diff_id, layer.digest) for layer in new.layers
    }
    checked: list[FoundLayer] = []
    seen = {(layer.diff_id, layer.digest) for layer in listed.values() if layer.digest} | vouched
    for image in (old, new):
        for layer in image.layers:
            if (layer.diff_id, layer.digest) in seen or listed.get(layer.diff_id) is layer:
                continue
            if layer.digest:
                seen.add((layer.diff_id, layer.digest))
            checked.append(layer)
    return Reading(listed=tuple(listed.values()), checked=tuple(checked))


def read(reading: Reading, progress: Progress, what: str) -> dict[Digest, tuple[Item, ...]]:
    """Read layers, all cores at once; raises `BuildError` for the first that is missing or damaged."""
    layers = (*reading.listed, *reading.checked)
    with progress.task(what, total=sum(layer.size for layer in layers), unit="bytes") as task:
        lists = at_once(
            [
                *(partial(read_listing, layer, task.advance) for layer in reading.listed),
                *(partial(_checked, layer, task.advance) for layer in reading.checked),
            ]
        )
    return {layer.diff_id: items for layer, items in zip(reading.listed, lists, strict=False)}


def _checked(layer: FoundLayer, advance: Callable[[int], None]) -> tuple[Item, ...]:
    check_layer(layer, advance)
    return ()


def at_once(work: Sequence[Callable[[], _T]]) -> list[_T]:
    """What each piece of work gives, done on all cores; when one fails, what has not begun is left."""
    return list(parallel.at_once(lambda each: each(), work, threads=len(os.sched_getaffinity(0))))


def missing(image: FoundImage, listings: Listings) -> Iterable[FoundLayer]:
    """The layers whose entries are not known yet, each once."""
    return {layer.diff_id: layer for layer in image.layers if layer.diff_id not in listings}.values()
