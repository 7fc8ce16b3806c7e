"""From evidence to the verdict on each part. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlimage.runtime.golden.compare import Verdict, worst
from mlimage.runtime.probe.verdicts import why_wrong, wrong
from mlimage.verify.fingerprints import Difference, readable
from mlimage.verify.parity.latency import Kept, Latency, shown
from mlimage.verify.parity.model import Fingerprints, Part, PartName, Probed
from mlimage.verify.parity.words import told

FREEZE: Final = "`mlimage freeze` makes one, and the next `mlimage build` puts it into the image"
_PACKAGES: Final = "packages.numeric."
_OF_FILES: Final[Mapping[PartName, str]] = {"features": "preprocess", "outputs": "model"}


def skipped(name: PartName, why: str, *, asked: bool, hint: str | None = None) -> Part:
    """What could not be done: a failure where it was asked for by name."""
    return Part(name=name, word="FAIL" if asked else "SKIPPED", why=why, hint=hint, done=False)


def broken(name: PartName, why: str, hint: str | None = None) -> Part:
    """What was begun and could not be done."""
    return Part(name=name, word="FAIL", why=why, hint=hint, done=False)


def of_fingerprints(found: Fingerprints) -> Part:
    """An emulated CPU certifies nothing; all other differences are explained, and measured by other parts."""
    if found.here["cpu"]["emulated"]:
        return Part(
            name="fingerprint",
            word="FAIL",
            why="the CPU is emulated: what comes out certifies nothing",
            hint="verify on a machine of the image's own platform",
        )
    if found.against is None:
        return Part(
            name="fingerprint",
            word="SKIPPED",
            why="there is no other one to hold it against",
            hint="`--against FILE`: `mlimage fingerprint IMAGE --json > FILE` makes one elsewhere",
        )
    count = len(found.differences)
    many = f"{count} {'difference' if count == 1 else 'differences'} from {found.against}: " if count else ""
    return Part(name="fingerprint", word="PASS", why=f"{many}{found.summary}")


def of_probe(found: Probed) -> Part:
    """Each operation within its bound of the truth, and as on the other machine."""
    bad = wrong(found.record)
    total = sum(operation["correct"] is not None for operation in found.record["operations"])
    if bad:
        causes = why_wrong(found.record)
        why = f"{len(bad)} of {total} operations are wrong: {_listed([each['name'] for each in bad])}"
        return Part(name="probe", word="FAIL", why=why, hint=causes[0].cause.fix if causes else None)
    comparison = found.comparison
    right = f"{total} operations, each within its bound of the truth"
    if comparison is None:
        return Part(name="probe", word="PASS", why=right)
    if comparison.agrees:
        same = comparison.count("identical")
        why = f"{right}; {same} of {len(comparison.verdicts)} identical to the other machine's"
        return Part(name="probe", word="PASS", why=why)
    beyond = [each.name for each in comparison.verdicts if each.word in {"beyond", "failed"}]
    first = comparison.findings[0].cause if comparison.findings else None
    why = f"{len(beyond)} operations differ by more than they may: {_listed(beyond)}"
    if first:
        why += f" (cause {first.id}: {first.title})"
    return Part(name="probe", word="FAIL", why=why, hint=first.fix if first else None)


def of_stage(
    name: PartName,
    verdicts: Sequence[Verdict],
    changed: Mapping[str, Mapping[str, str]],
    pattern: str | None = None,
) -> Part:
    """A golden stage: its arrays or answers, and the files that make them.

    Args:
        name: the stage.
        verdicts: on all stages.
        changed: files that are not those of the record, of all stages.
        pattern: what the difference of this stage looks like.
    """
    own = tuple(verdict for verdict in verdicts if verdict.stage == name)
    files = changed.get(_OF_FILES.get(name, ""), {})
    bad = worst(own)
    if bad is None:
        return broken(name, "the record has no cases")
    cases = {verdict.case for verdict in own}
    failed = {verdict.case for verdict in own if not verdict.passed}
    if failed:
        why = f"{len(failed)} of {len(cases)} cases fail; {told(bad)}"
        seen = (pattern,) if pattern else ()
        return Part(name=name, word="FAIL", why=why, hint=_hint(name, files), causes=seen)
    if files:
        path, reason = next(iter(files.items()))
        more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
        return Part(name=name, word="FAIL", why=f"`{path}`: {reason}{more}", hint=_hint(name, files))
    identical = sum(verdict.word == "identical" for verdict in own)
    why = f"{len(cases)} cases; {identical} of {len(own)} identical"
    if identical < len(own):
        why += f", the others off by at most {bad.error:.2g} of {bad.tolerance:.2g} allowed"
    return Part(name=name, word="PASS", why=why)


def explained(part: Part, differences: Sequence[Difference], *, steady: bool) -> Part:
    """A stage that failed, with what else may have caused it.

    Args:
        part: the verdict on the stage.
        differences: of this machine from the recorder's.
        steady: whether the stage gave the same when it was computed once more.
    """
    if part.word != "FAIL" or not part.done:
        return part
    causes = list(part.causes)
    if not steady:
        causes.append("it gives something else each time: a random number that has no seed, or a race")
    grave = [each for each in differences if each.severity == "tolerance"]
    # A package says it with its name and version; `numpy.version` would say it once more.
    packages = [each for each in grave if each.field.startswith(_PACKAGES)]
    for each in packages or grave:
        name = each.field.removeprefix(_PACKAGES)
        causes.append(f"{name} is {readable(each.new)}, and was {readable(each.old)}: {each.why}")
    return replace(part, causes=tuple(causes))


def of_latency(found: Latency, budget: Sequence[Kept]) -> Part:
    """Without a budget whatever was measured will do."""
    figures = ", ".join(f"{name} {shown(found.quantile(name))}" for name in ("p50", "p99"))
    why = f"{len(found.seconds)} requests: {figures}"
    broken = [each for each in budget if not each.well]
    if broken:
        said = ", ".join(
            f"{each.limit.quantile} is {shown(each.seconds)}, and {shown(each.limit.seconds)} is the budget"
            for each in broken
        )
        return Part(name="latency", word="FAIL", why=f"{len(found.seconds)} requests: {said}")
    return Part(name="latency", word="PASS", why=why + (", within the budget" if budget else ""))


def _hint(name: PartName, files: Mapping[str, str]) -> str | None:
    if files:
        return f"not as when it was frozen: {_listed(list(files))}"
    return {
        "features": "hold the versions of what preprocesses against those of the record: the fingerprint",
        "outputs": "where the features pass, it is the model, its library or the CPU: the probe tells which",
        "response": "where the features and outputs pass, it is what the server does around them",
    }.get(name)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
