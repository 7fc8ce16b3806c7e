"""This machine held against a record: files, and what the application's functions give in stage 1 and 2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.golden.compare import Verdict, compare_arrays
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.patterns.find import pattern
from mlimage.runtime.golden.recorder import digests_in, features_of, function_named, outputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mlimage.runtime.golden.record import Case, Record
    from mlimage.runtime.probe.operation import Values


class Checked(NamedTuple):
    """What came of it.

    Attributes:
        verdicts: on the arrays of each case, of the stages that were asked for.
        changed: files of model and preprocessing that are not those of the record, with what is wrong.
        patterns: what the difference of a stage looks like, where it looks like something.
    """

    verdicts: tuple[Verdict, ...]
    changed: dict[str, dict[str, str]]
    patterns: dict[str, str]


def check(record: Record, stages: Collection[str], *, models: str, app: str) -> Checked:
    """Compute what the record has, from what it has: stage 2 from recorded features.

    What cannot be computed is a verdict, too.

    Args:
        record: what is expected.
        stages: `features`, `outputs`, or both.
        models: the folder of models.
        app: the folder of the application.
    """
    folders = {"app": app, "models": models}
    files = {
        "preprocess": changed(record.preprocess, folders),
        "model": changed({f"models/{path}": said for path, said in record.model.items()}, folders),
    }
    computed = {
        "features": lambda call, case: features_of(call, case.name, case.raw),
        "outputs": lambda call, case: outputs_of(call, case.name, case.features),
    }
    verdicts: list[Verdict] = []
    patterns = {}
    for stage, call in (("features", "preprocess"), ("outputs", "predict")):
        if stage in stages:
            own, seen = _stage(record, stage, record.calls[call], computed[stage])
            verdicts += own
            if seen:
                patterns[stage] = seen
    return Checked(tuple(verdicts), {of: own for of, own in files.items() if own}, patterns)


def _stage(
    record: Record, stage: str, name: str, compute: Callable[[Callable[..., object], Case], dict[str, Values]]
) -> tuple[list[Verdict], str | None]:
    try:
        call = function_named(name)
    except GoldenError as error:
        return [_broken(case, stage, str(error)) for case in record.cases], None
    verdicts: list[Verdict] = []
    pairs: dict[str, list[tuple[Values, Values]]] = {}
    for case in record.cases:
        try:
            ours = compute(call, case)
        except GoldenError as error:
            verdicts.append(_broken(case, stage, str(error)))
            continue
        recorded: dict[str, Values] = getattr(case, stage)
        verdicts += compare_arrays(case.name, stage, ours, recorded, record.tolerance)
        for array in ours.keys() & recorded.keys():
            pairs.setdefault(array, []).append((ours[array], recorded[array]))
    failed = {verdict.what for verdict in verdicts if not verdict.passed}
    limits = record.tolerance.get(stage, {})
    return verdicts, _pattern({array: own for array, own in pairs.items() if array in failed}, limits)


def _pattern(arrays: Mapping[str, list[tuple[Values, Values]]], limits: Mapping[str, float]) -> str | None:
    """That of the first array that has one."""
    for array, pairs in sorted(arrays.items()):
        _, recorded = pairs[0]
        seen = pattern(pairs, limits.get(recorded.dtype, 0.0))
        if seen:
            return f"`{array}`: {seen}" if array and len(arrays) > 1 else seen
    return None


def _broken(case: Case, stage: str, why: str) -> Verdict:
    # What it is about stands in columns of its own.
    said = f"{case.name}: {stage}: "
    return Verdict(case.name, stage, "", "changed", math.inf, 0.0, why.removeprefix(said))


def changed(files: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, str]:
    """Which files are not those of the record, and what is wrong with them.

    Args:
        files: digests by path, whose first part names a folder.
        folders: where these folders are.
    """
    found = {}
    for path, digest in files.items():
        folder, _, inside = path.partition("/")
        try:
            [now] = digests_in(folders[folder], [inside]).values()
        except (GoldenError, ValueError, LookupError):
            found[path] = "it cannot be read"
            continue
        if now != digest:
            found[path] = "it is not the file of the record"
    return found
