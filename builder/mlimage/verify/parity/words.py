"""Verdicts in words. Pure."""

from mlimage.runtime.golden.compare import Verdict, how_far


def told(verdict: Verdict) -> str:
    """A verdict that failed, for people: which stage, case and array, and by how much."""
    array = f" `{verdict.what}`" if verdict.what else ""
    place = f"{verdict.stage}{array} of case `{verdict.case}`"
    if verdict.why:
        return f"{place}: {verdict.why}"
    return f"{place} are off by {how_far(verdict)}, and {verdict.tolerance:.2g} is allowed"
