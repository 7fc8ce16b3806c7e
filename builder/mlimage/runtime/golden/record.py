"""A golden record as files: `manifest.json`, and in `cases/NNNN` what went in and came out of each case."""

# ruff: noqa: PTH103, PTH117, PTH118, PTH120, PTH123 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any, NamedTuple

from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.npy import read_npy, write_npy
from mlimage.runtime.probe.operation import Values

FORMAT = 1
MANIFEST = "manifest.json"
FOLDER = "/opt/mlimage/golden"
"""Where it is in an image."""
ONE = ""
"""Name of the features where they are one array, without a name: `features.npy`."""
CALLS = ("preprocess", "predict")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_RAW, _RESPONSE = "raw.bin", "response.bin"


class Case(NamedTuple):
    """One request, and what each stage makes of it.

    Attributes:
        name: the file that the user wrote the request to.
        content_type: of the request.
        raw: the request as a server gets it.
        features: what the preprocessing makes of it, by name; of one array alone under `ONE`.
        outputs: what the model makes of the features, by name.
        response: what a server answers, None where that was not recorded.
        response_type: content type of the answer, empty where there is none.
    """

    name: str
    content_type: str
    raw: bytes
    features: dict[str, Values]
    outputs: dict[str, Values]
    response: bytes | None = None
    response_type: str = ""


class Record(NamedTuple):
    """A golden record.

    Attributes:
        calls: what computes the stages, `MODULE:FUNCTION`, by the spec's words: `preprocess` and `predict`.
        model: digests of the model's files, by their path under the folder of models.
        preprocess: digests of what makes the features: sources (`app/…`) and fitted state (`models/…`).
        seed: what random numbers were seeded with.
        profile: determinism profile of the recorder.
        fingerprint: of the recorder (`mlimage.runtime.fingerprint`).
        tolerance: how far another machine may be off, by stage (`features`, `outputs`) and type of number;
            what is not there is exact.
        cases: in their order.
    """

    calls: dict[str, str]
    model: dict[str, str]
    preprocess: dict[str, str]
    seed: int
    profile: str
    fingerprint: dict[str, Any]
    tolerance: dict[str, dict[str, float]]
    cases: tuple[Case, ...]


