"""`docker run IMAGE verify`: the image's golden record, held against what is computed here."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from mlimage.runtime.fingerprint import fingerprint
from mlimage.runtime.golden.check import Checked, check
from mlimage.runtime.golden.compare import STAGES, Verdict, how_far
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import FOLDER, read_golden
from mlimage.runtime.words.aside import prints_aside
from mlimage.runtime.words.fingerprint import profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMA = "mlimage/check/1"
FAILED = 8
"""Exit status where something is not as it was recorded."""


def main(arguments: Sequence[str]) -> int:
    """Compute stage 1 and 2; status 8 when one is not as recorded, 1 without a usable record."""
    given = _parsed(arguments)
    try:
        record = read_golden(given.golden)
    except GoldenError as error:
        sys.stderr.write(f"mlimage: {error}\n")
        return 1
    models = os.environ.get("MLIMAGE_MODELS", "/models")
    with prints_aside():
        found = check(record, given.stage or STAGES[:2], models=models, app=given.app)
    if given.json:
        # Asked last, as the recorder's was: when all libraries are loaded.
        value = as_value(found, fingerprint(os.environ, profile=profile()))
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines(found)))
    return 0 if passed(found) else FAILED


def passed(found: Checked) -> bool:
    """Whether all is as recorded."""
    return not found.changed and all(verdict.passed for verdict in found.verdicts)


def as_value(found: Checked, here: dict[str, Any]) -> dict[str, Any]:
    """What `--json` prints; an error that cannot be measured is null."""
    return {
        "schema": SCHEMA,
        "passed": passed(found),
        "changed": found.changed,
        "patterns": found.patterns,
        "verdicts": [value_of(verdict) for verdict in found.verdicts],
        "fingerprint": here,
    }


def value_of(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a JSON value."""
    return {**verdict._asdict(), "error": verdict.error if math.isfinite(verdict.error) else None}


def lines(found: Checked) -> Iterator[str]:
    """The same for people: what is not as recorded, and how many are."""
    for of, files in found.changed.items():
        for path, why in files.items():
            yield f"{of}: {path}: {why}"
    for verdict in found.verdicts:
        if not verdict.passed:
            off = verdict.why or f"off by {how_far(verdict)}, and {verdict.tolerance:.2g} is allowed"
            name = f" `{verdict.what}`" if verdict.what else ""
            yield f"{verdict.stage}{name} of case `{verdict.case}`: {off}"
    for stage in STAGES[:2]:
        own = [verdict for verdict in found.verdicts if verdict.stage == stage]
        if own:
            well = sum(verdict.passed for verdict in own)
            yield f"{stage}: {well} of {len(own)} arrays are as recorded"
        if stage in found.patterns:
            yield f"{stage}: {found.patterns[stage]}"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify", description="Hold what this image computes here against its golden record."
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--stage", action="append", choices=STAGES[:2], help="only this one; may be repeated")
    parser.add_argument("--golden", metavar="FOLDER", default=FOLDER, help=f"the record ({FOLDER})")
    parser.add_argument("--app", metavar="FOLDER", default="/app", help="where the application is (/app)")
    return parser.parse_args(arguments)
