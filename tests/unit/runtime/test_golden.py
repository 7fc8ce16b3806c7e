"""Golden records: written, read again, and refused where they are damaged."""

import hashlib
import json
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.npy import read_npy, texts, write_npy
from mlimage.runtime.golden.record import ONE, Case, Record, files_of, read_golden, write_golden
from mlimage.runtime.probe.operation import Values, doubles, integers

MODEL = {"model.npz": "a" * 64}
SOURCES = {"app/features.py": "b" * 64, "models/scaler.json": "c" * 64}

KNOWN = (
    "records have bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64 "
    "and texts"
)


def floats32(*numbers: float) -> Values:
    return Values("float32", (len(numbers),), struct.pack(f"<{len(numbers)}f", *numbers))


def record(*cases: Case) -> Record:
    return Record(
        calls={"preprocess": "features:transform", "predict": "model:predict"},
        model=MODEL,
        preprocess=SOURCES,
        seed=3,
        profile="fast",
        fingerprint={"numeric_class": "x86_64"},
        tolerance=TIERS,
        cases=cases,
    )


def case(name: str = "one.json") -> Case:
    return Case(
        name=name,
        content_type="application/json",
        raw=b"[1]",
        features={ONE: doubles([0.5, 1.0])},
        outputs={"logits": floats32(1, 2), "labels": integers([1])},
        response=b'{"digit": 1}',
        response_type="application/json",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_golden(record(case(), case("two.json")), str(tmp_path))
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    assert read_golden(str(folder)) == record(case(), case("two.json"))
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "cases/0001/features.npy",
        "cases/0001/outputs/labels.npy",
        "cases/0001/outputs/logits.npy",
        "cases/0001/raw.bin",
        "cases/0001/response.bin",
        "cases/0002/features.npy",
        "cases/0002/outputs/labels.npy",
        "cases/0002/outputs/logits.npy",
        "cases/0002/raw.bin",
        "cases/0002/response.bin",
        "manifest.json",
    ]


def test_a_record_has_one_form() -> None:
    again = record(case())._replace(
        model=dict(reversed(MODEL.items())), preprocess=dict(reversed(SOURCES.items()))
    )
    assert files_of(again) == files_of(record(case()))


@dataclass(frozen=True)
class Damage:
    path: str
    content: bytes | None
    message: str


