"""Findings, what is waived of them, and with what an audit ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlimage.audit.audit import audit, verdict
from mlimage.audit.model import Advisory, Audit, Finding, Found, Gap, Subject, Waiver
from mlimage.errors import FetchError, FindingError
from support.advisories import debian, python

JINJA, NUMPY, GLIBC = python("jinja2", "3.1.3"), python("numpy", "2.1"), debian("glibc", "2.36-9")
XSS = Advisory(ids=("CVE-2026-1", "GHSA-aaaa"), fixed="3.1.4", severity="medium")
OLD = Advisory(ids=("CVE-2010-4756",), fixed=None, severity="low")
TODAY = "2026-11-25"


@dataclass
class Knows:
    """Knows some advisories, or cannot be reached."""

    known: Mapping[Subject, tuple[Advisory, ...]] = field(default_factory=dict)
    error: FetchError | None = None
    asked: list[Subject] = field(default_factory=list)

    def advisories(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Advisory, ...]]:
        self.asked += subjects
        if self.error:
            raise self.error
        return {subject: self.known.get(subject, ()) for subject in subjects}


def found(*gaps: Gap) -> Found:
    return Found(
        images={
            JINJA: frozenset({"a:cpu", "b:cpu"}),
            NUMPY: frozenset({"a:cpu"}),
            GLIBC: frozenset({"a:cpu"}),
        },
        packages={
            JINJA: frozenset({"jinja2"}),
            NUMPY: frozenset({"numpy"}),
            GLIBC: frozenset({"libc6", "libc-bin"}),
        },
        gaps=gaps,
    )


def ask(osv: Knows, tracker: Knows, *waivers: Waiver, gaps: Sequence[Gap] = ()) -> Audit:
    return audit(found(*gaps), {"python": osv, "debian": tracker}, waivers=waivers, today=TODAY)


KNOWING = (Knows({JINJA: (XSS,)}), Knows({GLIBC: (OLD,)}))


def test_each_package_is_asked_about_once() -> None:
    osv, tracker = Knows({JINJA: (XSS,)}), Knows({GLIBC: (OLD,)})
    result = ask(osv, tracker)
    assert (osv.asked, tracker.asked) == ([JINJA, NUMPY], [GLIBC])
    assert result == Audit(
        subjects=3,
        findings=(
            Finding(subject=JINJA, packages=("jinja2",), advisory=XSS, images=("a:cpu", "b:cpu")),
            Finding(subject=GLIBC, packages=("libc-bin", "libc6"), advisory=OLD, images=("a:cpu",)),
        ),
        waived=(),
        gaps=(),
        notes=(),
    )
    error = verdict(result, ignore_unfixed=False)
    assert isinstance(error, FindingError)
    assert (str(error), error.hint, error.exit_status) == (
        "2 known vulnerabilities in 2 packages",
        "`mlimage lock a --upgrade-package jinja2` takes a newer one",
        12,
    )


def test_nothing_known() -> None:
    result = ask(Knows(), Knows())
    assert (result.findings, result.gaps, verdict(result, ignore_unfixed=False)) == ((), (), None)


def test_what_has_no_fix_may_pass() -> None:
    result = ask(Knows(), Knows({GLIBC: (OLD,)}))
    assert verdict(result, ignore_unfixed=True) is None
    error = verdict(result, ignore_unfixed=False)
    assert error is not None
    assert (str(error), error.hint) == (
        "a known vulnerability in 1 package",
        "there is no fix yet; `--ignore CVE-2010-4756` lets it pass, or `audit.ignore` in the spec",
    )
    fixed = Advisory(ids=("CVE-2026-2",), fixed="2.36-10", severity=None)
    error = verdict(ask(Knows(), Knows({GLIBC: (fixed,)})), ignore_unfixed=True)
    assert error is not None
    assert error.hint == "`mlimage lock a --upgrade` takes what Debian has fixed"


def test_a_source_that_does_not_answer_is_never_clean() -> None:
    down = Knows(error=FetchError("`https://osv.example.com` cannot be fetched", hint="check the network"))
    result = ask(down, Knows())
    error = verdict(result, ignore_unfixed=False)
    assert isinstance(error, FetchError)
    assert (error.hint, error.exit_status) == ("check the network", 6)
    assert str(error) == (
        "not everything could be looked at\n"
        "  the Python packages: `https://osv.example.com` cannot be fetched"
    )
    error = verdict(ask(down, Knows({GLIBC: (OLD,)})), ignore_unfixed=False)
    assert isinstance(error, FindingError)
    assert str(error) == (
        "a known vulnerability in 1 package\n"
        "and not everything could be looked at\n"
        "  the Python packages: `https://osv.example.com` cannot be fetched"
    )
    gap = Gap(what="the base image `python:3` of `a:cpu`", why="it is not here")
    error = verdict(ask(Knows(), Knows(), gaps=[gap]), ignore_unfixed=True)
    assert str(error) == (
        "not everything could be looked at\n  the base image `python:3` of `a:cpu`: it is not here"
    )


def test_waivers() -> None:
    result = ask(*KNOWING, Waiver(id="GHSA-aaaa"), Waiver(id="CVE-2010-4756", image="a", until=TODAY))
    assert (result.findings, result.notes) == ((), ())
    assert [each.advisory for each in result.waived] == [XSS, OLD]
    assert verdict(result, ignore_unfixed=False) is None
    result = ask(*KNOWING, Waiver(id="CVE-2026-1", image="a"))
    assert [(each.advisory, each.images) for each in result.findings] == [
        (XSS, ("b:cpu",)),
        (OLD, ("a:cpu",)),
    ]
    assert [(each.advisory, each.images) for each in result.waived] == [(XSS, ("a:cpu",))]


def test_waivers_that_are_over_or_for_nothing() -> None:
    over = Waiver(id="CVE-2026-1", image="a", until="2026-11-24")
    result = ask(*KNOWING, over, over, Waiver(id="CVE-2026-9"), Waiver(id="CVE-2010-4756", image="b"))
    assert len(result.findings) == 2
    assert result.notes == (
        "`CVE-2026-1` of `a` was to be ignored until 2026-11-24, which is over",
        "`CVE-2026-9` is ignored, and nothing has it",
        "`CVE-2010-4756` of `b` is ignored, and nothing has it",
    )
    # Where not everything was looked at, nobody can say that nothing has it.
    result = ask(Knows(error=FetchError("down")), Knows(), Waiver(id="CVE-2026-9"))
    assert result.notes == ()
