"""Which layer of one image stands for which of the other, and why two that do are not equal."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from operator import attrgetter

from mlimage.digest import Digest
from mlimage.oci.found import FoundImage
from mlimage.verify.diff.listing import Item
from mlimage.verify.diff.model import LayerChange, LayerFacts
from mlimage.verify.diff.reading import Listings

Pair = tuple[int | None, int | None]
"""Numbers of a layer of the first and of the second image that stand for each other, or of one alone."""


def pair_layers(old: FoundImage, new: FoundImage) -> tuple[Pair, ...]:
    """All layers, bottom first: equal ones found by `diff_id`, others by name, the rest by position."""
    equal = _equal(old, new)
    pairs = equal + _others(old, new, {i for i, _ in equal}, {j for _, j in equal})
    return tuple(sorted(pairs, key=lambda pair: (max(i for i in pair if i is not None), pair[0] is None)))


def named_alike(old: FoundImage, new: FoundImage, pairs: Sequence[Pair]) -> tuple[FoundImage, FoundImage]:
    """The images, where a layer without a name has that of the one that it stands for."""
    first, second = list(old.layers), list(new.layers)
    for i, j in pairs:
        if i is None or j is None:
            continue
        if second[j].named and not first[i].named:
            first[i] = replace(first[i], name=second[j].name)
        elif first[i].named and not second[j].named:
            second[j] = replace(second[j], name=first[i].name)
    return replace(old, layers=tuple(first)), replace(new, layers=tuple(second))


def layer_changes(
    old: FoundImage, new: FoundImage, pairs: Sequence[Pair], listings: Listings
) -> tuple[LayerChange, ...]:
    """What is with each pair.

    Args:
        old: the first image.
        new: the second image.
        pairs: of their layers.
        listings: of all layers that only one of them has.
    """
    equal = [
        (i, j)
        for i, j in pairs
        if i is not None and j is not None and old.layers[i].diff_id == new.layers[j].diff_id
    ]
    moved = {
        pair for pair in equal if any((pair[0] - other[0]) * (pair[1] - other[1]) < 0 for other in equal)
    }
    return tuple(_change(old, new, pair, listings, moved=pair in moved) for pair in pairs)


def _equal(old: FoundImage, new: FoundImage) -> list[tuple[int, int]]:
    places: defaultdict[Digest, list[int]] = defaultdict(list)
    for number, layer in enumerate(new.layers):
        places[layer.diff_id].append(number)
    return [
        (number, places[layer.diff_id].pop(0))
        for number, layer in enumerate(old.layers)
        if places[layer.diff_id]
    ]


def _others(old: FoundImage, new: FoundImage, first: set[int], second: set[int]) -> list[Pair]:
    left = [number for number in range(len(old.layers)) if number not in first]
    right = [number for number in range(len(new.layers)) if number not in second]
    found: list[Pair] = []
    for i in tuple(left):
        name = old.layers[i].name
        j = next(
            (j for j in right if old.layers[i].named and new.layers[j].named and new.layers[j].name == name),
            None,
        )
        if j is not None:
            found.append((i, j))
            left.remove(i)
            right.remove(j)
    by_name = all(layer.named for image in (old, new) for layer in image.layers)
    if by_name:
        return [*found, *((i, None) for i in left), *((None, j) for j in right)]
    return found + list(zip_longest(left, right))


def _change(old: FoundImage, new: FoundImage, pair: Pair, listings: Listings, *, moved: bool) -> LayerChange:
    first = _facts(old, pair[0])
    second = _facts(new, pair[1])
    if first is None or second is None:
        return LayerChange(old=first, new=second, status="removed" if second is None else "added")
    if first.diff_id == second.diff_id:
        return LayerChange(old=first, new=second, status="moved" if moved else "same")
    items, others = listings[first.diff_id], listings[second.diff_id]
    if items == others:
        return LayerChange(old=first, new=second, status="changed", reason="headers")
    same = _sorted(items) == _sorted(others)
    return LayerChange(old=first, new=second, status="changed", reason="order" if same else "entries")


def _facts(image: FoundImage, number: int | None) -> LayerFacts | None:
    if number is None:
        return None
    layer = image.layers[number]
    return LayerFacts(
        name=layer.name, position=number, diff_id=layer.diff_id, digest=layer.digest, size=layer.size
    )


def _sorted(items: Sequence[Item]) -> list[Item]:
    """In an order of their own: by path, and those of one path as they stand, for the last one counts."""
    return sorted(items, key=attrgetter("path"))
