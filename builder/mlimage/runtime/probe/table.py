"""A probe in words and columns, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.verdicts import Comparison, why_wrong, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlimage.runtime.probe.diagnosis import Finding

_ROWS = 8
"""Names of operations in a line about a cause."""


def record_lines(record: Mapping[str, Any], *, every: bool = False) -> Iterator[str]:
    """What the probe found on this machine; with `every`, a line for each operation."""
    yield f"class: {record['fingerprint']['numeric_class']}"
    operations = record["operations"]
    shown = operations if every else wrong(record)
    if shown:
        yield f"{'OPERATION':<30}{'ERROR':>9}  {'BOUND':>7}  RESULT"
    for operation in shown:
        error, bound = _figure(operation["error"]), _figure(operation["bound"])
        yield f"{operation['name']:<30}{error:>9}  {bound:>7}  {_result(operation)}"
    for group, why in record["skipped"].items():
        yield f"{group}: left out, it does not load: {why}"
    bad, lacking = len(wrong(record)), sum(operation["correct"] is None for operation in operations)
    yield from finding_lines(why_wrong(record))
    less = f", {lacking} are not in these versions" if lacking else ""
    total = len(operations) - lacking
    seconds = f"{record['seconds']['all']:.1f} s"
    if bad:
        yield f"{bad} of {total} operations are wrong: this machine computes wrong results{less} ({seconds})"
    else:
        yield f"{total} operations, each within its bound of the truth{less} ({seconds})"


def comparison_lines(comparison: Comparison, *, every: bool = False) -> Iterator[str]:
    """How the probes of two machines differ."""
    shown = [verdict for verdict in comparison.verdicts if every or verdict.word != "identical"]
    if shown:
        yield f"{'OPERATION':<30}{'APART':>9}  {'ALLOWED':>7}  VERDICT"
    for verdict in shown:
        tolerance = "any" if verdict.tolerance is None else _figure(verdict.tolerance)
        yield f"{verdict.name:<30}{_figure(verdict.error):>9}  {tolerance:>7}  {_WORDS[verdict.word]}"
    yield from finding_lines(comparison.findings)
    # What was not loaded, since one of them left a group out, is not in its class; of GPUs nothing is.
    others = [name for name in comparison.only_here + comparison.only_there if not name.startswith("cuda.")]
    if len(set(comparison.classes)) > 1 and not others:
        yield f"class there: {comparison.classes[1]}"
    for names, where in ((comparison.only_here, "here"), (comparison.only_there, "there")):
        if names:
            yield f"only {where}: {_listed(names)}"
    counts = [(comparison.count(word), text) for word, text in _COUNTED]
    said = ", ".join(f"{count} {text}" for count, text in counts if count) or "nothing to compare"
    yield f"{len(comparison.verdicts)} operations: {said}"


def finding_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """A line for each cause, and one for what to do."""
    for cause, names in findings:
        yield f"cause {cause.id}: {cause.title}  ({_listed(names)})"
        yield f"  fix: {cause.fix}"


_WORDS = {
    "identical": "identical",
    "within": "within tolerance",
    "beyond": "BEYOND TOLERANCE",
    "order": "other order of equals",
    "failed": "FAILED on one side",
}
_COUNTED = (
    ("identical", "identical"),
    ("within", "within tolerance"),
    ("order", "in another order of equals"),
    ("beyond", "beyond tolerance"),
    ("failed", "failed on one side"),
)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _ROWS} more" if len(names) > _ROWS else ""
    return ", ".join(names[:_ROWS]) + more


def _figure(number: Any) -> str:
    if number is None:
        return "-"
    if isinstance(number, str):
        return number
    return "exact" if number == 0 else f"{number:.1e}"


def _result(operation: Mapping[str, Any]) -> str:
    if operation["problem"]:
        return str(operation["problem"])
    return "right" if operation["correct"] else "WRONG"
