"""Import one module, and write what became of it to a descriptor: `python -c ATTEMPT MODULE FD WITHOUT`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # `-c` puts the working directory there, and modules of the application are not what is asked about.
    own = sys.argv[3].rstrip("/") + "/"
    sys.path[:] = [place for place in sys.path if place and not f"{place}/".startswith(own)]

import importlib
import json
import os
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

CAUSES = 8
FRAMES = 80
TEXT = 4000


def main(module: str, report: int) -> NoReturn:
    """Import it in this process, which ends."""
    told = []
    own = os.getpid()
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - whatever it is must be told
        told = [describe(each) for each in causes(error)]
    if os.getpid() != own:  # a process that the module forked, which reports to nobody
        os._exit(bool(told))
    with os.fdopen(report, "w", encoding="utf-8", errors="backslashreplace") as stream:
        json.dump(told, stream)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads and `atexit` of what was imported are not what is asked about


def causes(error: BaseException | None) -> list[BaseException]:
    """The error, then what it was raised from, and so on; what it was raised beside only where it says so."""
    found: list[BaseException] = []
    while error is not None and len(found) < CAUSES and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def describe(error: BaseException) -> dict[str, Any]:
    """What a person needs to know of an exception, as a JSON value."""
    frames = [
        [frame.f_code.co_filename, line]
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename != "<string>" and "importlib" not in frame.f_code.co_filename
    ]
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a class of its own may not even do this
        message = ""
    return {
        "type": type(error).__name__,
        "message": message[:TEXT],
        "name": _text(error.name) if isinstance(error, ImportError) else None,
        "path": _text(getattr(error, "path", None)),
        "explicit": error.__cause__ is not None,
        "missing": isinstance(error, ModuleNotFoundError),
        "frames": frames[-FRAMES:],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)[:TEXT]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
