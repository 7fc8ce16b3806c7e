"""Arrays in NumPy's files, of plain types only: reading one runs no code.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

from __future__ import annotations

import ast
import math
import re
import struct
from typing import Any

from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.probe.operation import Values

_MAGIC = b"\x93NUMPY"
_CODES = {
    "bool": "|b1",
    "int8": "|i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
    "uint8": "|u1",
    "uint16": "<u2",
    "uint32": "<u4",
    "uint64": "<u8",
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
}
_NAMES = {code: name for name, code in _CODES.items()}
_TEXT = re.compile(r"<U(\d{1,6})\Z")
_AXES = 32
_LONGEST_HEADER = 10_000
"""NumPy's own limit on headers of files that it does not trust."""


def write_npy(values: Values) -> bytes:
    """The bytes of the file, always the same for the same array.

    Raises:
        GoldenError: no record has arrays of this type.
    """
    if values.dtype not in _CODES and not _TEXT.match(values.dtype):
        raise GoldenError(f"an array of type `{values.dtype}` cannot be recorded; {_known()}")
    code = _CODES.get(values.dtype, values.dtype)
    header = f"{{'descr': {code!r}, 'fortran_order': False, 'shape': {values.shape!r}, }}".encode()
    padded = header + b" " * (-(len(_MAGIC) + 4 + len(header) + 1) % 64) + b"\n"
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(padded)) + padded + values.content


def read_npy(content: bytes) -> Values:
    """Read what `write_npy` or `numpy.save` wrote.

    Raises:
        GoldenError: it is damaged, or an array of another type or order.
    """
    if not content.startswith(_MAGIC) or len(content) < 12:
        raise GoldenError("it is no array file (.npy)")
    width = 2 if content[6] == 1 else 4
    begin = 8 + width
    end = begin + int.from_bytes(content[8:begin], "little")
    if end > len(content) or end - begin > _LONGEST_HEADER:
        raise GoldenError("its header is damaged")
    dtype, shape = _header(content[begin:end])
    text = _TEXT.match(dtype)
    if text and not int(text[1]):
        raise GoldenError("its texts have no letters, which NumPy never writes")
    size = 4 * int(text[1]) if text else int(_CODES[dtype][2:])
    expected = size * math.prod(shape)
    if len(content) - end != expected:
        raise GoldenError(f"it has {len(content) - end} bytes of numbers, and its header says {expected}")
    return Values(dtype, shape, content[end:])


def texts(values: Values) -> tuple[str, ...]:
    """The elements of an array of texts; raises `GoldenError` where they are none."""
    width = 4 * int(values.dtype[2:])
    try:
        # As JSON may have them, with halves of pairs.
        whole = values.content.decode("utf-32-le", "surrogatepass")
    except UnicodeDecodeError as error:
        raise GoldenError("its texts are damaged") from error
    length = width // 4
    return (
        tuple(whole[at : at + length].rstrip("\0") for at in range(0, len(whole), length)) if length else ()
    )


def is_text(values: Values) -> bool:
    """Whether it is an array of texts."""
    return values.dtype.startswith("<U")


def _header(content: bytes) -> tuple[str, tuple[int, ...]]:
    try:
        said: Any = ast.literal_eval(content.decode("latin-1").strip())
        code, fortran, shape = said["descr"], said["fortran_order"], said["shape"]
    except (ValueError, SyntaxError, LookupError, TypeError, MemoryError, RecursionError) as error:
        raise GoldenError("its header is damaged") from error
    if isinstance(code, str) and code[:2] == "|O":
        raise GoldenError("it is an array of Python objects, which reading would run as code")
    if not isinstance(code, str) or (code not in _NAMES and not _TEXT.match(code)):
        raise GoldenError(f"its type `{code}` is unknown; {_known()}")
    if not isinstance(shape, tuple) or len(shape) > _AXES or not all(_is_length(axis) for axis in shape):
        raise GoldenError("its shape is damaged")
    if fortran and len(shape) > 1:
        raise GoldenError("its first axis is the fastest one (`fortran_order`); records have the last one")
    return _NAMES.get(code, code), shape


def _is_length(axis: object) -> bool:
    return isinstance(axis, int) and not isinstance(axis, bool) and axis >= 0


def _known() -> str:
    return f"records have {', '.join(_CODES)} and texts"
