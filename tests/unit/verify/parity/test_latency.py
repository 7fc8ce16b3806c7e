"""Quantiles and budgets."""

import pytest

from mlimage.errors import UsageError
from mlimage.verify.parity.latency import Kept, Latency, Limit, parse_budget, shown

HUNDRED = Latency(seconds=tuple(number / 1000 for number in range(100, 0, -1)), warm_up=0)


@pytest.mark.parametrize(("name", "seconds"), [("p50", 0.05), ("p90", 0.09), ("p99", 0.099), ("max", 0.1)])
def test_quantiles_are_times_that_were_measured(name: str, seconds: float) -> None:
    assert HUNDRED.quantile(name) == seconds
    assert Latency(seconds=(0.2,), warm_up=0).quantile(name) == 0.2


def test_a_budget_is_kept_or_not() -> None:
    found = HUNDRED.held(parse_budget("p50=50ms, p99=0.05s"))
    assert found == (
        Kept(limit=Limit(quantile="p50", seconds=0.05), seconds=0.05),
        Kept(limit=Limit(quantile="p99", seconds=0.05), seconds=0.099),
    )
    assert [each.well for each in found] == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--budget: `` limits none of `p50`, `p90`, `p99`, `max`"),
        ("p98=1ms", "--budget: `p98=1ms` limits none of `p50`, `p90`, `p99`, `max`"),
        ("p99", "--budget: `p99` limits none of `p50`, `p90`, `p99`, `max`"),
        ("p99=50", "--budget: `50` is no time, as `50ms` or `0.5s`"),
        ("p99=-1ms", "--budget: `-1ms` is no time, as `50ms` or `0.5s`"),
        ("p99=nan", "--budget: `nan` is no time, as `50ms` or `0.5s`"),
        ("p99=0ms", "--budget: no answer takes `0ms`"),
        ("p99=1ms,p99=2ms", "--budget: `p99` is limited twice"),
    ],
)
def test_what_is_no_budget(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_budget(text)
    assert caught.value.message == message
    assert caught.value.hint == "for instance `--budget p50=20ms,p99=50ms`"


def test_times_for_people() -> None:
    assert [shown(seconds) for seconds in (0.000_123, 0.004_21, 0.25, 1.5)] == [
        "0.123 ms",
        "4.21 ms",
        "250 ms",
        "1.5 s",
    ]