@pytest.mark.parametrize(
    "damage",
    [
        Damage("manifest.json", None, "manifest.json: there is no golden record"),
        Damage("manifest.json", b"[]", "manifest.json: it is no golden record"),
        Damage("manifest.json", b"[" * 100_000, "manifest.json: it is no golden record"),
        Damage("manifest.json", b'{"model": 1}', "manifest.json: it is no golden record"),
        Damage(
            "manifest.json",
            b'{"format": 2}',
            "manifest.json: it has format 2, and this version of mlimage reads format 1",
        ),
        Damage("manifest.json", b'{"format": 1}', "manifest.json: it is damaged (KeyError: 'calls')"),
        Damage("cases/0002/raw.bin", None, "cases/0002/raw.bin: it is missing"),
        Damage(
            "cases/0002/outputs/logits.npy",
            b"",
            "cases/0002/outputs/logits.npy: it is not what was recorded: its SHA-256 differs from the "
            "manifest's",
        ),
    ],
    ids=lambda damage: damage.message,
)
def test_damage_is_refused(folder: Path, damage: Damage) -> None:
    place = folder / damage.path
    if damage.content is None:
        place.unlink()
    else:
        place.write_bytes(damage.content)
    with pytest.raises(GoldenError) as caught:
        read_golden(str(folder))
    assert str(caught.value) == f"{folder}/{damage.message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": {"digest": "sha256:0", "files": MODEL}},
            "(ValueError: digests of model or preprocessing)",
        ),
        ({"tolerance": {"outputs": {"float32": 2}}}, "(ValueError: a tolerance of 2)"),
        ({"tolerance": {"outputs": {"float32": float("nan")}}}, "(ValueError: a tolerance of nan)"),
        ({"cases": [{"files": {}}]}, "(KeyError: 'name')"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_manifest_that_lies_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    place = folder / "manifest.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | change))
    with pytest.raises(GoldenError) as caught:
        read_golden(str(folder))
    assert str(caught.value) == f"{place}: it is damaged {message}"


@pytest.mark.parametrize(
    "path", ["../../secret", "/etc/passwd", "outputs/../../x.npy", "outputs/.npy", "outputs/a/b.npy"]
)
def test_no_file_outside_of_a_case_is_read(folder: Path, path: str) -> None:
    place = folder / "manifest.json"
    said = json.loads(place.read_text())
    said["cases"][0]["files"][path] = "0" * 64
    place.write_text(json.dumps(said))
    with pytest.raises(GoldenError) as caught:
        read_golden(str(folder))
    assert str(caught.value) == f"{folder}/cases/0001: `{path}` is no file of a golden record"


def test_an_array_that_reading_would_run_is_refused_whatever_its_digest(folder: Path) -> None:
    content = npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\x80\x04N.")
    (folder / "cases/0001/features.npy").write_bytes(content)
    place = folder / "manifest.json"
    said = json.loads(place.read_text())
    said["cases"][0]["files"]["features.npy"] = hashlib.sha256(content).hexdigest()
    place.write_text(json.dumps(said))
    with pytest.raises(GoldenError) as caught:
        read_golden(str(folder))
    assert str(caught.value) == (
        f"{folder}/cases/0001/features.npy: it is an array of Python objects, which reading would run as code"
    )


def test_names_that_are_no_files_are_refused() -> None:
    bad = case()._replace(outputs={"../x": doubles([1])})
    with pytest.raises(GoldenError) as caught:
        files_of(record(bad))
    assert str(caught.value) == (
        "one.json: outputs: `../x` cannot be the name of an array: letters, digits, _.-"
    )


def npy(header: bytes, content: bytes, version: int = 1) -> bytes:
    """A file as NumPy writes it."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + content


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_files_of_numpy_are_read(version: int) -> None:
    # numpy.save(np.float32([[1, 2, 3]])) and newer versions of the format, with NumPy 2's room for growth
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }" + b" " * 58 + b"\n"
    found = read_npy(npy(header, struct.pack("<3f", 1, 2, 3), version))
    assert found == Values("float32", (1, 3), struct.pack("<3f", 1, 2, 3))


def test_texts_are_arrays_too() -> None:
    values = Values("<U3", (2,), "ab\0c\0\0".encode("utf-32-le"))
    assert read_npy(write_npy(values)) == values
    assert texts(values) == ("ab", "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no array file (.npy)"),
        (b"PK\x03\x04" + bytes(60), "it is no array file (.npy)"),
        (npy(b"__import__('os')", b""), "its header is damaged"),
        (npy(b"(" * 5000, b""), "its header is damaged"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b""), "its shape is damaged"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", b""), "its shape is damaged"),
        (
            npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999,)}", b"1234"),
            "it has 4 bytes of numbers, and its header says 3999999999996",
        ),
        (
            npy(b"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", b"1234"),
            "its first axis is the fastest one (`fortran_order`); records have the last one",
        ),
        (
            npy(b"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", b"12345678"),
            f"its type `<c8` is unknown; {KNOWN}",
        ),
        (
            npy(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", b"1234"),
            f"its type `[('a', '<f4')]` is unknown; {KNOWN}",
        ),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(GoldenError) as caught:
        read_npy(content)
    assert str(caught.value) == message


@given(st.binary(max_size=300))
def test_any_bytes_are_an_array_or_refused(content: bytes) -> None:
    for file in (
        content,
        npy(content, b""),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': ()}", content),
    ):
        with suppress(GoldenError):
            found = read_npy(file)
            assert read_npy(write_npy(found)) == found


def test_types_without_a_place_in_a_record_are_refused() -> None:
    with pytest.raises(GoldenError) as caught:
        write_npy(Values("complex64", (1,), bytes(8)))
    assert str(caught.value) == f"an array of type `complex64` cannot be recorded; {KNOWN}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cases": []}, "ValueError: there are no cases"),
        ({"seed": float("inf")}, "OverflowError: cannot convert float infinity to integer"),
        (
            {"tolerance": {"outputs": {"float32": 10**400}}},
            "OverflowError: int too large to convert to float",
        ),
    ],
)
def test_a_manifest_that_says_what_cannot_be(folder: Path, change: dict[str, Any], why: str) -> None:
    place = folder / "manifest.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))
    with pytest.raises(GoldenError) as caught:
        read_golden(str(folder))
    assert str(caught.value) == f"{place}: it is damaged ({why})"


def test_texts_without_letters_are_none() -> None:
    with pytest.raises(GoldenError, match="its texts have no letters"):
        read_npy(write_npy(Values("<U0", (3,), b"")))
