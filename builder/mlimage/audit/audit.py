"""Holds what is in images against what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mlimage.audit.model import Audit, Ecosystem, Finding, Found, Gap, Source, Waiver
from mlimage.errors import FetchError, FindingError, MlimageError

_PACKAGES: Final[Mapping[Ecosystem, str]] = {"python": "Python packages", "debian": "Debian packages"}


def audit(
    found: Found, sources: Mapping[Ecosystem, Source], *, waivers: Sequence[Waiver], today: str
) -> Audit:
    """Ask about each package once.

    Args:
        found: what is in the images.
        sources: who is asked about what.
        waivers: what does not count.
        today: `YYYY-MM-DD`.
    """
    findings: list[Finding] = []
    gaps = list(found.gaps)
    for ecosystem, source in sources.items():
        subjects = sorted(subject for subject in found.images if subject.ecosystem == ecosystem)
        if not subjects:
            continue
        try:
            known = source.advisories(subjects)
        except FetchError as error:
            gaps.append(Gap(what=f"the {_PACKAGES[ecosystem]}", why=error.message, hint=error.hint))
            continue
        findings += [
            Finding(
                subject=subject,
                packages=tuple(sorted(found.packages[subject])),
                advisory=advisory,
                images=tuple(sorted(found.images[subject])),
            )
            for subject in subjects
            for advisory in known[subject]
        ]
    counting, waived = _judge(findings, [each for each in waivers if not _is_over(each, today)])
    return Audit(
        subjects=len(found.images),
        findings=counting,
        waived=waived,
        gaps=tuple(gaps),
        notes=tuple(_notes(findings, waivers, today, whole=not gaps)),
    )


def _is_over(waiver: Waiver, today: str) -> bool:
    return waiver.until is not None and waiver.until < today


def _waives(waiver: Waiver, finding: Finding, image: str) -> bool:
    return waiver.id in finding.advisory.ids and waiver.image in {None, image.partition(":")[0]}


def _judge(
    findings: Sequence[Finding], waivers: Sequence[Waiver]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings that count and those that do not; one of several images may be both."""
    counting, waived = [], []
    for finding in findings:
        off = tuple(
            image for image in finding.images if any(_waives(waiver, finding, image) for waiver in waivers)
        )
        on = tuple(image for image in finding.images if image not in off)
        if on:
            counting.append(replace(finding, images=on))
        if off:
            waived.append(replace(finding, images=off))
    return tuple(counting), tuple(waived)


def _notes(findings: Sequence[Finding], waivers: Sequence[Waiver], today: str, *, whole: bool) -> list[str]:
    notes = []
    for waiver in dict.fromkeys(waivers):
        of_image = f" of `{waiver.image}`" if waiver.image else ""
        if _is_over(waiver, today):
            notes.append(f"`{waiver.id}`{of_image} was to be ignored until {waiver.until}, which is over")
        elif whole and not any(
            _waives(waiver, finding, image) for finding in findings for image in finding.images
        ):
            notes.append(f"`{waiver.id}`{of_image} is ignored, and nothing has it")
    return notes


def verdict(result: Audit, *, ignore_unfixed: bool) -> MlimageError | None:
    """With what error an audit ends; None: all was looked at, and nothing was found.

    Args:
        result: what came out.
        ignore_unfixed: whether what has no fix yet does not count.
    """
    counting = [each for each in result.findings if each.advisory.fixed or not ignore_unfixed]
    unseen = [f"  {gap.what}: {gap.why}" for gap in result.gaps]
    hint = next((gap.hint for gap in result.gaps if gap.hint), None)
    if not counting:
        return (
            FetchError("\n".join(["not everything could be looked at", *unseen]), hint=hint)
            if unseen
            else None
        )
    packages = {(each.subject.ecosystem, each.subject.name) for each in counting}
    of_packages = f"{len(packages)} {'package' if len(packages) == 1 else 'packages'}"
    counted = (
        f"a known vulnerability in {of_packages}"
        if len(counting) == 1
        else f"{len(counting)} known vulnerabilities in {of_packages}"
    )
    lines = [counted, *(["and not everything could be looked at", *unseen] if unseen else [])]
    return FindingError("\n".join(lines), hint=_way_out(counting))


def _way_out(findings: Sequence[Finding]) -> str:
    fixable = [each for each in findings if each.advisory.fixed]
    image = findings[0].images[0].partition(":")[0]
    python = next((each for each in fixable if each.subject.ecosystem == "python"), None)
    if python is not None:
        image = python.images[0].partition(":")[0]
        return f"`mlimage lock {image} --upgrade-package {python.subject.name}` takes a newer one"
    if fixable:
        image = fixable[0].images[0].partition(":")[0]
        return f"`mlimage lock {image} --upgrade` takes what Debian has fixed"
    name = findings[0].advisory.ids[0]
    return f"there is no fix yet; `--ignore {name}` lets it pass, or `audit.ignore` in the spec"
