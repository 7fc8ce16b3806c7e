"""How two fingerprints differ, in words; and which files are taken for one."""

import copy
import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mlimage.errors import UsageError
from mlimage.runtime.causes import CAUSES
from mlimage.verify.fingerprints import RULES, differences, summary
from mlimage.verify.outside import known_outside
from mlimage.verify.records import read_fingerprint, read_probe
from support.probing import fingerprinted
from support.running import image


@cache
def _own() -> dict[str, Any]:
    return fingerprinted()


def changed(*path: str, to: Any, again: dict[str, Any] | None = None) -> dict[str, Any]:
    """This machine's fingerprint with another value at a place."""
    found = copy.deepcopy(again or _own())
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return found


def test_equal_ones() -> None:
    assert differences(_own(), _own()) == ()
    assert (
        summary(_own(), _own(), ()) == "one numeric class and equal software: equal bits are to be expected"
    )


@pytest.mark.parametrize(
    ("path", "value", "severity", "cause"),
    [
        (("image", "lock"), "sha256:1", "bitwise", "A1"),
        (("image", "name"), "other", "cosmetic", None),
        (("python", "hash_seed"), "7", "bitwise", "D3"),
        (("libc", "name"), "musl", "tolerance", "A6"),
        (("packages", "numeric", "numpy"), "1.26.4", "tolerance", "A1"),
        (("packages", "sha256"), "0" * 64, "bitwise", "A1"),
        (("numpy", "dispatch_on"), [], "bitwise", "B1"),
        (("cpu", "architecture"), "aarch64", "bitwise", "B9"),
        (("cpu", "emulated"), True, "tolerance", "B10"),
        (("cpu", "ftz"), True, "bitwise", "B13"),
        (("cpu", "model"), "1", "cosmetic", None),
        (("limits", "threads"), 64, "bitwise", "B11"),
        (("limits", "memory"), 1, "cosmetic", "E8"),
        (("env", "MLIMAGE_SEED"), "9", "tolerance", "D5"),
        (("env", "NVIDIA_TF32_OVERRIDE"), "1", "tolerance", "C4"),
        (("env", "OPENBLAS_CORETYPE"), "Zen", "cosmetic", None),
        (("env", "TZ"), "UTC", "cosmetic", None),
        (("something", "new"), 1, "bitwise", "?"),
    ],
)
def test_what_a_field_means(path: tuple[str, ...], value: Any, severity: str, cause: str | None) -> None:
    base = {**_own(), "something": {"new": 0}}
    [found] = differences(base, changed(*path, to=value, again=base))
    assert (found.field, found.severity) == (".".join(path), severity)
    assert (found.cause.id if found.cause else None) == cause


def test_a_variable_matters_when_another_code_path_came_of_it() -> None:
    other = changed("env", "OPENBLAS_CORETYPE", to="Zen")
    other["numeric_class"] = "another"
    [found] = differences(_own(), other)
    assert found.severity == "bitwise"
    assert summary(_own(), other, (found,)) == "another numeric class: last bits differ, within the tolerance"


def test_a_kernel_of_openblas() -> None:
    other = copy.deepcopy(_own())
    [library] = [each for each in other["native"] if each["kind"] == "openblas"]
    library.update(kernel="Other", threads=7)
    found = differences(_own(), other)
    assert [(each.field, each.new, each.cause.id if each.cause else None) for each in found] == [
        ("native.openblas.numpy.kernel", "Other", "B3"),
        ("native.openblas.numpy.threads", 7, "B11"),
    ]


def test_the_gravest_first() -> None:
    other = changed("packages", "numeric", "numpy", to="1", again=changed("env", "TZ", to="UTC"))
    other = changed("limits", "threads", to=64, again=other)
    found = differences(_own(), other)
    assert [each.severity for each in found] == ["tolerance", "bitwise", "cosmetic"]
    assert summary(_own(), other, found) == (
        "numbers may differ beyond the tolerance: `mlimage probe --against` measures it"
    )


def test_every_rule_can_be_reached_and_its_cause_is_known() -> None:
    assert {rule.cause for rule in RULES if rule.cause} - set(CAUSES) == set()
    hidden = [
        later.field
        for at, later in enumerate(RULES)
        if any(fnmatchcase(later.field, earlier.field) for earlier in RULES[:at])
    ]
    assert hidden == []


def test_what_the_outside_adds() -> None:
    labels = {
        "dev.mlimage.lock": "sha256:2",
        "dev.mlimage.base": "debian:bookworm",
        "dev.mlimage.variant": "cpu",
    }
    sealed = image()
    found = known_outside(_own(), sealed, labels, emulated=False)
    assert found["image"] == {
        "name": "demo:cpu",
        "digest": sealed.digest,
        "id": sealed.image_id,
        "lock": "sha256:2",
        "base": "debian:bookworm",
        "variant": "cpu",
    }
    assert {**found, "image": _own()["image"]} == _own()


def test_an_emulator_that_cannot_be_seen_from_inside() -> None:
    found = known_outside(_own(), image(), {}, emulated=True)
    assert found["cpu"]["emulated"]
    assert found["numeric_class"].split(";")[0] == _own()["cpu"]["architecture"] + ":emulated"


HINT = "`mlimage fingerprint IMAGE --json > FILE` makes one, and a probe's record will do"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is no fingerprint"),
        ("{}", "it is no fingerprint"),
        ('{"schema": "mlimage/fingerprint/1"}', "it is no fingerprint"),
        (
            '{"schema": "mlimage/fingerprint/2"}',
            "it is `mlimage/fingerprint/2`, and this mlimage reads `mlimage/fingerprint/1`",
        ),
    ],
)
def test_a_file_that_is_no_fingerprint(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_fingerprint(path)
    assert (caught.value.message, caught.value.hint) == (f"`{path}`: {why}", HINT)


def test_a_fingerprint_and_a_record_of_a_probe_are_both_taken(tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text(json.dumps(_own()))
    assert read_fingerprint(path) == _own()
    path.write_text(json.dumps({"schema": "mlimage/probe/1", "fingerprint": _own(), "operations": []}))
    assert read_fingerprint(path) == _own()


def test_a_file_that_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "there.json"
    path.write_text(json.dumps(_own()))
    with pytest.raises(UsageError) as caught:
        read_probe(path)
    assert (caught.value.message, caught.value.hint) == (
        f"`{path}`: it is no record of a probe, but of `mlimage/fingerprint/1`",
        "`mlimage probe IMAGE --save FILE` makes one",
    )
    with pytest.raises(UsageError, match=r"^cannot read `.*/nowhere`: no such file or directory$"):
        read_probe(tmp_path / "nowhere")
