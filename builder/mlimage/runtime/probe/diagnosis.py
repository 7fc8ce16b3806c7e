"""The diagnosis matrix: each cause flips operations that no other cause flips, so their pattern names it.

Measured by switching each cause on its own, by the libraries' own switches, on one machine. Pure.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.causes import CAUSES, Cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Pattern(NamedTuple):
    """What a cause does to the operations.

    Attributes:
        cause: its id in the catalogue.
        signs: any one of these differs by no other cause of this table.
        also: these follow; alone they do not name it, unless `alone`.
        alone: whether what no other cause explains is laid to this one, if it is in `also`.
    """

    cause: str
    signs: tuple[str, ...]
    also: tuple[str, ...] = ()
    alone: bool = False


MATRIX = (
    Pattern("B13", ("canary.denormal",)),
    Pattern("D3", ("canary.set",)),
    Pattern("C4", ("torch.tf32.*", "cuda.tf32.*"), ("cuda.*",)),
    Pattern("C7", ("cuda.*",)),
    Pattern(
        "A6",
        ("libm.*",),
        ("numpy.sin.float64", "numpy.power.*", "numpy.normal.*", "sklearn.logistic", "sklearn.boosting"),
    ),
    Pattern(
        "B1",
        ("numpy.exp.*", "numpy.log1p.*", "numpy.cbrt.*", "numpy.arctan.*", "numpy.tanh.*"),
        (
            "numpy.power.*",
            "numpy.softmax.*",
            "numpy.sum.*",
            "numpy.sin.*",
            "numpy.argsort.ties",
            "numpy.rfft.*",
            *("sklearn.logistic", "sklearn.boosting", "sklearn.svc"),
        ),
    ),
    Pattern("B2", ("numpy.argsort.ties", "torch.argsort.ties")),
    Pattern(
        "B3",
        ("numpy.gemm.float32.small", "numpy.gemv.*", "numpy.svd.*", "numpy.eigh.*", "numpy.lstsq.*"),
        ("numpy.gemm.float32", "numpy.dot.*", "numpy.inv.*", "sklearn.*"),
    ),
    Pattern(
        "B4",
        ("torch.mm.64", "torch.mm.160", "torch.linear.*", "torch.bmm", "torch.solve.*", "torch.svdvals"),
        (
            *("torch.dot", "torch.exp", "torch.erf", "torch.logsumexp", "torch.rfft", "torch.attention"),
            *("torch.lstm", "torch.transformer.*", "torch.cnn.*", "torch.training"),
        ),
    ),
    Pattern(
        "B5",
        ("torch.softmax", "torch.sigmoid", "torch.layernorm", "torch.randn*"),
        ("torch.attention", "torch.transformer.*", "torch.lstm", "torch.training"),
    ),
    Pattern(
        "B6",
        ("torch.gelu", "torch.conv1d", "torch.conv2d*", "torch.mm.bfloat16"),
        ("torch.lstm", "torch.cnn.*", "torch.training"),
    ),
    Pattern("B7", ("onnxruntime.*",)),
    Pattern("B8", ("tensorflow.*",)),
    Pattern("A7", ("jax.*",)),
    Pattern("D5", ("numpy.permutation", "torch.randperm", "torch.bernoulli")),
    Pattern(
        "B11",
        ("torch.sum",),
        ("torch.dot", "torch.training", "numpy.gemm.float32", "numpy.inv.*", "numpy.dot.*", "sklearn.*"),
        alone=True,
    ),
)
"""Earlier lines explain first: what is in the `also` of one that was found names nothing more."""


class Finding(NamedTuple):
    """A cause that was found, and the operations that it explains."""

    cause: Cause
    operations: tuple[str, ...]


def diagnose(
    differing: Iterable[str], *, faults: Iterable[str] = (), other_versions: Mapping[str, str] | None = None
) -> list[Finding]:
    """The causes of a pattern, in the order of the table.

    Args:
        differing: names of the operations that are not bitwise equal.
        faults: those of them that are too far apart for any rounding.
        other_versions: by group, the cause that its software gives: all of the group is laid to it.
    """
    open_ones = list(dict.fromkeys(differing))
    found: list[Finding] = []

    def settle(cause: str, explained: Iterable[str]) -> None:
        names = tuple(name for name in explained if name in open_ones)
        if names:
            found.append(Finding(CAUSES[cause], names))
            open_ones[:] = [name for name in open_ones if name not in names]

    settle("FAULT", list(faults))
    for cause in dict.fromkeys((other_versions or {}).values()):
        groups = {group for group, its in (other_versions or {}).items() if its == cause}
        settle(cause, [name for name in open_ones if name.partition(".")[0] in groups])
    whole = tuple(open_ones)
    for pattern in MATRIX:
        if _among(open_ones, pattern.signs):
            explained = _among(whole, (*pattern.signs, *pattern.also))
            settle(pattern.cause, explained)
    for pattern in MATRIX:
        if pattern.alone:
            settle(pattern.cause, _among(open_ones, pattern.also))
    settle("?", list(open_ones))
    return found


def _among(names: Iterable[str], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
