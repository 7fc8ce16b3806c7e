"""Run every operation of what is installed, and judge each against its truth."""

from __future__ import annotations

import base64
import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.compare import normwise
from mlimage.runtime.probe.operation import Operation, Values

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "mlimage/probe/1"
GROUPS = ("python", "numpy", "sklearn", "torch", "cuda", "onnxruntime", "tensorflow", "jax")
"""In this order. `cuda` needs a GPU that PyTorch sees, all others but the first the package of their name."""
_LACKING = (AttributeError, ImportError, NotImplementedError, TypeError)
"""What a library that is older or newer than this probe raises; anything else is the machine's doing."""


def present() -> list[str]:
    """The groups that can be asked here."""
    return [group for group in GROUPS if is_there(group)]


def is_there(group: str) -> bool:
    """Whether a group's package is installed, or its hardware there."""
    if group == "cuda":
        return find_spec("torch") is not None and _sees_gpu()
    return group == "python" or find_spec(group) is not None


def _sees_gpu() -> bool:
    try:
        return bool(import_module("torch").cuda.is_available())
    except _LACKING:
        return False


def measure(groups: Iterable[str]) -> dict[str, Any]:
    """What the probe's record says of the operations, as a JSON value.

    Of an operation, `correct` is whether it is within its bound of the truth, and None where its library
    has no such thing; `values` are its bytes, which another probe can be compared with; `problem` says why
    there are none.
    """
    found: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for group in groups:
        began = time.perf_counter()
        try:
            found += [
                _measured(operation) for operation in import_module(f"{__package__}.of_{group}").operations()
            ]
        except _LACKING as error:
            skipped[group] = _words(error)
        seconds[group] = round(time.perf_counter() - began, 3)
    return {"operations": found, "skipped": skipped, "seconds": seconds}


def _measured(operation: Operation) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": operation.name,
        "tolerance": operation.tolerance,
        "bound": operation.bound,
        "dtype": None,
        "shape": None,
        "sha256": None,
        "error": None,
        "correct": False,
        "problem": None,
        "values": None,
    }
    try:
        values = operation.compute()
        judged, truth = operation.truth(values)
        error = normwise(judged, truth)
    except _LACKING as lacking:
        return {**said, "correct": None, "problem": _words(lacking)}
    # Of what else happens, as LinAlgError, a machine that computes right gives no occasion.
    except Exception as failure:  # noqa: BLE001
        return {**said, "problem": _words(failure)}
    return {
        **said,
        "dtype": values.dtype,
        "shape": list(values.shape),
        "sha256": values.sha256,
        "error": error if error < float("inf") else "infinite",
        "correct": error <= operation.bound,
        "values": base64.b64encode(values.content).decode("ascii"),
    }


def values_of(said: dict[str, Any]) -> Values | None:
    """The values that a record has of an operation; None where it has none.

    Raises:
        ValueError: they are damaged.
    """
    if said.get("values") is None:
        return None
    values = Values(said["dtype"], tuple(said["shape"]), base64.b64decode(said["values"], validate=True))
    if values.sha256 != said["sha256"]:
        raise ValueError(f"the values of `{said['name']}` do not have the digest that stands beside them")
    return values


def without_values(record: dict[str, Any]) -> dict[str, Any]:
    """The record as people and programs read it, without the arrays."""
    operations = [
        {key: value for key, value in operation.items() if key != "values"}
        for operation in record["operations"]
    ]
    return {**record, "operations": operations}


def _words(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
