"""What is asked about, and what is known of it, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Ecosystem = Literal["python", "debian"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Subject:
    """A package in one version, whatever images have it.

    Attributes:
        ecosystem: whose names and versions these are.
        name: normalized name, of a Debian package that of its source.
        version: without the local label (`+cpu`), of which no advisory knows; of a Debian package that of its
            source.
        suite: Debian suite; empty for Python.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    suite: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """A known vulnerability.

    Attributes:
        ids: all its names, the one that people know best first.
        fixed: the first later version without it; None where there is none.
        severity: `low`, `medium`, `high`, `critical`, or a word of Debian's; None where nobody says.
    """

    ids: tuple[str, ...]
    fixed: str | None
    severity: str | None


class Source(Protocol):
    """Knows vulnerabilities of one ecosystem."""

    def advisories(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Advisory, ...]]:
        """What is known of each.

        Raises:
            FetchError: it cannot be reached, or does not answer as it should.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What could not be looked at, and why."""

    what: str
    why: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is in some images.

    Attributes:
        images: names of the images that have each package.
        packages: names of the packages that each subject is for people: of a Debian source its debs.
        gaps: of what could not be told what is in it.
    """

    images: Mapping[Subject, frozenset[str]]
    packages: Mapping[Subject, frozenset[str]]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A vulnerability of a package, and which images have it."""

    subject: Subject
    packages: tuple[str, ...]
    advisory: Advisory
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A vulnerability that somebody decided to live with.

    Attributes:
        id: any of its names.
        image: name of the image in its spec; None: all.
        until: the last day on which that counts, `YYYY-MM-DD`; None: for good.
    """

    id: str
    image: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What came out.

    Attributes:
        subjects: how many packages were asked about.
        findings: sorted.
        waived: findings that do not count.
        gaps: what could not be looked at; without any, what has no finding is not known to be vulnerable.
        notes: what is wrong with waivers, for people.
    """

    subjects: int
    findings: tuple[Finding, ...]
    waived: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...]
