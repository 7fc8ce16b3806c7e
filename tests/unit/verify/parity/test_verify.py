"""The verdict on each part, and the culprit."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mlimage.errors import MlimageError, RunError, VerificationError
from mlimage.verify.parity.latency import parse_budget
from mlimage.verify.parity.model import PartName, Report
from mlimage.verify.parity.value import as_value
from mlimage.verify.parity.verify import Against, Wanted, verify
from support import misbehaving
from support.verifying import CREATED, SUBJECT, checked, golden, here, image, probe, report, verdict


def words(found: Report) -> dict[str, str]:
    return {part.name: part.word for part in found.parts}


def why(found: Report, name: PartName) -> tuple[str, str | None]:
    return next((part.why, part.hint) for part in found.parts if part.name == name)


def test_all_is_well() -> None:
    found = report(image(record=golden()), budget=parse_budget("p99=30s"))
    assert set(words(found).values()) == {"PASS"}
    assert (found.passed, found.sentence) == (True, "PASS: 6 of 6 parts")
    assert why(found, "fingerprint") == (
        "one numeric class and equal software: equal bits are to be expected",
        None,
    )
    assert why(found, "features") == ("2 cases; 2 of 2 identical", None)
    assert why(found, "response") == ("2 cases; 2 of 2 identical", None)
    assert found.latency
    assert len(found.latency.seconds) == 5


EMULATED = {**here(), "cpu": {**here()["cpu"], "emulated": True}}
WRONG = {
    **probe(),
    "operations": [
        {**each, "correct": False} if each["name"] == "libm.exp" else each for each in probe()["operations"]
    ],
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verify": {**checked(), "fingerprint": EMULATED}}, "this machine's CPU is emulated, which may be"),
        ({"probe": WRONG}, "this machine computes wrong, or otherwise than the other one"),
        (
            {"verify": checked(verdict("one.json", "features", 1e-4), verdict("one.json", "outputs", 0.1))},
            "the preprocessing makes other features of the same requests",
        ),
        (
            {"verify": checked(verdict("one.json", "features"), verdict("one.json", "outputs", 1e-3))},
            "the model gives other outputs for the same features",
        ),
        (
            {"verify": checked(changed={"model": {"models/model.npz": "it is not the file of the record"}})},
            "the model gives other outputs for the same features",
        ),
        ({"behave": misbehaving.fails}, "the server answers otherwise than it did"),
        ({"behave": RunError("never healthy")}, "response could not be verified"),
        ({"verify": RunError("killed")}, "features could not be verified"),
        ({"record": VerificationError("of a newer format")}, "features could not be verified"),
    ],
)
def test_the_first_that_fails_is_the_culprit(changes: dict[str, Any], sentence: str) -> None:
    found = report(image(**{"record": golden(), **changes}))
    assert not found.passed
    assert found.sentence.startswith(f"FAIL: {sentence}")


def test_a_failing_stage_names_its_worst_case() -> None:
    own = checked(
        verdict("one.json", "features", 3e-4),
        verdict("two.json", "features", 2e-2),
        verdict("six.json", "features"),
    )
    found = report(image(record=golden(), verify=own), "features")
    assert why(found, "features") == (
        "2 of 3 cases fail; features of case `two.json` are off by 0.02, and 1e-10 is allowed",
        "hold the versions of what preprocesses against those of the record: the fingerprint",
    )


def test_a_changed_file_is_named() -> None:
    changed = {"preprocess": {"app/features.py": "it is not the file of the record"}}
    found = report(image(record=golden(), verify=checked(changed=changed)), "features", "outputs")
    assert words(found)["outputs"] == "PASS"
    assert why(found, "features") == (
        "`app/features.py`: it is not the file of the record",
        "not as when it was frozen: app/features.py",
    )


def causes(found: Report, name: PartName) -> tuple[str, ...]:
    return next(part.causes for part in found.parts if part.name == name)


def test_a_failing_stage_says_what_probably_caused_it() -> None:
    there = {**here(), "packages": {**here()["packages"], "numeric": {"scikit-learn": "1.8.0"}}}
    now = {**here(), "packages": {**here()["packages"], "numeric": {"scikit-learn": "1.9.1"}}}
    own = {
        **checked(verdict("one.json", "features", 0.5), verdict("one.json", "outputs")),
        "patterns": {"features": "each number is 2 times what it was"},
        "fingerprint": now,
    }
    found = report(image(record=golden()._replace(fingerprint=there), verify=own))
    assert causes(found, "features") == (
        "each number is 2 times what it was",
        "scikit-learn is 1.9.1, and was 1.8.0: another version may compute otherwise",
    )
    assert (words(found)["outputs"], causes(found, "outputs")) == ("PASS", ())
    [said] = [part for part in as_value(found)["parts"] if part["part"] == "features"]
    assert said["causes"] == list(causes(found, "features"))


@pytest.mark.parametrize("second", [checked(verdict("one.json", "features", 0.2)), RunError("killed")])
def test_what_is_another_each_time_is_said_to_be(second: Any) -> None:
    answers = iter([checked(verdict("one.json", "features", 0.1)), second])
    own = image(record=golden())

    def ask(word: str, *rest: str) -> Any:
        said = next(answers) if word == "verify" else own.ask(word, *rest)
        if isinstance(said, MlimageError):
            raise said
        return said

    found = report(replace(own, ask=ask), "features")
    assert causes(found, "features") == (
        "it gives something else each time: a random number that has no seed, or a race",
    )


def test_a_pattern_of_the_answers_is_named() -> None:
    def doubled(handler: Any, body: bytes) -> None:
        handler.answer(json.dumps([2 * each for each in json.loads(body)]).encode())

    case = golden().cases[0]._replace(raw=b"[1.5, 2.5, 4.5, 8.5]", response=b"[1.5, 2.5, 4.5, 8.5]")
    found = report(image(record=golden()._replace(cases=(case,)), behave=doubled), "response")
    assert causes(found, "response") == ("`[]`: each number is 2 times what it was",)


@pytest.mark.parametrize("asked", [False, True])
def test_what_cannot_be_done_is_skipped_and_what_was_asked_for_fails(*, asked: bool) -> None:
    def done(own: Any, *parts: PartName) -> Report:
        return report(own, *parts, asked=frozenset(parts if asked else ()))

    word = "FAIL" if asked else "SKIPPED"
    freeze = "`mlimage freeze` makes one, and the next `mlimage build` puts it into the image"
    plain = done(image(), "features", "latency")
    assert (words(plain)["features"], why(plain, "features")) == (
        word,
        ("the image has no golden record", freeze),
    )
    assert why(plain, "latency") == ("the image has no requests to measure it with", freeze)
    silent = done(image(record=golden(answers=False)), "response", "latency")
    assert (words(silent)["response"], words(silent)["latency"]) == (word, "PASS")
    assert why(silent, "response") == (
        "no answers are in the golden record",
        "freeze again, with a `serve` role",
    )
    mute = done(image(record=golden(), lacks={"response": "the image has no `serve` role"}), "response")
    assert (words(mute)["response"], why(mute, "response")[0]) == (word, "the image has no `serve` role")
    alone = done(image(), "fingerprint")
    assert (words(alone)["fingerprint"], why(alone, "fingerprint")[0]) == (
        word,
        "there is no other one to hold it against",
    )


def test_nothing_at_all_is_no_success() -> None:
    found = report(image(), "features")
    assert (found.passed, found.sentence) == (False, "FAIL: nothing could be verified")


def test_what_was_not_asked_for() -> None:
    found = report(image(record=golden()), "features")
    assert found.sentence == "PASS: 1 of 6 parts, 5 skipped"
    assert why(found, "probe") == ("it was not asked for", None)


def test_another_machine() -> None:
    own = probe()["fingerprint"]
    theirs = {**own, "libc": {**own["libc"], "version": "2.20"}}
    found = report(
        image(record=golden()),
        "fingerprint",
        "probe",
        against=Against(name="`laptop.json`", fingerprint=theirs, probe=probe()),
    )
    assert why(found, "fingerprint") == (
        "1 difference from `laptop.json`: one numeric class, and yet last bits may differ",
        None,
    )
    total = len(probe()["operations"])
    assert why(found, "probe")[0].endswith(f"; {total} of {total} identical to the other machine's")


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (
            misbehaving.fails,
            (
                "the server answers POST http://127.0.0.1:8080/invocations with status 500: "
                "Traceback: no model, for `one.json`"
            ),
        ),
        (
            misbehaving.hangs_up,
            (
                "the server breaks the connection of POST http://127.0.0.1:8080/invocations "
                "(remote end closed connection without response), for"
            ),
        ),
        (RunError("`demo:cpu` was not healthy after 120 s"), "`demo:cpu` was not healthy after 120 s"),
        (RunError("`demo:cpu` ended with status 139 while it was asked"), "`demo:cpu` ended with status 139"),
    ],
)
def test_latency_of_a_server_that_fails(behave: Any, expected: str) -> None:
    found = report(image(record=golden(), behave=behave), "latency")
    assert words(found)["latency"] == "FAIL"
    assert why(found, "latency")[0].startswith(expected)


def test_a_broken_budget() -> None:
    found = report(image(record=golden()), "latency", budget=parse_budget("p99=0.001ms"))
    assert found.sentence == "FAIL: the server takes longer than its budget"
    assert why(found, "latency")[0].endswith("and 0.001 ms is the budget")


def test_a_part_that_breaks_does_not_end_the_others() -> None:
    error: MlimageError = RunError("no", hint="do")
    found = report(image(record=golden(), probe=error, verify=error))
    assert words(found) == {
        "fingerprint": "PASS",
        "probe": "FAIL",
        "features": "FAIL",
        "outputs": "FAIL",
        "response": "PASS",
        "latency": "PASS",
    }
    assert why(found, "probe") == ("no", "do")


def test_json_has_all_of_it_and_no_number_that_json_has_not() -> None:
    own = checked(verdict("one.json", "features"), verdict("two.json", "features", None, "it is missing"))
    found = as_value(report(image(record=golden(), verify=own), budget=parse_budget("p50=30s")))
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert found["schema"] == "mlimage/verification/1"
    assert (found["passed"], found["culprit"]) == (False, "features")
    assert [each["verdict"] for each in found["parts"]] == ["PASS", "PASS", "FAIL", "FAIL", "PASS", "PASS"]
    assert found["cases"][1] == {
        **verdict("two.json", "features", None, "it is missing"),
        "passed": False,
    }
    assert found["latency"]["budget"][0] | {"measured": 0} == {
        "quantile": "p50",
        "limit": 30.0,
        "measured": 0,
        "passed": True,
    }
    assert found["fingerprint"]["against"] == "the recorder"
    assert "values" not in text


@pytest.mark.parametrize(
    ("behave", "pauses"), [(misbehaving.hangs_up, 1), (misbehaving.fails, 0), (misbehaving.echoes, 0)]
)
def test_the_end_of_a_server_is_waited_for_where_it_may_have_ended(behave: Any, pauses: int) -> None:
    waited: list[float] = []
    wanted = Wanted(parts=frozenset({"response"}))
    verify(
        image(record=golden(), behave=behave), wanted, subject=SUBJECT, created=CREATED, pause=waited.append
    )
    assert len(waited) == pauses
