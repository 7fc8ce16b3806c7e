"""A report as a page of HTML that needs nothing else: no network, no script, no other file."""

import math
from collections.abc import Iterator
from typing import Any, Final

from mlimage import __version__, resources
from mlimage.render.page import page
from mlimage.runtime.golden.compare import STAGES, Verdict, how_far
from mlimage.runtime.probe.verdicts import wrong
from mlimage.verify.fingerprints import SEVERITIES, readable
from mlimage.verify.parity.latency import QUANTILES, Latency, shown
from mlimage.verify.parity.model import PARTS, Fingerprints, Probed, Report
from mlimage.verify.parity.plots import histogram, scale_of

_WORDS: Final = {"identical": "identical", "within": "within", "beyond": "BEYOND", "changed": "CHANGED"}


def as_page(report: Report) -> str:
    """The text of the page; whatever an image or a request is called, it is text."""
    subject = report.subject
    values = {
        "title": f"{subject.name}: {report.sentence}",
        "passed": report.passed,
        "sentence": report.sentence,
        "facts": [
            ("image", subject.name),
            ("digest", subject.digest),
            ("platform", subject.platform),
            ("verified", f"{report.created}, in {subject.runtime}, by mlimage {__version__}"),
        ],
        "parts": [
            {
                "name": part.name,
                "word": part.word,
                "what": PARTS[part.name],
                "why": part.why,
                "causes": part.causes,
                "hint": part.hint or "",
            }
            for part in report.parts
        ],
        "changed": [(of, path, why) for of, files in report.changed.items() for path, why in files.items()],
        "machine": _machine(report.fingerprints),
        "differences": _differences(report.fingerprints),
        "stages": [_stage(name, own) for name in STAGES if (own := _of(report, name))],
        "latency": _latency(report, report.latency) if report.latency else None,
        "operations": list(_operations(report.probed)) if report.probed else [],
    }
    return page("verify.html.j2", values, templates=resources.templates() / "report")


def _of(report: Report, stage: str) -> list[Verdict]:
    return [verdict for verdict in report.verdicts if verdict.stage == stage]


def _stage(name: str, verdicts: list[Verdict]) -> dict[str, Any]:
    scale = scale_of(value for verdict in verdicts for value in (verdict.error, verdict.tolerance))
    part = next(what for each, what in PARTS.items() if each == name)
    return {
        "name": name,
        "what": part,
        "axis": scale.labels(),
        "rows": [
            {
                "case": verdict.case,
                "array": verdict.what,
                "word": _WORDS[verdict.word],
                "passed": verdict.passed,
                "error": _figure(verdict),
                "x": scale.at(verdict.error),
                # One mark for each limit: none where nothing but equality will do.
                "limits": [scale.at(verdict.tolerance)] if verdict.tolerance else [],
            }
            for verdict in sorted(verdicts, key=lambda each: (each.passed, -each.error))
        ],
    }


def _figure(verdict: Verdict) -> str:
    if verdict.why:
        return verdict.why
    limit = f"{verdict.tolerance:.1e}" if verdict.tolerance else "exact"
    if not math.isfinite(verdict.error):
        return how_far(verdict)
    return f"{verdict.error:.1e} of {limit}" if verdict.error else f"0 of {limit}"


def _latency(report: Report, latency: Latency) -> dict[str, Any]:
    marks = {name: latency.quantile(name) for name in ("p50", "p99")}
    limits = {f"budget {kept.limit.quantile}": kept.limit.seconds for kept in report.budget}
    plot = histogram(latency.seconds, (*marks.values(), *limits.values()))
    kept = {each.limit.quantile: each for each in report.budget}
    return {
        "requests": len(latency.seconds),
        "warm_up": latency.warm_up,
        "bars": plot.bars,
        "marks": [
            {"name": name, "x": plot.at(seconds), "time": shown(seconds), "limit": name in limits}
            for name, seconds in {**marks, **limits}.items()
        ],
        "high": shown(plot.high),
        "rows": [
            {
                "name": name,
                "time": shown(latency.quantile(name)),
                "budget": shown(kept[name].limit.seconds) if name in kept else "",
                "word": ("kept" if kept[name].well else "BROKEN") if name in kept else "",
            }
            for name in QUANTILES
        ],
    }


def _machine(found: Fingerprints | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    rows = [("numeric class here", str(found.here["numeric_class"]))]
    if found.there:
        rows.append((f"numeric class of {found.against}", str(found.there["numeric_class"])))
        rows.append(("to be expected", found.summary))
    return rows


def _differences(found: Fingerprints | None) -> list[dict[str, str]]:
    return [
        {
            "field": each.field,
            "there": readable(each.old),
            "here": readable(each.new),
            "severity": f"{each.severity}: {SEVERITIES[each.severity]}",
            "why": each.why + (f" (cause {each.cause.id}: {each.cause.title})" if each.cause else ""),
        }
        for each in (found.differences if found else ())
    ]


def _operations(probed: Probed) -> Iterator[dict[str, str]]:
    """Those of the probe that are wrong, or differ; most are neither."""
    for operation in wrong(probed.record):
        said = operation["problem"] or f"off by {operation['error']}, and {operation['bound']} is its bound"
        yield {"name": operation["name"], "word": "WRONG", "why": str(said)}
    for verdict in probed.comparison.verdicts if probed.comparison else ():
        if verdict.word != "identical":
            apart = "" if verdict.error is None else f"{verdict.error:.1e} apart"
            allowed = "" if verdict.tolerance is None else f", {verdict.tolerance:.1e} allowed"
            yield {"name": verdict.name, "word": verdict.word, "why": apart + allowed}
