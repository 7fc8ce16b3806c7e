"""`docker run IMAGE probe`."""

from __future__ import annotations

import argparse
import faulthandler
import json
import sys
from typing import TYPE_CHECKING, Any

from mlimage.runtime.probe.measure import GROUPS, is_there, without_values
from mlimage.runtime.probe.record import RecordError, make_record, parse_record
from mlimage.runtime.probe.table import comparison_lines, record_lines
from mlimage.runtime.probe.verdicts import Comparison, compare, wrong
from mlimage.runtime.words.fingerprint import profile

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 8
"""Exit status for a machine that computes wrong, or otherwise than another one."""


def main(arguments: Sequence[str]) -> int:
    """Probe this machine; the status is 8 when it fails, 2 when the other record cannot be used."""
    given = _parsed(arguments)
    # A CPU without an instruction, or an emulator's defect, ends the process: this says in which operation.
    faulthandler.enable()
    try:
        theirs = _read(given.against) if given.against else None
        ours = make_record(profile=profile(), groups=_groups(given.group))
        comparison = compare(ours, theirs) if theirs is not None else None
    except (RecordError, ValueError) as error:
        sys.stderr.write(f"mlimage: {error}\n")
        return 2
    if given.save:
        text = json.dumps(ours) + "\n"
        if given.save == "-":
            sys.stdout.write(text)
            return FAILED if wrong(ours) else 0
        with open(given.save, "w", encoding="utf-8") as stream:  # noqa: PTH123 - `pathlib` costs time
            stream.write(text)
    if given.json:
        sys.stdout.write(json.dumps(as_value(ours, comparison), indent=2) + "\n")
    else:
        lines = [*record_lines(ours, every=given.verbose)]
        if comparison:
            lines += ["", *comparison_lines(comparison, every=given.verbose)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return FAILED if wrong(ours) or (comparison and not comparison.agrees) else 0


def as_value(record: dict[str, Any], comparison: Comparison | None) -> dict[str, Any]:
    """What `--json` prints: the record without its arrays, and the comparison, None where there is none."""
    if comparison is None:
        return {**without_values(record), "comparison": None}
    said = {
        "agrees": comparison.agrees,
        "verdicts": [verdict._asdict() for verdict in comparison.verdicts],
        "causes": [
            {**finding.cause._asdict(), "operations": list(finding.operations)}
            for finding in comparison.findings
        ],
        "only_here": list(comparison.only_here),
        "only_there": list(comparison.only_there),
    }
    return {**without_values(record), "comparison": said}


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="probe", description="Compute what is known, and say whether this machine computes it right."
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON, without the arrays")
    parser.add_argument("--verbose", "-v", action="store_true", help="a line for every operation")
    parser.add_argument(
        "--save", metavar="FILE", help="write the record, with the arrays, there; - is stdout"
    )
    parser.add_argument("--against", metavar="FILE", help="hold it against the record of another machine")
    parser.add_argument("--group", action="append", choices=GROUPS, help="only this group; may be repeated")
    return parser.parse_args(arguments)


def _groups(wanted: list[str] | None) -> list[str] | None:
    lacking = [group for group in wanted or () if not is_there(group)]
    if "cuda" in lacking:
        raise RecordError("--group: PyTorch sees no GPU here, or is not in this image")
    if lacking:
        raise RecordError(f"--group: this image has no {', '.join(lacking)}")
    return wanted


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - `pathlib` costs time
            return parse_record(stream.read())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
