"""Computes the stages of a case with the application's own functions: request, features, outputs."""

# ruff: noqa: PTH100, PTH112, PTH118, PTH122, PTH123 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import ONE, Case, Record
from mlimage.runtime.probe.of_numpy import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlimage.runtime.probe.operation import Values

CONTENT_TYPES = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".npy": "application/x-npy",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}
"""Of requests, by the suffix of their files; all others are bytes."""
BYTES = "application/octet-stream"
ENDS = (Exception, SystemExit)
"""What a function of the application may end with. One that ends the process has given no result, either."""
OUTPUT = "output"
"""Name of what the model gives, where that is one array."""


def record(
    cases: Sequence[tuple[str, bytes]],
    calls: Mapping[str, str],
    *,
    model: str,
    state: Sequence[str],
    models: str,
    app: str,
    seed: int,
    profile: str,
    fingerprint: Callable[[], dict[str, Any]],
) -> Record:
    """Compute all cases, and note the digests of what computed them.

    Args:
        cases: names and requests.
        calls: `preprocess` and `predict`, each `MODULE:FUNCTION`.
        model: file or folder of the model, in the folder of models.
        state: files or folders that preprocessing reads, in the folder of models.
        models: the folder of models.
        app: folder of the application, whose modules count as its sources.
        seed: that of this process.
        profile: determinism profile of the image.
        fingerprint: of this machine; asked last, when all libraries are loaded.

    Raises:
        GoldenError: a function or a file is missing, or a case cannot be computed or recorded.
    """
    of_model, fitted = digests_in(models, [model]), digests_in(models, state)
    preprocess = function_named(calls["preprocess"])
    features = [features_of(preprocess, *case) for case in cases]
    # What is loaded by now made the features; what comes later did not.
    sources = sources_in(app)
    predict = function_named(calls["predict"])
    outputs = [outputs_of(predict, name, found) for (name, _), found in zip(cases, features)]
    return Record(
        calls=dict(calls),
        model=of_model,
        preprocess={**sources, **{f"models/{path}": digest for path, digest in fitted.items()}},
        seed=seed,
        profile=profile,
        fingerprint=fingerprint(),
        tolerance=TIERS,
        cases=tuple(
            Case(
                name=name,
                content_type=content_type_of(name),
                raw=raw,
                features=before,
                outputs=after,
            )
            for (name, raw), before, after in zip(cases, features, outputs)
        ),
    )


def function_named(call: str) -> Callable[[Any], Any]:
    """The function of `MODULE:FUNCTION`; raises `GoldenError` where it cannot be had."""
    module, _, name = call.partition(":")
    try:
        found: Callable[[Any], Any] = getattr(import_module(module), name)
    except ENDS as error:
        raise GoldenError(f"`{call}` cannot be had: {type(error).__name__}: {error}") from error
    return found


def content_type_of(name: str) -> str:
    """Content type of a request in a file of this name."""
    return CONTENT_TYPES.get(os.path.splitext(name)[1].lower(), BYTES)


def decoded(raw: bytes, content_type: str) -> Any:
    """What the preprocessing gets: the value of JSON, text of texts, an array of `.npy`, else the bytes.

    Raises:
        ValueError: the bytes are not what the content type says.
    """
    if content_type == "application/json":
        return json.loads(raw)
    if content_type.startswith("text/"):
        return raw.decode()
    if content_type == "application/x-npy":
        return _numpy().load(io.BytesIO(raw), allow_pickle=False)
    return raw


def features_of(preprocess: Callable[[Any], Any], name: str, raw: bytes) -> dict[str, Values]:
    """Stage 1 of a case; raises `GoldenError` where it cannot be computed or recorded."""
    try:
        found = preprocess(decoded(raw, content_type_of(name)))
    except ENDS as error:
        raise GoldenError(f"{name}: features: {type(error).__name__}: {error}") from error
    return _arrays(name, "features", found, ONE)


def outputs_of(predict: Callable[[Any], Any], name: str, features: Mapping[str, Values]) -> dict[str, Values]:
    """Stage 2 of a case, from features as they are recorded; raises `GoldenError` as `features_of` does."""
    try:
        arrays = {each: _array(values) for each, values in features.items()}
        found = predict(arrays[ONE] if list(arrays) == [ONE] else arrays)
    except GoldenError:
        raise
    except ENDS as error:
        raise GoldenError(f"{name}: outputs: {type(error).__name__}: {error}") from error
    return _arrays(name, "outputs", found, OUTPUT)


def digests_in(folder: str, paths: Iterable[str]) -> dict[str, str]:
    """Digests of these files, and of all in these folders, by their paths in the folder.

    Raises:
        GoldenError: one is missing.
    """
    found = {}
    for path in paths:
        place = os.path.join(folder, path)
        files = [path]
        if os.path.isdir(place):
            files = [
                os.path.relpath(os.path.join(parent, name), folder)
                for parent, _, names in os.walk(place)
                for name in names
            ]
        for file in sorted(files):
            found[file] = _digest(os.path.join(folder, file))
    return found


def sources_in(app: str) -> dict[str, str]:
    """Digests of the application's modules that are loaded, by their paths: `app/…`."""
    root = os.path.abspath(app) + os.sep
    files = {os.path.abspath(file) for module in list(sys.modules.values()) if (file := _file_of(module))}
    return {f"app/{file[len(root) :]}": _digest(file) for file in sorted(files) if file.startswith(root)}


def _file_of(module: object) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _digest(place: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(place, "rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise GoldenError(f"{place}: {(error.strerror or str(error)).lower()}") from error
    return digest.hexdigest()


def _arrays(name: str, stage: str, found: Any, single: str) -> dict[str, Values]:
    arrays = found if isinstance(found, dict) else {single: found}
    try:
        return {str(each): pack(_on_cpu(array)) for each, array in arrays.items()}
    except Exception as error:
        raise GoldenError(f"{name}: {stage}: no array: {type(error).__name__}: {error}") from error


def _on_cpu(array: Any) -> Any:
    # A PyTorch tensor may have a gradient or be on a GPU, where NumPy does not look.
    return array.detach().cpu() if hasattr(array, "detach") else array


def _array(values: Values) -> Any:
    np = _numpy()
    dtype = np.dtype(values.dtype).newbyteorder("<")
    return np.frombuffer(values.content, dtype).reshape(values.shape).astype(values.dtype)


def _numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise GoldenError("golden records need NumPy in the image: add `numpy` to `dependencies`") from error
