"""What may become of images, as the order in which their numbers stand then. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COLOURS = 3
_CHANNELS = (1, _COLOURS, 4)
"""Of grey, of colours, and of colours with transparency."""


class Layout(NamedTuple):
    """How the numbers of an image lie.

    Attributes:
        height: rows.
        width: columns.
        channels: numbers of a pixel.
        first: whether the whole image of one channel comes after that of another, and not pixel after pixel.
    """

    height: int
    width: int
    channels: int
    first: bool

    @property
    def is_plane(self) -> bool:
        """Whether it has rows and columns."""
        return self.height > 1 and self.width > 1

    @property
    def is_square(self) -> bool:
        """Whether it has as many rows as columns."""
        return self.is_plane and self.height == self.width

    def place(self, channel: int, y: int, x: int) -> int:
        """Where a number lies."""
        if self.first:
            return (channel * self.height + y) * self.width + x
        return (y * self.width + x) * self.channels + channel

    def order(self, source: Source) -> list[int]:
        """For each place the one that its number comes from."""
        order = [0] * (self.channels * self.height * self.width)
        for channel in range(self.channels):
            for y in range(self.height):
                for x in range(self.width):
                    order[self.place(channel, y, x)] = self.place(*source(self, channel, y, x))
        return order


Source = Callable[[Layout, int, int, int], tuple[int, int, int]]
"""Where the number of a channel at y and x comes from."""

_CHANGES: tuple[tuple[str, Callable[[Layout], bool], Source], ...] = (
    (
        "the three channels stand in reverse order",
        lambda at: at.channels == 3,
        lambda _, channel, y, x: (2 - channel, y, x),
    ),
    (
        "the first three channels stand in reverse order",
        lambda at: at.channels == 4,
        lambda _, channel, y, x: (2 - channel if channel < 3 else channel, y, x),
    ),
    ("images of {} are transposed", lambda at: at.is_square, lambda _, channel, y, x: (channel, x, y)),
    (
        "images of {} are mirrored",
        lambda at: at.is_plane,
        lambda at, channel, y, x: (channel, y, at.width - 1 - x),
    ),
    (
        "images of {} are upside down",
        lambda at: at.is_plane,
        lambda at, channel, y, x: (channel, at.height - 1 - y, x),
    ),
    (
        "images of {} are turned by half",
        lambda at: at.is_plane,
        lambda at, channel, y, x: (channel, at.height - 1 - y, at.width - 1 - x),
    ),
    (
        "images of {} are turned to the left",
        lambda at: at.is_square,
        lambda at, channel, y, x: (channel, x, at.width - 1 - y),
    ),
    (
        "images of {} are turned to the right",
        lambda at: at.is_square,
        lambda at, channel, y, x: (channel, at.height - 1 - x, y),
    ),
)


def changes(shape: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """What may have become of samples of that shape, in words, and for each place the one it comes from.

    Args:
        shape: of a sample. One axis may be a flattened square image.
    """
    for layout in _layouts(shape):
        for words, fits, source in _CHANGES:
            if fits(layout):
                yield words.format(f"{layout.height} x {layout.width}"), layout.order(source)


def _layouts(shape: Sequence[int]) -> Iterator[Layout]:
    if len(shape) == 1:
        yield from _flat_layouts(shape[0])
    elif len(shape) == 2 and shape[1] in _CHANNELS:
        # Of an image that is no batch, a sample is a line of pixels.
        yield Layout(1, shape[0], shape[1], first=False)
    elif len(shape) == 2:
        yield Layout(shape[0], shape[1], 1, first=True)
    elif len(shape) == 3:
        if shape[0] in _CHANNELS:
            yield Layout(shape[1], shape[2], shape[0], first=True)
        if shape[2] in _CHANNELS:
            yield Layout(shape[0], shape[1], shape[2], first=False)


def _flat_layouts(size: int) -> Iterator[Layout]:
    """Square images that have so many numbers; those of colours that are not stand as a line of pixels."""
    side = math.isqrt(size)
    if side > 2 and side * side == size:  # of four columns two are rather swapped
        yield Layout(side, side, 1, first=True)
    pixels, rest = divmod(size, _COLOURS)
    if pixels > 1 and not rest:
        side = math.isqrt(pixels)
        height, width = (side, side) if side * side == pixels else (1, pixels)
        yield Layout(height, width, _COLOURS, first=False)
        yield Layout(height, width, _COLOURS, first=True)
