"""How long answers took: quantiles, and whether they are within a budget. Pure."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mlimage.errors import UsageError

QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
"""What is shown, and may be in a budget."""
_LIMIT: Final = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,6})?)(?P<unit>ms|s)\Z")
_EXAMPLE: Final = "for instance `--budget p50=20ms,p99=50ms`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A quantile (`p99`) and the most seconds that it may have."""

    quantile: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A limit, and what was measured."""

    limit: Limit
    seconds: float

    @property
    def well(self) -> bool:
        """Whether it was kept."""
        return self.seconds <= self.limit.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Requests one after the other, each over a connection of its own.

    Attributes:
        seconds: of each, in the order in which they were sent.
        warm_up: how many were sent before, and do not count.
    """

    seconds: tuple[float, ...]
    warm_up: int

    def quantile(self, name: str) -> float:
        """The smallest time that at least this part of the requests had (nearest rank), in seconds."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(QUANTILES[name] * len(ordered)) - 1)]

    def held(self, budget: Sequence[Limit]) -> tuple[Kept, ...]:
        """The budget, held against it."""
        return tuple(Kept(limit=limit, seconds=self.quantile(limit.quantile)) for limit in budget)


def parse_budget(text: str) -> tuple[Limit, ...]:
    """Limits from `p50=20ms,p99=0.1s`.

    Raises:
        UsageError: it is something else, or names a quantile twice.
    """
    found: dict[str, Limit] = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in QUANTILES or not equals:
            known = ", ".join(f"`{each}`" for each in QUANTILES)
            raise UsageError(f"--budget: `{part.strip()}` limits none of {known}", hint=_EXAMPLE)
        match = _LIMIT.match(value)
        if match is None:
            raise UsageError(f"--budget: `{value}` is no time, as `50ms` or `0.5s`", hint=_EXAMPLE)
        seconds = float(match["number"]) / (1000 if match["unit"] == "ms" else 1)
        if not seconds:
            raise UsageError(f"--budget: no answer takes `{value}`", hint=_EXAMPLE)
        if name in found:
            raise UsageError(f"--budget: `{name}` is limited twice", hint=_EXAMPLE)
        found[name] = Limit(quantile=name, seconds=seconds)
    return tuple(found.values())


def shown(seconds: float) -> str:
    """A time for people: `4.21 ms`, `1.3 s`."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
