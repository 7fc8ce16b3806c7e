"""What another machine gives, held against a record stage by stage: the one that fails is the culprit.

Stage 1 is raw request to features, stage 2 recorded features to outputs, stage 3 the answer of a server.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from mlimage.runtime.golden.npy import is_text, texts
from mlimage.runtime.probe.compare import normwise
from mlimage.runtime.probe.operation import Values, doubles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAGES = ("features", "outputs", "response")
"""In the order of the stages; the index is the stage's number, less 1."""
TIERS = {
    "features": {"float64": 1e-10, "float32": 1e-6, "float16": 5e-3},
    "outputs": {"float64": 1e-10, "float32": 1e-5, "float16": 5e-3},
}
"""Tolerances by stage and type, normwise; what is not there is exact.

Noise between machines reached 4.9e-6 in float32 outputs, and the smallest of the injected bugs was 1.2e-4.
"""
SPREAD = 4
"""How many times the recorder's own spread the tolerance is at least."""


_LARGEST = 1 << 1023
"""Whole numbers of JSON have no end, and doubles have."""


class Verdict(NamedTuple):
    """One array, or the answer, of one case.

    Attributes:
        case: its name.
        stage: one of `STAGES`.
        what: name of the array, place in the answer; empty where there is only one.
        word: `identical`; `within` or `beyond` the tolerance; `changed` where it cannot be measured.
        error: how far off, normwise; infinite where it cannot be measured.
        tolerance: how far it may be off.
        why: what changed, where the word is `changed`.
    """

    case: str
    stage: str
    what: str
    word: str
    error: float
    tolerance: float
    why: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is as recorded, as far as it must be."""
        return self.word in {"identical", "within"}


def how_far(verdict: Verdict) -> str:
    """Its error for people; one that has no end, since NaN or an infinity is new or a row was all zeros."""
    return f"{verdict.error:.2g}" if math.isfinite(verdict.error) else "more than can be measured"


def tolerances(spread: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """What a record allows: the tiers, and where the recorder itself spread further, that.

    Args:
        spread: how far apart the recorder's runs were, by stage and type.
    """
    return {
        stage: {
            dtype: max(tier, SPREAD * spread.get(stage, {}).get(dtype, 0.0)) for dtype, tier in tiers.items()
        }
        for stage, tiers in TIERS.items()
    }


def compare_arrays(
    case: str,
    stage: str,
    ours: Mapping[str, Values],
    recorded: Mapping[str, Values],
    tolerance: Mapping[str, Mapping[str, float]] = TIERS,
) -> tuple[Verdict, ...]:
    """Stage 1 and 2: arrays by name.

    NaN and infinities must stand where the record has them. Another set of names, type, or shape fails.
    """
    found = []
    for name in sorted({*ours, *recorded}):
        if name not in ours or name not in recorded:
            found.append(_changed(case, stage, name, "it is missing" if name in recorded else "it is new"))
        else:
            limit = tolerance.get(stage, {}).get(recorded[name].dtype, 0.0)
            found.append(_array(case, stage, name, ours[name], recorded[name], limit))
    return tuple(found)


def worst(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The one furthest from passing; None where there are none."""

    def distance(verdict: Verdict) -> tuple[bool, float]:
        return not verdict.passed, verdict.error / verdict.tolerance if verdict.tolerance else verdict.error

    return max(verdicts, key=distance, default=None)


def _array(case: str, stage: str, name: str, ours: Values, recorded: Values, limit: float) -> Verdict:
    textual = is_text(ours) and is_text(recorded)
    if ours.dtype != recorded.dtype and not textual:
        return _changed(case, stage, name, f"it is {_kind(ours)}, and was {_kind(recorded)}")
    if ours.shape != recorded.shape:
        return _changed(case, stage, name, f"its shape is {ours.shape}, and was {recorded.shape}")
    if ours.content == recorded.content:
        return Verdict(case, stage, name, "identical", 0.0, limit)
    if textual or not limit:
        return _exact(case, stage, name, ours, recorded)
    return _measured(case, stage, name, normwise(ours, recorded), limit)