def digest_of(files: dict[str, str]) -> str:
    """One digest for all files, each named with its own: `sha256:…`."""
    text = json.dumps(files, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def folder_of(number: int) -> str:
    """Folder of a case in the record; numbers count from 1."""
    return f"cases/{number:04}"


def files_of(record: Record) -> dict[str, bytes]:
    """The files of a record, by their path in it; the same bytes for the same record.

    Raises:
        GoldenError: an array has a name or a type that no record has.
    """
    files: dict[str, bytes] = {}
    cases = []
    for number, case in enumerate(record.cases, 1):
        own = _files_of_case(case)
        files.update({f"{folder_of(number)}/{path}": content for path, content in own.items()})
        said: dict[str, Any] = {"name": case.name, "content_type": case.content_type}
        if case.response is not None:
            said["response_type"] = case.response_type
        said["files"] = {path: hashlib.sha256(content).hexdigest() for path, content in own.items()}
        cases.append(said)
    manifest = {
        "format": FORMAT,
        "calls": record.calls,
        "model": {"digest": digest_of(record.model), "files": record.model},
        "preprocess": {"digest": digest_of(record.preprocess), "files": record.preprocess},
        "seed": record.seed,
        "profile": record.profile,
        "tolerance": record.tolerance,
        "cases": cases,
        "fingerprint": record.fingerprint,
    }
    files[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    return files


def _files_of_case(case: Case) -> dict[str, bytes]:
    files = {_RAW: case.raw}
    for stage, arrays in (("features", case.features), ("outputs", case.outputs)):
        for name, values in arrays.items():
            if name == ONE and stage == "features" and len(arrays) == 1:
                path = "features.npy"
            elif _NAME.match(name):
                path = f"{stage}/{name}.npy"
            else:
                raise GoldenError(
                    f"{case.name}: {stage}: `{name}` cannot be the name of an array: letters, digits, _.-"
                )
            try:
                files[path] = write_npy(values)
            except GoldenError as error:
                raise GoldenError(f"{case.name}: {stage}: {error}") from None
    if case.response is not None:
        files[_RESPONSE] = case.response
    return files


def paths_of(record: Record) -> tuple[str, ...]:
    """The paths of the files of a record, in it."""
    return tuple(files_of(record))


def files_of_model(record: Record) -> dict[str, str]:
    """The files of model and fitted state with their digests, by their paths in the folder of models."""
    state = {
        path[len("models/") :]: digest
        for path, digest in record.preprocess.items()
        if path.startswith("models/")
    }
    return {**record.model, **state}


def write_golden(record: Record, folder: str) -> None:
    """Write a record into an empty folder; the manifest comes last, so that without it there is no record."""
    for path, content in files_of(record).items():
        place = os.path.join(folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as stream:
            stream.write(content)


def read_golden(folder: str = FOLDER) -> Record:
    """Read a record, every byte of it held against its digest.

    Raises:
        GoldenError: there is none, it is damaged, or of a newer format; begins with the file.
    """
    place = os.path.join(folder, MANIFEST)
    said = read_manifest(place)
    try:
        return Record(
            calls={word: str(said["calls"][word]) for word in CALLS},
            model=_digests(said["model"]),
            preprocess=_digests(said["preprocess"]),
            seed=int(said["seed"]),
            profile=str(said["profile"]),
            fingerprint=dict(said["fingerprint"]),
            tolerance={
                str(stage): {str(dtype): _tolerance(limit) for dtype, limit in limits.items()}
                for stage, limits in said["tolerance"].items()
            },
            cases=_cases(folder, said["cases"]),
        )
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise GoldenError(f"{place}: it is damaged ({type(error).__name__}: {error})") from error


def read_manifest(place: str) -> dict[str, Any]:
    """Read `manifest.json` alone; raises `GoldenError` as `read_golden` does."""
    try:
        with open(place, "rb") as stream:
            said = json.loads(stream.read())
        number = said["format"]
    except FileNotFoundError:
        raise GoldenError(f"{place}: there is no golden record") from None
    except OSError as error:
        raise GoldenError(f"{place}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise GoldenError(f"{place}: it is no golden record") from error
    if number != FORMAT:
        raise GoldenError(
            f"{place}: it has format {number}, and this version of mlimage reads format {FORMAT}"
        )
    found: dict[str, Any] = said
    return found


def _cases(folder: str, said: Any) -> tuple[Case, ...]:
    if not said:
        raise ValueError("there are no cases")
    return tuple(_case(os.path.join(folder, folder_of(number)), each) for number, each in enumerate(said, 1))


def _case(folder: str, said: Any) -> Case:
    files: dict[str, bytes] = {}
    for path, digest in said["files"].items():
        files[path] = _checked(folder, path, digest)
    arrays: dict[str, dict[str, Values]] = {"features": {}, "outputs": {}}
    for path, content in files.items():
        if path in {_RAW, _RESPONSE}:
            continue
        stage, _, name = path[: -len(".npy")].partition("/")
        try:
            arrays[stage][name] = read_npy(content)
        except GoldenError as error:
            raise GoldenError(f"{os.path.join(folder, path)}: {error}") from None
    return Case(
        name=str(said["name"]),
        content_type=str(said["content_type"]),
        raw=files[_RAW],
        features=arrays["features"],
        outputs=arrays["outputs"],
        response=files.get(_RESPONSE),
        response_type=str(said.get("response_type", "")),
    )


def _checked(folder: str, path: str, digest: str) -> bytes:
    place = os.path.join(folder, path)
    stage, slash, name = path.partition("/")
    known = path in {_RAW, _RESPONSE, "features.npy"} or (
        stage in {"features", "outputs"}
        and slash
        and name.endswith(".npy")
        and _NAME.match(name[: -len(".npy")])
    )
    if not known:
        raise GoldenError(f"{folder}: `{path}` is no file of a golden record")
    try:
        with open(place, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise GoldenError(f"{place}: it is missing") from None
    except OSError as error:
        raise GoldenError(f"{place}: {(error.strerror or str(error)).lower()}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise GoldenError(f"{place}: it is not what was recorded: its SHA-256 differs from the manifest's")
    return content


def _digests(said: Any) -> dict[str, str]:
    files = {str(path): str(digest) for path, digest in said["files"].items()}
    if any(os.path.isabs(path) or ".." in path.split("/") for path in files):
        raise ValueError("a path that leads out")
    if not all(_SHA256.match(digest) for digest in files.values()) or digest_of(files) != said["digest"]:
        raise ValueError("digests of model or preprocessing")
    return files


def _tolerance(limit: Any) -> float:
    found = float(limit)
    if not 0 <= found < 1:
        raise ValueError(f"a tolerance of {limit}")
    return found
