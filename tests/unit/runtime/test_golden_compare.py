"""Golden records: what another machine gives is held against them, stage by stage."""

import json
import math
import struct

import pytest

from mlimage.runtime.golden.compare import Verdict, compare_arrays, compare_response, tolerances, worst
from mlimage.runtime.probe.operation import Values, doubles, integers


def floats32(*numbers: float) -> Values:
    return Values("float32", (len(numbers),), struct.pack(f"<{len(numbers)}f", *numbers))


def verdict(stage: str, ours: Values, recorded: Values) -> Verdict:
    (found,) = compare_arrays("one", stage, {"x": ours}, {"x": recorded})
    return found


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("stage", "ours", "recorded", "word"),
    [
        ("features", doubles([1.0, 2.0]), doubles([1.0, 2.0]), "identical"),
        ("features", doubles([1.0, 2.0 + 1e-10]), doubles([1.0, 2.0]), "within"),
        ("features", doubles([1.0, 2.0 + 3e-10]), doubles([1.0, 2.0]), "beyond"),
        ("features", floats32(1, 2 + 1e-6), floats32(1, 2), "within"),
        ("features", floats32(1, 2 + 5e-6), floats32(1, 2), "beyond"),
        ("outputs", floats32(1, 2 + 1e-5), floats32(1, 2), "within"),
        ("outputs", floats32(1, 2 + 5e-5), floats32(1, 2), "beyond"),
        ("outputs", doubles([NAN, 1.0]), doubles([NAN, 1.0 + 1e-12]), "within"),
        ("outputs", doubles([INF, 1.0]), doubles([INF, 1.0 + 1e-12]), "within"),
        ("outputs", doubles([NAN, 1.0]), doubles([1.0, 1.0]), "beyond"),
        ("outputs", doubles([INF, 1.0]), doubles([-INF, 1.0]), "beyond"),
        ("outputs", doubles([-0.0]), doubles([0.0]), "identical"),
        ("outputs", doubles([]), doubles([]), "identical"),
        (
            "features",
            Values("<U2", (1,), "ab".encode("utf-32-le")),
            Values("<U3", (1,), "ab\0".encode("utf-32-le")),
            "within",
        ),
    ],
)
def test_numbers_are_measured_by_stage_and_type(
    stage: str, ours: Values, recorded: Values, word: str
) -> None:
    found = verdict(stage, ours, recorded)
    assert found.word == word
    assert found.passed == (word != "beyond")


@pytest.mark.parametrize(
    ("ours", "recorded", "why"),
    [
        (integers([1, 3]), integers([1, 2]), "1 of 2 differ; element 1 is 3, and was 2"),
        (
            Values("<U1", (2,), "ab".encode("utf-32-le")),
            Values("<U1", (2,), "aa".encode("utf-32-le")),
            "1 of 2 differ; element 1 is 'b', and was 'a'",
        ),
        (floats32(1), doubles([1.0]), "it is float32, and was float64"),
        (doubles([1.0], (1, 1)), doubles([1.0]), "its shape is (1, 1), and was (1,)"),
        (doubles([]), doubles([1.0]), "its shape is (0,), and was (1,)"),
        (Values("<U1", (1,), "1".encode("utf-32-le")), doubles([1.0]), "it is text, and was float64"),
    ],
)
def test_what_changed_is_said(ours: Values, recorded: Values, why: str) -> None:
    assert verdict("features", ours, recorded) == Verdict("one", "features", "x", "changed", INF, 0.0, why)


def test_arrays_that_came_and_went() -> None:
    found = compare_arrays("one", "outputs", {"new": doubles([1.0])}, {"old": doubles([1.0])})
    assert [(each.what, each.word, each.why) for each in found] == [
        ("new", "changed", "it is new"),
        ("old", "changed", "it is missing"),
    ]


def test_shuffled_features_are_another_thing() -> None:
    assert verdict("features", doubles([2.0, 1.0]), doubles([1.0, 2.0])).error == 0.5


def test_a_recorder_that_spreads_allows_four_times_as_much() -> None:
    found = tolerances({"outputs": {"float32": 5e-6, "float64": 1e-12}})
    assert found["outputs"] == {"float64": 1e-10, "float32": 2e-5, "float16": 5e-3}


def test_the_worst_is_what_fails_most() -> None:
    small = Verdict("a", "features", "", "within", 1e-11, 1e-10)
    large = Verdict("b", "outputs", "", "within", 9e-6, 1e-5)
    beyond = Verdict("c", "features", "", "beyond", 2e-10, 1e-10)
    assert worst((small, large)) is large
    assert worst((beyond, large, small)) is beyond
    assert worst(()) is None


def response(ours: object, recorded: object) -> list[tuple[str, str, str]]:
    found = compare_response(
        "one", json.dumps(ours).encode(), json.dumps(recorded).encode(), "application/json; charset=utf-8"
    )
    return [(each.what, each.word, each.why) for each in found]


def test_numbers_of_an_answer_are_measured_by_their_place() -> None:
    recorded = {"id": 1e9, "predictions": [{"digit": 1, "p": 0.25}, {"digit": 2, "p": 0.75}]}
    near = {"predictions": [{"p": 0.25, "digit": 1}, {"digit": 2, "p": 0.750001}], "id": 1e9}
    far = {"id": 1e9, "predictions": [{"digit": 1, "p": 0.26}, {"digit": 2, "p": 0.75}]}
    assert response(recorded, recorded) == [("", "identical", "")]
    assert response(near, recorded) == [("id", "identical", ""), ("predictions[].p", "within", "")]
    assert response(far, recorded) == [("id", "identical", ""), ("predictions[].p", "beyond", "")]


@pytest.mark.parametrize(
    ("ours", "recorded", "place", "why"),
    [
        ({"digit": 1}, {"digit": 2}, "digit", "it is 1, and was 2"),
        ({"ok": True}, {"ok": 1}, "ok", "it is true, and was 1"),
        ({"a": 1}, {"b": 1}, "", "it is an object with `a`, and was an object with `b`"),
        ([1], [1, 2], "", "it is a list of 1, and was a list of 2"),
        ([None], ["x"], "[]", 'it is null, and was "x"'),
        ([10**400], [1.0], "[]", f"it is {10**400}, and was 1.0"),
    ],
)
def test_the_rest_of_an_answer_is_exact(ours: object, recorded: object, place: str, why: str) -> None:
    assert response(ours, recorded) == [(place, "changed", why)]


def test_answers_that_are_no_json() -> None:
    assert compare_response("one", b"oops", b"{}", "application/json")[0].why == "it is no JSON"
    assert compare_response("one", b"a", b"b", "text/csv")[0].why == "the bytes differ"
    assert compare_response("one", b"{}", b"{ }", "application/json")[0].word == "within"
