"""What a probe says of its machine: alone, by its truths, and held against another probe. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from mlimage.runtime.probe.compare import normwise
from mlimage.runtime.probe.diagnosis import Finding, diagnose
from mlimage.runtime.probe.measure import values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FAULT = 1e-4
"""From here on no other code path explains a difference in float32 or float64."""
TF32 = 5e-3
"""Up to here TensorFloat-32 explains one, where its canaries show it."""
_ALONE = ("B13", "C4", "C10", "B10", "A5")
"""Causes of what is wrong on one machine, in the order in which they are told."""
_GROUPS = {
    "numpy": ("numpy",),
    "sklearn": ("scikit-learn", "scipy", "numpy"),
    "torch": ("torch",),
    "cuda": ("torch",),
    "onnxruntime": ("onnxruntime",),
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "jaxlib"),
}
"""The packages whose versions decide each group."""


class Verdict(NamedTuple):
    """One operation on two machines.

    Attributes:
        name: of the operation.
        word: `identical`; `within` or `beyond` the tolerance; `order` where only the order of equal things
            differs; `failed` where one machine has no result.
        error: how far apart they are, normwise; None where that was not to be told.
        tolerance: how far they may be; None where any difference is allowed.
    """

    name: str
    word: str
    error: float | None
    tolerance: float | None


class Comparison(NamedTuple):
    """Two probes.

    Attributes:
        verdicts: on all operations that both have.
        findings: why they differ.
        only_here: names that only the first has.
        only_there: names that only the second has.
        classes: their numeric classes.
    """

    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    classes: tuple[str, str]

    @property
    def agrees(self) -> bool:
        """Whether every difference is one that may be."""
        return all(verdict.word not in {"beyond", "failed"} for verdict in self.verdicts)

    def count(self, word: str) -> int:
        """How many operations have this verdict."""
        return sum(verdict.word == word for verdict in self.verdicts)


def wrong(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The operations that are not within their bound of the truth: this machine computes wrong results."""
    return [operation for operation in record["operations"] if operation["correct"] is False]


def why_wrong(record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """What the operations that are wrong have in common."""
    from mlimage.runtime.causes import CAUSES

    bad = wrong(record)
    # Where products on a GPU are rounded, so is what is made of them.
    rounded = any(_is_rounded(each) and each["name"].startswith("cuda.") for each in bad)
    emulated = record["fingerprint"]["cpu"]["emulated"]

    def cause(operation: Mapping[str, Any]) -> str:
        if operation["name"] == "canary.denormal":
            return "B13"
        on_gpu = operation["name"].startswith("cuda.")
        if _is_rounded(operation) or (rounded and on_gpu and operation["dtype"] == "float32"):
            return "C4"
        return "C10" if on_gpu else "B10" if emulated else "A5"

    found: dict[str, list[str]] = {}
    for operation in bad:
        found.setdefault(cause(operation), []).append(operation["name"])
    return tuple(Finding(CAUSES[name], tuple(found[name])) for name in _ALONE if name in found)


def _is_rounded(operation: Mapping[str, Any]) -> bool:
    """Whether it shows TensorFloat-32; one that failed shows nothing."""
    return fnmatchcase(operation["name"], "*.tf32.*") and operation["problem"] is None


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Comparison:
    """Hold a record against another one.

    Raises:
        ValueError: the values in one of them are damaged, or there are none.
    """
    here, there = _named(ours), _named(theirs)
    verdicts = tuple(_verdict(here[name], there[name]) for name in here if name in there)
    differing = [verdict.name for verdict in verdicts if verdict.word not in {"identical", "failed"}]
    rounded = {
        _group(each) for each in verdicts if fnmatchcase(each.name, "*.tf32.*") and _is_within(each, TF32)
    }
    faults = [
        each.name
        for each in verdicts
        if each.word == "failed" or _is_fault(each, here, TF32 if _group(each) in rounded else FAULT)
    ]
    findings = diagnose(
        differing + [name for name in faults if name not in differing],
        faults=faults,
        other_versions=_software(ours["fingerprint"], theirs["fingerprint"]),
    )
    return Comparison(
        verdicts,
        tuple(findings),
        tuple(name for name in here if name not in there),
        tuple(name for name in there if name not in here),
        (ours["fingerprint"]["numeric_class"], theirs["fingerprint"]["numeric_class"]),
    )


def _named(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By name; what a library does not have here is not there."""
    return {each["name"]: each for each in record["operations"] if each["correct"] is not None}


def _verdict(ours: dict[str, Any], theirs: dict[str, Any]) -> Verdict:
    name, tolerance = ours["name"], ours["tolerance"]
    if ours["problem"] is not None or theirs["problem"] is not None:
        return Verdict(name, "failed", None, tolerance)
    same = ("sha256", "dtype", "shape")
    if all(ours[key] == theirs[key] for key in same):
        return Verdict(name, "identical", 0.0, tolerance)
    if tolerance is None:
        return Verdict(name, "order", None, tolerance)
    a, b = values_of(ours), values_of(theirs)
    if a is None or b is None:
        raise ValueError(f"there are no values of `{name}` in it, only their digest")
    error = normwise(a, b)
    return Verdict(name, "within" if error <= tolerance else "beyond", error, tolerance)


def _group(verdict: Verdict) -> str:
    return verdict.name.partition(".")[0]


def _is_within(verdict: Verdict, limit: float) -> bool:
    """Whether it differs, by no more than that."""
    return verdict.error is not None and 0 < verdict.error <= limit


def _is_fault(verdict: Verdict, here: Mapping[str, dict[str, Any]], limit: float) -> bool:
    if verdict.word != "beyond" or verdict.error is None:
        return False
    dtype = here[verdict.name]["dtype"]
    return dtype in {"float32", "float64"} and verdict.error > (limit if dtype == "float32" else FAULT)


def _software(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, str]:
    """For each group whose software differs, the cause that this is."""
    found: dict[str, str] = {}
    if ours["cpu"]["architecture"] != theirs["cpu"]["architecture"]:
        return dict.fromkeys((*_GROUPS, "libm"), "B9")
    versions = [side["packages"]["numeric"] for side in (ours, theirs)]
    for group, names in _GROUPS.items():
        if _differ(versions[0], versions[1], names):
            found[group] = "A1"
    if ours["libc"] != theirs["libc"] and ours["libc"]["version"] != theirs["libc"]["version"]:
        found["libm"] = "A6"
    return found


def _differ(ours: Mapping[str, str], theirs: Mapping[str, str], names: Iterable[str]) -> bool:
    return any(ours.get(name) != theirs.get(name) for name in names)
