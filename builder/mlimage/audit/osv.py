"""Asks OSV what is known of Python packages: https://google.github.io/osv.dev/api/.

It is told names and versions, all in one request, and then asked for each advisory once.
"""

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.audit.model import Advisory, Subject
from mlimage.errors import FetchError
from mlimage.fetch import Body, Http
from mlimage.mirrors import Location, Mirrors
from mlimage.parallel import at_once

NAME: Final = "osv"
URL: Final = "https://api.osv.dev"
_AT_ONCE: Final = 1000
"""Questions that it takes in one request."""
_PAGES: Final = 20
"""Answers to one question; no version has as many advisories."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{2,99}\Z")
_RANKS: Final = {"low": 1, "medium": 2, "high": 3, "critical": 4}
_BEST_KNOWN: Final = ("CVE-", "GHSA-", "PYSEC-")


@dataclass(frozen=True, slots=True)
class Osv:
    """OSV, or what stands for it on this machine."""

    http: Http
    mirrors: Mirrors

    def advisories(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Advisory, ...]]:
        """What is known of each Python package; raises `FetchError` where it is not all to be had."""
        failed: list[FetchError] = []
        for place in self.mirrors.service(NAME, URL):
            try:
                return self._ask(place, subjects)
            except FetchError as error:
                failed.append(error)
        raise failed[0]

    def _ask(self, place: Location, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Advisory, ...]]:
        ids: dict[Subject, list[str]] = {subject: [] for subject in subjects}
        asked = [(subject, "") for subject in subjects]
        for _ in range(_PAGES):
            further = []
            for begin in range(0, len(asked), _AT_ONCE):
                part = asked[begin : begin + _AT_ONCE]
                for (subject, _), (found, token) in zip(part, self._batch(place, part), strict=True):
                    ids[subject] += found
                    if token:
                        further.append((subject, token))
            asked = further
            if not asked:
                break
        else:
            raise FetchError(f"`{place}` cannot be asked: its answer has no end")
        wanted = sorted({each for found in ids.values() for each in found})
        documents = dict(zip(wanted, at_once(lambda each: self._document(place, each), wanted), strict=True))
        return {
            subject: merged([documents[each] for each in found], subject) for subject, found in ids.items()
        }

    def _batch(self, place: Location, asked: Sequence[tuple[Subject, str]]) -> list[tuple[list[str], str]]:
        """For each question the ids of its advisories, and by what to ask for more of them."""
        questions = [
            {
                "package": {"ecosystem": "PyPI", "name": subject.name},
                "version": subject.version,
                **({"page_token": token} if token else {}),
            }
            for subject, token in asked
        ]
        content = json.dumps({"queries": questions}).encode()
        url = place.join("v1/querybatch")
        response = self.http.send(
            "POST",
            url,
            headers={"Content-Type": "application/json"},
            body=Body(open=lambda: io.BytesIO(content), size=len(content)),
            judged=frozenset(),
        )
        results = _object(response.body, url).get("results")
        if not isinstance(results, list) or len(results) != len(asked):
            raise _no_osv(url)
        try:
            return [_ids(result) for result in results]
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise _no_osv(url) from error

    def _document(self, place: Location, advisory: str) -> dict[str, Any]:
        url = place.join(f"v1/vulns/{advisory}")
        response = self.http.get(url, judged=frozenset())
        document = _object(response.body, url)
        schema = str(document.get("schema_version", "1"))
        if document.get("id") != advisory or schema.partition(".")[0] != "1":
            raise _no_osv(url)
        return document


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _no_osv(url) from error
    if not isinstance(document, dict):
        raise _no_osv(url)
    return document


def _ids(result: Mapping[str, Any]) -> tuple[list[str], str]:
    found = [vulnerability["id"] for vulnerability in result.get("vulns", ())]
    if not all(isinstance(each, str) and _ID.match(each) for each in found):
        raise ValueError("no id of an advisory")
    token = result.get("next_page_token", "")
    if not isinstance(token, str):
        raise TypeError("no token of a page")
    return found, token


def _no_osv(url: str) -> FetchError:
    return FetchError(
        f"`{url}` does not answer as OSV does",
        hint="does MLIMAGE_MIRROR_OSV name one, and does no proxy answer in its place?",
    )


def merged(documents: Sequence[Mapping[str, Any]], subject: Subject) -> tuple[Advisory, ...]:
    """The advisories on a package, sorted, those that are one under several names once.

    Withdrawn ones are none. What cannot be understood of one is left out of it, and never the advisory.

    Args:
        documents: advisories in OSV's schema, https://ossf.github.io/osv-schema/.
        subject: the package.
    """
    groups: list[tuple[set[str], list[Mapping[str, Any]]]] = []
    for document in documents:
        if document.get("withdrawn"):
            continue
        names = {document["id"], *(each for each in _list(document, "aliases") if isinstance(each, str))}
        same = [group for group in groups if group[0] & names]
        members = [document, *(member for group in same for member in group[1])]
        groups = [group for group in groups if group not in same]
        groups.append((names.union(*(group[0] for group in same)), members))
    return tuple(
        sorted(
            (
                Advisory(
                    ids=tuple(sorted(names, key=_fame)),
                    fixed=_fixed(members, subject),
                    severity=_severity(members),
                )
                for names, members in groups
            ),
            key=lambda each: each.ids,
        )
    )


def _fame(name: str) -> tuple[int, str]:
    return next((n for n, begin in enumerate(_BEST_KNOWN) if name.startswith(begin)), len(_BEST_KNOWN)), name


def _fixed(documents: Iterable[Mapping[str, Any]], subject: Subject) -> str | None:
    """The first version after the package's own in which one of the documents says that it is fixed."""
    later = [
        version
        for document in documents
        for affected in _list(document, "affected")
        if _is_of(affected, subject)
        for span in _list(affected, "ranges")
        for event in _list(span, "events")
        if (version := _version(event)) is not None and version > Version(subject.version)
    ]
    return str(min(later)) if later else None


def _is_of(affected: object, subject: Subject) -> bool:
    match affected:
        case {"package": {"name": str(name), "ecosystem": "PyPI"}}:
            return canonicalize_name(name) == subject.name
        case _:
            return False


def _version(event: object) -> Version | None:
    match event:
        case {"fixed": str(text)}:
            try:
                return Version(text)
            except ValueError:  # of a range of commits, for instance
                return None
        case _:
            return None


def _severity(documents: Iterable[Mapping[str, Any]]) -> str | None:
    """The highest one that an advisory's database gives in a word; GitHub's does."""
    words = []
    for document in documents:
        match document:
            case {"database_specific": {"severity": str(word)}}:
                words.append("medium" if word.lower() == "moderate" else word.lower())
    known = [word for word in words if word in _RANKS]
    return max(known, key=_RANKS.__getitem__) if known else None


def _list(value: object, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []
