"""Stage 3 of a golden record, and latency: recorded requests to the running server of an image."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final

from mlimage.errors import VerificationError
from mlimage.host.reach import Server
from mlimage.runtime.golden.compare import TIERS, Otherwise, Verdict, compare_response, numbers_of, worst
from mlimage.runtime.golden.patterns.find import pattern
from mlimage.runtime.golden.record import Case, Record
from mlimage.runtime.probe.operation import Values
from mlimage.verify.parity.exchange import Answer, NoAnswer, exchange
from mlimage.verify.parity.latency import Latency
from mlimage.verify.parity.words import told

WARM_UP: Final = 20
"""Requests before those that count: libraries load, compile and fill their caches with the first ones."""
REQUESTS: Final = 200
LONGEST: Final = 60.0
"""Seconds after which the measurement ends, with what it has."""

PREDICTS: Final = (
    "write the path that it predicts at as `predict:` under `serve:` in mlimage.yaml, and build again"
)

Send = Callable[[Case], Answer | NoAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The answers of a server, held against the recorded ones.

    Attributes:
        verdicts: in the order of the cases.
        pattern: what the difference looks like; None where it looks like nothing that is known.
    """

    verdicts: tuple[Verdict, ...]
    pattern: str | None


def sender(server: Server) -> Send:
    """What sends a case's request to the server."""
    return lambda case: exchange(server, case.raw, case.content_type)


def answers(record: Record, send: Send) -> Held:
    """Stage 3: each request that has a recorded answer, sent and held against it.

    A server that hangs or is gone is asked no more: the cases that remain fail for that.
    """
    limit = record.tolerance.get("outputs", {}).get("float32", TIERS["outputs"]["float32"])
    found: list[Verdict] = []
    pairs: dict[str, list[tuple[Values, Values]]] = {}
    over: str | None = None
    for case in record.cases:
        if case.response is None:
            continue
        if over is not None:
            found.append(_broken(case, f"not asked: {over}"))
            continue
        answer = send(case)
        if isinstance(answer, NoAnswer):
            found.append(_broken(case, f"the server {answer.why}"))
            over = f"the server had no answer to `{case.name}`" if answer.over else None
            continue
        found += _held(case, case.response, answer, limit)
        numbers = numbers_of(answer.content, case.response, case.response_type)
        if not isinstance(numbers, Otherwise):
            for place, both in numbers.items():
                pairs.setdefault(place, []).append(both)
    failed = {verdict.what for verdict in found if verdict.word == "beyond"}
    seen = {place: pattern(pairs[place], limit) for place in sorted(failed)}
    told_of = next((f"`{place}`: {what}" for place, what in seen.items() if what), None)
    return Held(verdicts=tuple(found), pattern=told_of)


def _held(case: Case, recorded: bytes, answer: Answer, limit: float) -> tuple[Verdict, ...]:
    kind, was = _kind(answer.content_type), _kind(case.response_type)
    if kind != was:
        return (_broken(case, f"its content type is `{kind or 'none'}`, and was `{was or 'none'}`"),)
    return compare_response(case.name, answer.content, recorded, case.response_type, limit)


def measured(
    cases: Sequence[Case],
    send: Send,
    *,
    requests: int = REQUESTS,
    warm_up: int = WARM_UP,
    longest: float = LONGEST,
    clock: Callable[[], float] = time.monotonic,
) -> Latency | str:
    """Latency of the requests, one after the other and over and over; or why there is none."""
    ends = clock() + longest
    seconds: list[float] = []
    before = 0
    for number, case in enumerate(islice(cycle(cases), warm_up + requests)):
        # However slow it is, something is measured.
        if seconds and clock() >= ends:
            break
        answer = send(case)
        if isinstance(answer, NoAnswer):
            return f"the server {answer.why}, for `{case.name}`"
        if number < warm_up and clock() < ends:
            before += 1
        else:
            seconds.append(answer.seconds)
    return Latency(seconds=tuple(seconds), warm_up=before)


def with_answers(record: Record, send: Send) -> Record:
    """The record with what the server answers, asked twice.

    Raises:
        VerificationError: it does not answer, or the second time otherwise: nobody could verify that.
    """
    cases = []
    for case in record.cases:
        answer, again = _answer(case, send), _answer(case, send)
        known = case._replace(response=answer.content, response_type=answer.content_type)
        bad = worst(_held(known, answer.content, again, TIERS["outputs"]["float32"]))
        if bad and not bad.passed:
            raise VerificationError(
                f"it is not stable: asked once more, {told(bad)}",
                hint="a time, a number of the request or a random number is in the answer: leave that out",
            )
        cases.append(known)
    return record._replace(cases=tuple(cases))


def _answer(case: Case, send: Send) -> Answer:
    answer = send(case)
    if isinstance(answer, NoAnswer):
        raise VerificationError(
            f"the server {answer.why}, for case `{case.name}`",
            hint=PREDICTS
            if answer.no_route
            else "leave out what it refuses, or teach it: what is recorded must have an answer",
        )
    return answer


def _broken(case: Case, why: str) -> Verdict:
    return Verdict(case.name, "response", "", "changed", math.inf, 0.0, why)


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
