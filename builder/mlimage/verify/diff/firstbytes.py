"""Where the bytes of files begin to differ, found in little memory by reading their layers twice.

Two files of different layers are never read beside each other, for they stand anywhere in these: the first
reading keeps a digest of each block, the second the one block in which they differ.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from mlimage.errors import BuildError
from mlimage.oci.found import FoundImage, FoundLayer, open_tar
from mlimage.oci.untar import TarError, TarReader
from mlimage.progress import Progress
from mlimage.verify.diff.filetrees import Sources
from mlimage.verify.diff.model import ByteDifference
from mlimage.verify.diff.reading import at_once

_BLOCK: Final = 4096
_DIGEST: Final = 16
_ROW: Final = 16
_SAMPLE: Final = 2 * _ROW
_T = TypeVar("_T")
_Place = tuple[int, int, int]
"""(0 for the first image and 1 for the second, number of a layer, number of an entry in it)."""


def first_differences(
    old: FoundImage, new: FoundImage, pairs: Mapping[int, Sources], progress: Progress
) -> dict[int, ByteDifference]:
    """The first difference of each pair of files, under the key of the pair.

    Raises:
        BuildError: a layer is damaged, or not any more what it was.
        OSError: one cannot be read.
    """
    places = {key: ((0, *first), (1, *second)) for key, (first, second) in pairs.items()}
    digests = _visit(
        (old, new),
        {place: _digests for each in places.values() for place in each},
        progress,
        "comparing files",
    )
    numbers = {
        key: _first(digests[first], digests[second], _DIGEST) // _DIGEST
        for key, (first, second) in places.items()
    }
    wanted: defaultdict[_Place, set[int]] = defaultdict(set)
    for key, each in places.items():
        for place in each:
            wanted[place].add(numbers[key])
    blocks = _visit(
        (old, new),
        {place: partial(_chosen, wanted=numbers) for place, numbers in wanted.items()},
        progress,
        "reading what differs",
    )
    return {
        key: _difference(numbers[key], blocks[first][numbers[key]], blocks[second][numbers[key]])
        for key, (first, second) in places.items()
    }


def _visit(
    images: tuple[FoundImage, FoundImage],
    readers: Mapping[_Place, Callable[[Iterable[bytes]], _T]],
    progress: Progress,
    what: str,
) -> dict[_Place, _T]:
    """What the readers make of the blocks of their entries."""
    layers: defaultdict[tuple[int, int], dict[int, Callable[[Iterable[bytes]], _T]]] = defaultdict(dict)
    for (side, number, index), reader in readers.items():
        layers[side, number][index] = reader
    found: dict[_Place, _T] = {}
    total = sum(images[side].layers[number].size for side, number in layers)
    with progress.task(what, total=total, unit="bytes") as task:
        results = at_once(
            [
                partial(_entries, images[side].layers[number], entries, task.advance)
                for (side, number), entries in layers.items()
            ]
        )
    for (side, number), result in zip(layers, results, strict=True):
        found.update({(side, number, index): value for index, value in result.items()})
    return found


def _entries(
    layer: FoundLayer, readers: Mapping[int, Callable[[Iterable[bytes]], _T]], advance: Callable[[int], None]
) -> dict[int, _T]:
    found = {}
    with open_tar(layer, advance) as stream:
        reader = TarReader(stream)
        try:
            for index, _ in enumerate(reader):
                stream.tell()
                if index in readers:
                    found[index] = readers[index](_blocks(reader.content()))
        except TarError as error:
            raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
        stream.finish()
    return found


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, of which the last may be shorter."""
    rest = b""
    for piece in pieces:
        whole = rest + piece
        end = len(whole) - len(whole) % _BLOCK
        for at in range(0, end, _BLOCK):
            yield whole[at : at + _BLOCK]
        rest = whole[end:]
    if rest:
        yield rest


def _digests(blocks: Iterable[bytes]) -> bytes:
    return b"".join(hashlib.blake2b(block, digest_size=_DIGEST).digest() for block in blocks)


def _chosen(blocks: Iterable[bytes], *, wanted: set[int]) -> dict[int, bytes]:
    """The blocks with these numbers; one behind the end is empty."""
    return dict.fromkeys(wanted, b"") | {
        number: block for number, block in enumerate(blocks) if number in wanted
    }


def _first(one: bytes, other: bytes, step: int) -> int:
    """Where the first of the steps that differ begins; the end of the shorter one if that is all."""
    shorter = min(len(one), len(other))
    return next(
        (at for at in range(0, shorter, step) if one[at : at + step] != other[at : at + step]), shorter
    )


def _difference(number: int, old: bytes, new: bytes) -> ByteDifference:
    first = _first(old, new, 1)
    end = next(
        (at for at in range(first, min(len(old), len(new))) if old[at] == new[at]), max(len(old), len(new))
    )
    at = first - first % _ROW
    base = number * _BLOCK
    return ByteDifference(
        offset=base + first,
        end=base + end,
        at=base + at,
        old=old[at : at + _SAMPLE],
        new=new[at : at + _SAMPLE],
    )
