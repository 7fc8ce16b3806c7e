"""`mlimage audit`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    VariantOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from mlimage.audit.model import Audit, Finding
    from mlimage.cli.screen import Screen


def audit(
    names: NamesArgument = None,
    *,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="ID",
            help="Let this vulnerability pass, by any of its names; may be repeated. `audit.ignore` in the "
            "spec does so with a reason, and with a day on which that ends.",
            show_default=False,
        ),
    ] = None,
    ignore_unfixed: Annotated[
        bool,
        typer.Option("--ignore-unfixed", help="Let pass what has no fix yet; it is listed all the same."),
    ] = False,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Look for known vulnerabilities in what a lock names: Python packages at OSV, Debian's at its tracker.

    Nothing is installed or built. OSV is told names and versions. Each package is asked about once, whatever
    images have it. Ends with status 12 when something was found, and with 6 when something could not be
    looked at; only 0 means that all was, and that nothing is known.

    Examples:
      mlimage audit                                      all images of the project
      mlimage audit churn --ignore-unfixed               for CI: what a new lock would mend
      mlimage audit churn --ignore CVE-2026-12345 --json
    """
    from mlimage.audit.audit import audit as audited
    from mlimage.audit.audit import verdict
    from mlimage.audit.model import Waiver
    from mlimage.audit.osv import Osv
    from mlimage.audit.subjects import Gathering
    from mlimage.audit.tracker import Tracker
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.lock.check import check
    from mlimage.lock.shared import Shared
    from mlimage.lock.sources import Sources
    from mlimage.lock.text import read_lock
    from mlimage.spec.project import find_project
    from mlimage.spec.tags import lock_tags

    screen = Screen(json=as_json, verbose=verbose)
    found = find_project(project)
    cache = default_cache(os.environ)
    waivers = [Waiver(id=each) for each in ignore or ()]
    with cache.in_use(), Shared(environ=os.environ, progress=screen.progress) as shared:
        gathering = Gathering(cache=cache, progress=screen.progress)
        for loaded, tag in found.select(names or (), variant=variant, platform=platform, tags=lock_tags):
            name = loaded.spec.name
            lock = read_lock(found.lock_folder(name), tag)
            check(loaded, lock)
            sources = Sources(
                loaded.spec,
                tag.variant,
                cache=cache,
                environ=os.environ,
                progress=screen.progress,
                shared=shared,
            )
            gathering.add(lock, f"{name}:{tag}", sources.inputs)
            waivers += [Waiver(id=each.id, image=name, until=each.until) for each in loaded.spec.audit.ignore]
        with screen.progress.task("asking for advisories"):
            result = audited(
                gathering.found,
                {
                    "python": Osv(shared.http, shared.mirrors),
                    "debian": Tracker(shared.http, shared.mirrors, cache.advisories, screen.progress),
                },
                waivers=waivers,
                today=datetime.now(UTC).date().isoformat(),
            )
    for note in result.notes:
        screen.warn(note)
    if as_json:
        screen.json(_result(result))
    else:
        _show(screen, result)
    error = verdict(result, ignore_unfixed=ignore_unfixed)
    if error is not None:
        raise error


def _show(screen: "Screen", result: "Audit") -> None:
    if result.findings:
        screen.table(
            "",
            ("PACKAGE", "VERSION", "ID", "FIXED IN", "SEVERITY", "IMAGES"),
            [
                (
                    each.subject.name,
                    each.subject.version,
                    each.advisory.ids[0],
                    each.advisory.fixed or "-",
                    each.advisory.severity or "-",
                    ", ".join(each.images),
                )
                for each in result.findings
            ],
        )
    if result.waived:
        screen.say(f"ignored: {', '.join(dict.fromkeys(each.advisory.ids[0] for each in result.waived))}")
    if not result.findings and not result.gaps:
        screen.say(f"{result.subjects} packages, nothing known against them")


def _result(result: "Audit") -> dict[str, Any]:
    return {
        "packages": result.subjects,
        "findings": [_finding(each) for each in result.findings],
        "ignored": [_finding(each) for each in result.waived],
        "not_looked_at": [{"what": gap.what, "why": gap.why} for gap in result.gaps],
    }


def _finding(finding: "Finding") -> dict[str, Any]:
    subject, advisory = finding.subject, finding.advisory
    return {
        "ecosystem": subject.ecosystem,
        "package": subject.name,
        "version": subject.version,
        "packages": list(finding.packages),
        "id": advisory.ids[0],
        "aliases": list(advisory.ids[1:]),
        "fixed": advisory.fixed,
        "severity": advisory.severity,
        "images": list(finding.images),
    }
