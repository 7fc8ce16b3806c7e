"""Requests that training chooses for the golden record."""

# ruff: noqa: PTH103, PTH105, PTH118, PTH122, PTH123 - `pathlib` costs time that every start would wait for
from __future__ import annotations

import os
from typing import Any

from mlimage.runtime.places import CASES
from mlimage_runtime.places import models

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_LONGEST = 100


def record(request: Any, name: str) -> str:
    """Keep a request for the golden record: `mlimage freeze` takes it with those that the spec names.

    Training knows which requests tell most: usual ones of each kind, and some that the model can hardly
    decide.

    >>> record({"instances": [row]}, "undecided-1")  # doctest: +SKIP

    Args:
        request: bytes; a text; an array of NumPy; or anything that JSON has, as a client would send it.
        name: of its file; a request of the same name is replaced. Without a suffix that means a content type
            it gets `.bin`, `.txt`, `.npy` or `.json`; a server is told the content type.

    Returns:
        The path of the file, in the folder of models.

    Raises:
        ValueError: the name cannot be that of a file, or the request is nothing that JSON has.
    """
    if not 0 < len(name) <= _LONGEST or not _LETTERS.issuperset(name) or name[0] in ".-":
        raise ValueError(f"`{name}` cannot be the name of a request: letters, digits, `_`, `.` and `-`")
    content, suffix = _content(request)
    folder = os.path.join(models(), CASES)
    os.makedirs(folder, exist_ok=True)
    place = os.path.join(folder, name if _says_what(name, suffix) else name + suffix)
    # A reader sees each file whole or not at all.
    writing = os.path.join(folder, f".{name}.{os.getpid()}")
    with open(writing, "wb") as stream:
        stream.write(content)
    os.replace(writing, place)
    return place


def _says_what(name: str, suffix: str) -> bool:
    """Whether its own suffix is one; `undecided-0.5` has none, and bytes may have any."""
    from mlimage.runtime.golden.recorder import CONTENT_TYPES

    own = os.path.splitext(name)[1].lower()
    return own in CONTENT_TYPES or bool(own and suffix == ".bin")


def _content(request: Any) -> tuple[bytes, str]:
    # Imported here: every program that wants a seed would wait for them.
    import io
    import json

    if isinstance(request, (bytes, bytearray)):
        return bytes(request), ".bin"
    if isinstance(request, str):
        return request.encode(), ".txt"
    if hasattr(request, "__array__"):
        import numpy as np

        stream = io.BytesIO()
        np.save(stream, np.asarray(request), allow_pickle=False)
        return stream.getvalue(), ".npy"
    try:
        return json.dumps(request, allow_nan=False, separators=(",", ":")).encode(), ".json"
    except TypeError as error:
        raise ValueError(f"JSON has no such request: {error}") from error