def _exact(case: str, stage: str, name: str, ours: Values, recorded: Values) -> Verdict:
    read = texts if is_text(recorded) else Values.numbers
    pairs = list(zip(read(ours), read(recorded)))
    wrong = [(at, a, b) for at, (a, b) in enumerate(pairs) if a != b and not (a != a and b != b)]  # noqa: PLR0124 - NaN
    if not wrong:
        return Verdict(case, stage, name, "within", 0.0, 0.0)
    at, a, b = wrong[0]
    return _changed(
        case, stage, name, f"{len(wrong)} of {len(pairs)} differ; element {at} is {a!r}, and was {b!r}"
    )


def _measured(case: str, stage: str, name: str, error: float, limit: float) -> Verdict:
    word = "identical" if error == 0 else "within" if error <= limit else "beyond"
    return Verdict(case, stage, name, word, error, limit)


def _changed(case: str, stage: str, name: str, why: str) -> Verdict:
    return Verdict(case, stage, name, "changed", math.inf, 0.0, why)


def _kind(values: Values) -> str:
    return "text" if is_text(values) else values.dtype


def compare_response(
    case: str, ours: bytes, recorded: bytes, content_type: str, limit: float = TIERS["outputs"]["float32"]
) -> tuple[Verdict, ...]:
    """Stage 3: JSON with its numbers normwise, everything else byte by byte.

    The numbers that stand at the same place in every element of a list are measured together, so that a large
    one elsewhere hides nothing. Whole numbers on both sides must be equal.

    Args:
        case: its name.
        ours: the answer now.
        recorded: the answer in the record.
        content_type: of the recorded answer.
        limit: how far numbers may be off.
    """
    if ours == recorded:
        return (Verdict(case, "response", "", "identical", 0.0, limit),)
    numbers = numbers_of(ours, recorded, content_type)
    if isinstance(numbers, Otherwise):
        return (_changed(case, "response", numbers.place, numbers.why),)
    if not numbers:
        return (Verdict(case, "response", "", "within", 0.0, limit),)
    return tuple(
        _measured(case, "response", place, normwise(now, then), limit)
        for place, (now, then) in numbers.items()
    )


class Otherwise(NamedTuple):
    """Why an answer cannot be measured: where in it, and what is there."""

    place: str
    why: str


def numbers_of(
    ours: bytes, recorded: bytes, content_type: str
) -> dict[str, tuple[Values, Values]] | Otherwise:
    """The numbers of two answers by their place in them, as `predictions[].probability`; ours first.

    Whole numbers and all else must be equal, and are not among them.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return Otherwise("", "the bytes differ")
    try:
        pair = json.loads(ours), json.loads(recorded)
    except (ValueError, RecursionError):
        return Otherwise("", "it is no JSON")
    found: dict[str, list[tuple[float, float]]] = {}
    for place, a, b in _leaves("", *pair):
        if not (_is_number(a) and _is_number(b)) or (isinstance(a, int) and isinstance(b, int)):
            if a != b or type(a) is not type(b):
                return Otherwise(place, f"it is {_shown(a)}, and was {_shown(b)}")
        else:
            found.setdefault(place, []).append((float(a), float(b)))
    return {
        place: (doubles([a for a, _ in pairs]), doubles([b for _, b in pairs]))
        for place, pairs in found.items()
    }


def _leaves(place: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in b:
            yield from _leaves(f"{place}.{key}" if place else key, a[key], b[key])
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for ours, theirs in zip(a, b):
            yield from _leaves(f"{place}[]", ours, theirs)
    else:
        yield place, a, b


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _LARGEST
    return isinstance(value, float)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(f'`{key}`' for key in value) or 'nothing'}"
    return f"a list of {len(value)}" if isinstance(value, list) else json.dumps(value)
