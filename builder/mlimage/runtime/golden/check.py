"""This machine held against a record: files, and what the application's functions give in stage 1 and 2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from mlimage.runtime.golden.compare import Verdict, compare_arrays
from mlimage.runtime.golden.failure import GoldenError
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
    """

    verdicts: tuple[Verdict, ...]
    changed: dict[str, dict[str, str]]


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
    changed = {
        "preprocess": _changed(record.preprocess, folders),
        "model": _changed({f"models/{path}": said for path, said in record.model.items()}, folders),
    }
    found: list[Verdict] = []
    if "features" in stages:
        found += _stage(
            record,
            "features",
            record.calls["preprocess"],
            lambda call, case: features_of(call, case.name, case.raw),
        )
    if "outputs" in stages:
        found += _stage(
            record,
            "outputs",
            record.calls["predict"],
            lambda call, case: outputs_of(call, case.name, case.features),
        )
    return Checked(tuple(found), {of: files for of, files in changed.items() if files})


def _stage(
    record: Record, stage: str, name: str, compute: Callable[[Callable[..., object], Case], dict[str, Values]]
) -> list[Verdict]:
    try:
        call = function_named(name)
    except GoldenError as error:
        return [_broken(case, stage, str(error)) for case in record.cases]
    found: list[Verdict] = []
    for case in record.cases:
        try:
            ours = compute(call, case)
        except GoldenError as error:
            found.append(_broken(case, stage, str(error)))
            continue
        recorded = getattr(case, stage)
        found += compare_arrays(case.name, stage, ours, recorded, record.tolerance)
    return found


def _broken(case: Case, stage: str, why: str) -> Verdict:
    # What it is about stands in columns of its own.
    said = f"{case.name}: {stage}: "
    return Verdict(case.name, stage, "", "changed", math.inf, 0.0, why.removeprefix(said))


def _changed(files: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, str]:
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
