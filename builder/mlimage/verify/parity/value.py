"""A report as a JSON value. Pure."""

import math
from typing import Any, Final

from mlimage import __version__
from mlimage.runtime.golden.compare import Verdict
from mlimage.runtime.words.probe import as_value as probe_value
from mlimage.verify.fingerprints import value_of
from mlimage.verify.parity.latency import QUANTILES
from mlimage.verify.parity.model import Fingerprints, Probed, Report

SCHEMA: Final = "mlimage/verification/1"
MEDIA_TYPE: Final = "application/vnd.mlimage.verification.v1+json"
"""Of the report as a referrer of its image."""


def as_value(report: Report) -> dict[str, Any]:
    """What `--json` prints, and `--attach` attaches. Times are seconds; an error without measure is null."""
    subject, culprit = report.subject, report.culprit
    return {
        "schema": SCHEMA,
        "mlimage": __version__,
        "created": report.created,
        "passed": report.passed,
        "verdict": report.sentence,
        "culprit": culprit.name if culprit else None,
        "image": {
            "name": subject.name,
            "digest": subject.digest,
            "id": subject.image_id,
            "platform": subject.platform,
        },
        "runtime": subject.runtime,
        "parts": [
            {
                "part": part.name,
                "verdict": part.word,
                "why": part.why,
                "causes": list(part.causes),
                "hint": part.hint,
            }
            for part in report.parts
        ],
        "changed": {of: dict(files) for of, files in report.changed.items()},
        "cases": [_verdict(verdict) for verdict in report.verdicts],
        "latency": _latency(report),
        "fingerprint": _fingerprints(report.fingerprints) if report.fingerprints else None,
        "probe": _probe(report.probed) if report.probed else None,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    error = verdict.error if math.isfinite(verdict.error) else None
    return {**verdict._asdict(), "error": error, "passed": verdict.passed}


def _latency(report: Report) -> dict[str, Any] | None:
    latency = report.latency
    if latency is None:
        return None
    return {
        "requests": len(latency.seconds),
        "warm_up": latency.warm_up,
        **{name: latency.quantile(name) for name in QUANTILES},
        "budget": [
            {
                "quantile": kept.limit.quantile,
                "limit": kept.limit.seconds,
                "measured": kept.seconds,
                "passed": kept.well,
            }
            for kept in report.budget
        ],
        "seconds": list(latency.seconds),
    }


def _fingerprints(found: Fingerprints) -> dict[str, Any]:
    there = found.there
    return {
        "here": dict(found.here),
        "against": found.against,
        "summary": found.summary,
        "numeric_class": {
            "here": found.here["numeric_class"],
            "there": there["numeric_class"] if there else None,
        },
        "differences": [value_of(each) for each in found.differences],
    }


def _probe(found: Probed) -> dict[str, Any]:
    whole = probe_value(dict(found.record), found.comparison)
    # It stands above already.
    return {name: value for name, value in whole.items() if name != "fingerprint"}
