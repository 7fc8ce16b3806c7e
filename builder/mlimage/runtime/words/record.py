"""`docker run IMAGE record`: what `mlimage freeze` starts, several times."""

# ruff: noqa: PTH118, PTH123, PTH208 - as everywhere in the runtime, `pathlib` costs time
from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from mlimage.runtime.fingerprint import fingerprint
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import CALLS, write_golden
from mlimage.runtime.golden.recorder import record
from mlimage.runtime.words.aside import prints_aside
from mlimage.runtime.words.fingerprint import profile

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Compute the cases and write their record; the status is 1 where that cannot be."""
    given = _parsed(arguments)
    said = profile() or "fast"
    try:
        with prints_aside():
            made = record(
                _cases(given.cases),
                {word: getattr(given, word) for word in CALLS},
                model=given.model,
                state=given.state,
                models=os.environ.get("MLIMAGE_MODELS", "/models"),
                app=given.app,
                seed=int(os.environ.get("MLIMAGE_SEED", "0")),
                profile=said,
                fingerprint=lambda: fingerprint(os.environ, profile=said),
            )
        write_golden(made, given.to)
    except GoldenError as error:
        sys.stderr.write(f"mlimage: {error}\n")
        return 1
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="record", description="Compute chosen requests, and record what each stage gives."
    )
    parser.add_argument("--cases", metavar="FOLDER", required=True, help="the requests, a file each")
    parser.add_argument("--to", metavar="FOLDER", required=True, help="an empty folder, for the record")
    parser.add_argument("--preprocess", metavar="MODULE:FUNCTION", required=True, help="request to features")
    parser.add_argument("--predict", metavar="MODULE:FUNCTION", required=True, help="features to outputs")
    parser.add_argument("--model", metavar="PATH", required=True, help="the model, in the folder of models")
    parser.add_argument(
        "--state", metavar="PATH", action="append", default=[], help="what preprocessing reads there"
    )
    parser.add_argument("--app", metavar="FOLDER", default="/app", help="where the application is (/app)")
    return parser.parse_args(arguments)


def _cases(folder: str) -> list[tuple[str, bytes]]:
    found = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as stream:
            found.append((name, stream.read()))
    return found
