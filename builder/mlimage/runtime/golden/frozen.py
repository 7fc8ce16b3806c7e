"""The preprocessing of the golden record, for the programs of the image: the frozen one, or none."""

# ruff: noqa: PTH110, PTH118 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from mlimage.runtime.golden.check import changed
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import FOLDER, MANIFEST, ONE, read_golden
from mlimage.runtime.golden.recorder import function_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlimage.runtime.golden.record import Record

APP = "/app"
"""Where the application is in an image."""


class Form(NamedTuple):
    """An array of the features, as all cases have it.

    Attributes:
        dtype: the type of its numbers.
        shape: without the first axis, which counts samples; None where cases differ in it.
    """

    dtype: str
    shape: tuple[int, ...] | None


def frozen_preprocess(
    function: str | None, *, training: bool, models: str, app: str = APP, folder: str = FOLDER
) -> Callable[[Any], Any]:
    """The function, held against the record that is in the image, and its features against their form there.

    Nothing is held where there is no record, in training, which fits state anew, and for a model that is not
    the recorded one.

    Args:
        function: `MODULE:FUNCTION`; None for that of the record.
        training: whether this program trains.
        models: the folder of models.
        app: the folder of the application.
        folder: the record's.

    Raises:
        GoldenError: it is not the frozen one, or cannot be had.
    """
    if not os.path.exists(os.path.join(folder, MANIFEST)):
        if function is None:
            raise GoldenError("no golden record says which one: name it, as `features:transform`")
        return function_named(function)
    record = read_golden(folder)
    name = record.calls["preprocess"]
    if function not in (None, name):
        raise GoldenError(f"the golden record is of `{name}`, and not of `{function}`")
    call = function_named(name)
    if training:
        return call
    folders = {"app": app, "models": models}
    wrong = changed(record.preprocess, folders)
    fitted_anew = all(path.startswith("models/") for path in wrong)
    if wrong and fitted_anew and changed(_model(record), folders):
        return call
    if wrong:
        path, why = next(iter(wrong.items()))
        raise GoldenError(f"the preprocessing is not the frozen one: `{path}`: {why}")
    return _Held(call, forms_of(record))


def _model(record: Record) -> dict[str, str]:
    return {f"models/{path}": digest for path, digest in record.model.items()}


def forms_of(record: Record) -> dict[str, Form]:
    """The form of each array of the features, by its name."""
    found: dict[str, Form] = {}
    for case in record.cases:
        for name, values in case.features.items():
            known = found.get(name)
            shape = values.shape[1:] if known is None or known.shape == values.shape[1:] else None
            found[name] = Form(values.dtype, shape)
    return found


class _Held:
    """A function whose arrays have the form that they had."""

    def __init__(self, call: Callable[[Any], Any], forms: dict[str, Form]) -> None:
        self._call = call
        self._forms = forms

    def __call__(self, request: Any) -> Any:
        """What the function gives.

        Raises:
            ValueError: it has other names, types or shapes than in the golden record.
        """
        found = self._call(request)
        arrays = found if isinstance(found, dict) else {ONE: found}
        named = {str(name): array for name, array in arrays.items()}
        if named.keys() != self._forms.keys():
            known = _listed(self._forms)
            raise ValueError(f"the features are {_listed(named)}, and in the golden record {known}")
        for name, array in named.items():
            form, place = self._forms[name], f"features `{name}`" if name else "features"
            dtype = _type_of(array, form.dtype)
            if dtype != form.dtype and not (dtype.startswith("<U") and form.dtype.startswith("<U")):
                raise ValueError(f"{place} are {dtype}, and in the golden record {form.dtype}")
            shape = getattr(array, "shape", None)
            if shape is not None and form.shape is not None and tuple(shape)[1:] != form.shape:
                raise ValueError(
                    f"{place} are of shape {tuple(shape)}, and in the golden record {_shape(form.shape)}"
                )
        return found


def _type_of(array: Any, default: str) -> str:
    """The name of an array's type: NumPy's, though it be of torch (`torch.float32`) or TensorFlow."""
    dtype: Any = getattr(array, "dtype", default)
    said = str(dtype)
    return str(dtype.name) if said.startswith("<dtype") else said.rpartition(".")[2]


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) if set(names) != {ONE} else "one array"


def _shape(rest: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, rest)])})"
