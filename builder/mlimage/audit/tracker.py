"""Asks Debian's security tracker what is known of Debian packages: https://security-tracker.debian.org/.

It has one document for everything, some 80 MB. What of it can matter here is kept, and fetched anew only when
the server says that it has changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlimage.atomic import note
from mlimage.audit.debversion import is_older
from mlimage.audit.model import Advisory, Subject
from mlimage.digest import Digest
from mlimage.errors import FetchError, reason_of
from mlimage.fetch import Http
from mlimage.mirrors import Location, Mirrors
from mlimage.progress import Progress
from mlimage.spec.suites import PYTHON_OF_SUITE

NAME: Final = "debian-security-tracker"
URL: Final = "https://security-tracker.debian.org/tracker"
DOCUMENT: Final = "data/json"
_LIMIT: Final = 512 << 20
_UNKNOWN: Final = frozenset({"", "not yet assigned"})

Releases = Mapping[str, Mapping[str, Mapping[str, tuple[str, str | None, str]]]]
"""By source, by id, by suite: status, the version that is fixed, urgency."""


@dataclass(frozen=True, slots=True)
class Tracker:
    """The tracker, or what stands for it on this machine.

    Attributes:
        http: fetches.
        mirrors: where it is.
        folder: where what it said is kept.
        progress: where it is shown.
    """

    http: Http
    mirrors: Mirrors
    folder: Path
    progress: Progress

    def advisories(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Advisory, ...]]:
        """What is known of each source package; raises `FetchError` where the tracker cannot be read."""
        failed: list[FetchError] = []
        for place in self.mirrors.service(NAME, URL):
            try:
                return known_of(subjects, self._releases(place), place=str(place))
            except FetchError as error:
                failed.append(error)
        raise failed[0]

    def _releases(self, place: Location) -> Releases:
        if place.folder is not None:
            path = place.folder / DOCUMENT
            try:
                return read_tracker(path.read_bytes(), place=str(path))
            except OSError as error:
                raise FetchError(f"`{path}` cannot be read: {reason_of(error)}") from error
        url = place.join(DOCUMENT)
        path = self.folder / f"tracker-{Digest.of(url.encode()).short}.json"
        kept = _kept(path)
        with self.progress.task("reading Debian's security tracker"):
            response = self.http.get(
                url, headers=_conditions(kept), judged=frozenset({304} if kept else ()), limit=_LIMIT
            )
            if kept and response.status == 304:
                unchanged: Releases = kept["releases"]
                return unchanged
            releases = read_tracker(response.body, place=str(place))
            said = {
                name: response.headers[name] for name in ("etag", "last-modified") if name in response.headers
            }
            if said:
                document = {"format": 1, "validators": said, "releases": releases}
                note(path, json.dumps(document, separators=(",", ":")).encode())
        return releases


def _kept(path: Path) -> dict[str, Any] | None:
    """What was kept before; what is damaged counts as nothing."""
    with suppress(OSError, ValueError, RecursionError):
        match json.loads(path.read_bytes()):
            case {"format": 1, "validators": dict(validators), "releases": releases} as document if all(
                isinstance(each, str) for each in validators.values()
            ) and _is_sound(releases):
                return dict(document)
    return None


def _conditions(kept: dict[str, Any] | None) -> Mapping[str, str]:
    if kept is None:
        return {}
    names = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
    return {names[name]: value for name, value in kept["validators"].items()}


def read_tracker(content: bytes, *, place: str) -> Releases:
    """What of the tracker's document can matter, which is what it says of suites that bases have.

    Raises:
        FetchError: it is no such document.
    """
    try:
        releases: Any = json.loads(content, object_hook=_reduced)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _no_tracker(place) from error
    if not _is_sound(releases):
        raise _no_tracker(place)
    return dict(releases)


def _is_sound(releases: Any) -> bool:
    """Whether they are what `Releases` says."""
    try:
        return all(
            isinstance(status, str) and isinstance(fixed, str | None) and isinstance(urgency, str)
            for ids in releases.values()
            for suites in ids.values()
            for status, fixed, urgency in suites.values()
        )
    except (ValueError, TypeError, AttributeError):
        return False


def _reduced(value: dict[str, Any]) -> Any:
    """An object of the document as it is read, so that the whole of it is never in memory."""
    if "status" in value:
        return value["status"], value.get("fixed_version"), value.get("urgency", "")
    if "releases" in value:
        return {suite: found for suite, found in value["releases"].items() if suite in PYTHON_OF_SUITE}
    return value


def _no_tracker(place: str) -> FetchError:
    return FetchError(
        f"`{place}` does not answer as Debian's security tracker does",
        hint="does MLIMAGE_MIRROR_DEBIAN_SECURITY_TRACKER name one, and does no proxy answer in its place?",
    )


def known_of(
    subjects: Sequence[Subject], releases: Releases, *, place: str
) -> Mapping[Subject, tuple[Advisory, ...]]:
    """The vulnerabilities of source packages.

    Those that Debian calls unimportant are none: they do not touch what its packages are built with.

    Raises:
        FetchError: the tracker knows nothing of a suite, or says of a package what is not understood here.
    """
    known = {suite for ids in releases.values() for suites in ids.values() for suite in suites}
    if not {subject.suite for subject in subjects} <= known:
        raise _no_tracker(place)
    return {subject: tuple(_open(subject, releases.get(subject.name, {}), place)) for subject in subjects}


def _open(
    subject: Subject, ids: Mapping[str, Mapping[str, tuple[str, str | None, str]]], place: str
) -> Iterator[Advisory]:
    for name, suites in sorted(ids.items()):
        if subject.suite not in suites:
            continue
        status, fixed, urgency = suites[subject.suite]
        if urgency != "unimportant" and _is_open(subject, status, fixed, place):
            yield Advisory(
                ids=(name,),
                fixed=fixed if status == "resolved" else None,
                severity=None if urgency in _UNKNOWN else urgency,
            )


def _is_open(subject: Subject, status: str, fixed: str | None, place: str) -> bool:
    if status in {"open", "undetermined"}:
        return True
    try:
        if status == "resolved" and fixed is not None:
            return fixed != "0" and is_older(subject.version, fixed)  # `0`: it never was in the suite
    except ValueError as error:
        raise _no_tracker(place) from error
    raise _no_tracker(place)
