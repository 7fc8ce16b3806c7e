"""Servers that answer, and servers that misbehave: one clear verdict each."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mlimage.errors import VerificationError
from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import Case, Record
from mlimage.verify.parity import exchange as module
from mlimage.verify.parity.exchange import Answer, NoAnswer, exchange
from mlimage.verify.parity.judge import of_stage
from mlimage.verify.parity.latency import Latency
from mlimage.verify.parity.serving import Send, answers, measured, sender, with_answers
from support import misbehaving
from support.misbehaving import Handler, serving
from support.running import free_port, server_at

JSON = "application/json"
ASKED = "POST http://127.0.0.1:8080/invocations"


def case(name: str = "one.json", raw: bytes = b"[1.5]", response: bytes | None = b"[1.5]") -> Case:
    return Case(name, JSON, raw, {}, {}, response, JSON)


def golden(*cases: Case) -> Record:
    return Record({}, {}, {}, 0, "fast", {}, TIERS, cases)


def patient(behave: Callable[[Handler, bytes], None]) -> Answer | NoAnswer:
    with serving(behave) as (server, _):
        return exchange(server, b"[1.5]", JSON, patience=0.3)


def test_an_answer() -> None:
    found = patient(misbehaving.echoes)
    assert isinstance(found, Answer)
    assert (found.content, found.content_type) == (b"[1.5]", JSON)
    assert 0 < found.seconds < 0.3


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (
            misbehaving.fails,
            NoAnswer(why=f"answers {ASKED} with status 500: Traceback: no model", over=False),
        ),
        (misbehaving.hangs, NoAnswer(why=f"does not answer {ASKED} within 0.3 s", over=True)),
        (misbehaving.drips, NoAnswer(why=f"does not answer {ASKED} within 0.3 s", over=True)),
        (
            misbehaving.hangs_up,
            NoAnswer(
                why=f"breaks the connection of {ASKED} (remote end closed connection without response)",
                over=False,
                lost=True,
            ),
        ),
        (
            misbehaving.breaks_off,
            NoAnswer(why=f"breaks the connection of {ASKED} (7 bytes are missing)", over=False, lost=True),
        ),
    ],
)
def test_no_answer(behave: Callable[[Handler, bytes], None], expected: NoAnswer) -> None:
    assert patient(behave) == expected


def test_a_server_that_drips_is_left_in_time() -> None:
    with serving(misbehaving.drips) as (server, _):
        began = time.monotonic()
        found = exchange(server, b"", JSON, patience=0.3)
        waited = time.monotonic() - began
    assert found == NoAnswer(why=f"does not answer {ASKED} within 0.3 s", over=True)
    assert waited < misbehaving.DRIPS_FOR / 2


def test_nobody_listens() -> None:
    assert exchange(server_at(free_port().number), b"", JSON) == NoAnswer(
        why="no longer listens at http://127.0.0.1:8080", over=True, lost=True
    )


def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 1 << 20)
    found = patient(lambda handler, _: handler.answer(bytes((1 << 20) + 1)))
    assert found == NoAnswer(why=f"answers {ASKED} with more than 1 MiB", over=False)


def said(behave: Callable[[Handler, bytes], None], *cases: Case) -> list[tuple[str, str, str]]:
    with serving(behave) as (server, _):
        found = answers(
            golden(*cases), lambda each: exchange(server, each.raw, each.content_type, patience=0.3)
        )
    return [(each.case, each.word, each.why) for each in found.verdicts]


@pytest.mark.parametrize(
    ("behave", "word", "why"),
    [
        (misbehaving.echoes, "identical", ""),
        (lambda handler, _: handler.answer(b"[1.500001]"), "within", ""),
        (lambda handler, _: handler.answer(b"[1.501]"), "beyond", ""),
        (lambda handler, _: handler.answer(b"[1.5, 2]"), "changed", "it is a list of 2, and was a list of 1"),
        (
            misbehaving.says_html,
            "changed",
            "its content type is `text/html`, and was `application/json`",
        ),
        (misbehaving.fails, "changed", f"the server answers {ASKED} with status 500: Traceback: no model"),
    ],
)
def test_answers_are_compared(behave: Callable[[Handler, bytes], None], word: str, why: str) -> None:
    assert said(behave, case()) == [("one.json", word, why)]


def test_a_server_that_hangs_is_asked_no_more() -> None:
    assert said(misbehaving.hangs, case("one"), case("two"), case("three", response=None)) == [
        ("one", "changed", f"the server does not answer {ASKED} within 0.3 s"),
        ("two", "changed", "not asked: the server had no answer to `one`"),
    ]


def test_one_bad_answer_does_not_end_it() -> None:
    def moody(handler: Handler, body: bytes) -> None:
        (misbehaving.fails if body == b"[2]" else misbehaving.echoes)(handler, body)

    cases = [case("one"), case("two", b"[2]", b"[2]"), case("three")]
    assert [word for _, word, _ in said(moody, *cases)] == ["identical", "changed", "identical"]


def test_the_verdict_on_a_server_names_the_worst() -> None:
    with serving(misbehaving.fails) as (server, _):
        part = of_stage("response", answers(golden(case()), sender(server)).verdicts, {})
    assert (part.word, part.why) == (
        "FAIL",
        (
            f"1 of 1 cases fail; response of case `one.json`: the server answers {ASKED} with status 500: "
            "Traceback: no model"
        ),
    )


def fixed(*seconds: float) -> Send:
    left = iter(seconds)
    return lambda _: Answer(content=b"", content_type=JSON, seconds=next(left))


def test_latency_is_measured_after_a_warm_up() -> None:
    found = measured([case("one"), case("two")], fixed(9, 9, 1, 2, 3), requests=3, warm_up=2)
    assert found == Latency(seconds=(1, 2, 3), warm_up=2)


def test_a_slow_server_is_measured_for_a_minute() -> None:
    now = iter(range(0, 1000, 25))
    found = measured([case()], fixed(*[25.0] * 9), requests=9, warm_up=1, clock=lambda: float(next(now)))
    assert isinstance(found, Latency)
    assert found.warm_up == 1
    assert len(found.seconds) < 3


def test_latency_of_no_answer() -> None:
    with serving(misbehaving.fails) as (server, asked):
        assert measured([case()], sender(server)) == (
            f"the server answers {ASKED} with status 500: Traceback: no model, for `one.json`"
        )
        assert asked == [b"[1.5]"]


def test_answers_are_recorded() -> None:
    with serving(misbehaving.echoes) as (server, asked):
        [found] = with_answers(golden(case(response=None)), sender(server)).cases
    assert (found.response, found.response_type) == (b"[1.5]", JSON)
    assert asked == [b"[1.5]"] * 2


def test_what_has_no_answer_is_not_recorded() -> None:
    with serving(misbehaving.fails) as (server, _), pytest.raises(VerificationError) as caught:
        with_answers(golden(case()), sender(server))
    assert (
        caught.value.message
        == f"the server answers {ASKED} with status 500: Traceback: no model, for case `one.json`"
    )


def test_a_path_that_the_server_does_not_know() -> None:
    def knows_predict(handler: Handler, body: bytes) -> None:
        handler.answer(body, status=200 if handler.path == "/predict" else 404)

    with serving(knows_predict) as (server, _):
        with pytest.raises(VerificationError) as caught:
            with_answers(golden(case(raw=b"[2]")), sender(server))
        named = replace(server, predict="/predict")
        [found] = with_answers(golden(case(raw=b"[2]")), sender(named)).cases
    assert caught.value.message == f"the server answers {ASKED} with status 404: [2], for case `one.json`"
    assert caught.value.hint == (
        "write the path that it predicts at as `predict:` under `serve:` in mlimage.yaml, and build again"
    )
    assert found.response == b"[2]"


def test_answers_that_differ_are_not_recorded() -> None:
    numbers = iter((b'{"id": 1}', b'{"id": 2}'))
    with (
        serving(lambda handler, _: handler.answer(next(numbers))) as (server, _),
        pytest.raises(VerificationError) as caught,
    ):
        with_answers(golden(case()), sender(server))
    assert caught.value.message == (
        "it is not stable: asked once more, response `id` of case `one.json`: it is 2, and was 1"
    )
