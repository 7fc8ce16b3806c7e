"""The part of the OCI distribution protocol that pulls: documents and blobs of one repository, all verified.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pull
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from mlimage.digest import Digest
from mlimage.document import DocumentError, read_document
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import (
    EndlessError,
    Http,
    HttpResponse,
    MissingError,
    NotWrittenError,
    RefusedError,
    UnreachableError,
)
from mlimage.mirrors import Location, Mirrors
from mlimage.oci.authentication import RegistryAuthentication
from mlimage.oci.login import Login, Logins
from mlimage.oci.manifests import ACCEPTED, Document
from mlimage.progress import Progress, Task
from mlimage.redact import redact
from mlimage.spec.registry import DOCKER_HUB, Reference

MAX_DOCUMENT: Final = 4 << 20
"""Bytes of the largest manifest or configuration; what the specification lets registries refuse beyond."""
HOST_OF_HUB: Final = f"registry-1.{DOCKER_HUB}"
UNKNOWN: Final = frozenset({400, 404, 405, 406})
"""Statuses by which registries say that they do not have something, or do not know what is asked."""
_JUDGED: Final = frozenset({400, 401, 403, 404, 405, 406, 410, 451})
_TOO_MANY: Final = 429
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The repository at one registry.

    Attributes:
        name: of the registry, for people.
        url: of the repository, below `/v2/`.
        host: of whom `docker login` knows it.
        auth: answers for it.
    """

    name: str
    url: str
    host: str
    auth: RegistryAuthentication


class Repository:
    """A repository of images, at its registry or at the mirrors of it. Safe to use from several threads.

    Args:
        reference: names it.
        http: asks.
        mirrors: what this machine has instead of registries.
        logins: of the user.
        progress: where it says what it had to try elsewhere.
        plain: whether the registry speaks HTTP without encryption; else only one on this machine may.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        http: Http,
        mirrors: Mirrors,
        logins: Logins,
        progress: Progress,
        plain: bool = False,
    ) -> None:
        self._reference = reference
        self._http = http
        self._progress = progress
        mirrored = mirrors.registry(reference.registry)
        self._plain = plain and not mirrored
        self._places = tuple(
            self._place(place, str(place) if mirrored else reference.registry, logins)
            for place in mirrored or (default_place(reference.registry, plain=plain),)
        )

    def document(self, selector: str) -> Document:
        """The manifest or index of a tag or digest.

        Raises:
            RegistryError: the registry refuses, does not have it, or gives something else.
            FetchError: it cannot be reached.
        """
        return self._first(lambda place: self._document(place, selector))

    @property
    def name(self) -> str:
        """What messages call it: `REGISTRY/PATH`."""
        return f"{self._reference.registry}/{self._reference.repository}"

    def ask(self, place: str, *, accept: str) -> HttpResponse | None:
        """A document that has no digest yet, by its place below the repository.

        None where nobody has it, or knows what is asked. Raises as `document` does.
        """
        try:
            return self._first(lambda at: self._ask(at, place, accept))
        except _UnknownError:
            return None

    def blob(self, digest: Digest) -> bytes:
        """A small blob. Raises as `document` does."""
        return self._first(lambda place: self._blob(place, digest))

    def download(self, digest: Digest, size: int, *, to: Path, task: Task) -> None:
        """A blob of any size into a file that appears only when it is whole.

        Raises:
            RegistryError: the registry refuses, or does not have it.
            FetchError: it cannot be reached, or what comes has another hash or size, or cannot be written.
        """
        self._first(lambda place: self._download(place, digest, size, to, task))

    def _place(self, location: Location, name: str, logins: Logins) -> _Place:
        parts = urlsplit(location.url)
        user, at, host = parts.netloc.rpartition("@")
        bare = Location(urlunsplit((parts.scheme, host, "", "", "")))
        known = host if host != HOST_OF_HUB else DOCKER_HUB

        def login() -> Login | None:
            if at:
                name, _, password = user.partition(":")
                return Login(user=unquote(name), password=unquote(password))
            return logins.of(known)

        path = f"{parts.path.strip('/')}/{self._reference.repository}".lstrip("/")
        return _Place(
            name=name,
            url=f"{bare.url}/v2/{path}",
            host=known,
            auth=RegistryAuthentication(
                self._http,
                bare,
                scopes=[f"repository:{path}:pull"],
                login=login,
                note=self._progress.detail,
                plain=self._plain,
            ),
        )

    def _first(self, ask: Callable[[_Place], _T]) -> _T:
        """What the first place says that has it."""
        *others, last = self._places
        for place in others:
            try:
                return ask(place)
            except NotWrittenError:
                raise
            except (RegistryError, FetchError) as error:
                self._progress.detail(f"{error}; trying the next")
        return ask(last)

    def _document(self, place: _Place, selector: str) -> Document:
        headers = {"Accept": ", ".join(ACCEPTED)}
        answer = self._get(place, f"manifests/{selector}", headers=headers)
        if answer.status != 200:
            raise self._refusal(place, answer.status, selector, said(answer.body))
        digest = Digest.of(answer.body)
        for promised in (selector, answer.headers.get("docker-content-digest", "")):
            if promised.startswith("sha256:") and promised != digest:
                raise RegistryError(
                    f"`{place.name}` gives another manifest than it says: expected {promised}, got {digest}",
                    hint="is there a proxy in between that changes what comes through?",
                )
        return Document(content=answer.body, digest=digest, media_type=answer.headers.get("content-type", ""))

    def _ask(self, at: _Place, place: str, accept: str) -> HttpResponse:
        answer = self._get(at, place, headers={"Accept": accept})
        if answer.status in UNKNOWN:
            raise _UnknownError(f"`{at.name}` does not know `{place}`")
        if answer.status != 200:
            what = place.partition("?")[0].rpartition("/")[2]
            raise self._refusal(at, answer.status, what, said(answer.body))
        return answer

    def _blob(self, place: _Place, digest: Digest) -> bytes:
        answer = self._get(place, f"blobs/{digest}")
        if answer.status != 200:
            raise self._refusal(place, answer.status, digest, said(answer.body))
        if Digest.of(answer.body) != digest:
            raise RegistryError(
                f"`{place.name}` gives another blob than was asked for: expected {digest}, "
                f"got {Digest.of(answer.body)}"
            )
        return answer.body

    def _get(self, place: _Place, path: str, *, headers: dict[str, str] | None = None) -> HttpResponse:
        try:
            return self._http.get(
                f"{place.url}/{path}",
                headers=headers or {},
                auth=place.auth,
                judged=_JUDGED,
                limit=MAX_DOCUMENT,
            )
        except EndlessError:
            raise RegistryError(
                f"`{place.name}` gives more than {MAX_DOCUMENT >> 20} MiB for `{self._reference.name}`, "
                "which no manifest has"
            ) from None
        except RefusedError as error:
            raise self._refusal(place, error.status, path.rpartition("/")[2], "") from error
        except UnreachableError as error:
            if error.status == _TOO_MANY:
                raise _busy(place) from error
            raise

    def _download(self, place: _Place, digest: Digest, size: int, to: Path, task: Task) -> None:
        try:
            self._http.download(
                f"{place.url}/blobs/{digest}", to, digest=digest, size=size, task=task, auth=place.auth
            )
        except MissingError as error:
            raise RegistryError(
                f"`{place.name}` does not have {digest} of `{self._reference.repository}` any more",
                hint="`mlimage lock --upgrade` takes what the reference means now",
            ) from error
        except RefusedError as error:
            raise self._refusal(place, error.status, digest, "") from error
        except UnreachableError as error:
            if error.status == _TOO_MANY:
                raise _busy(place) from error
            raise

    def _refusal(self, place: _Place, status: int, selector: str, said: str) -> RegistryError:
        named = f"{self._reference.repository}{'@' if ':' in selector else ':'}{selector}"
        told = f": {said}" if said else ""
        if status in {404, 410}:
            return RegistryError(
                f"`{place.name}` has no image `{named}`{told}", hint="is the name right, and the tag?"
            )
        if status in {401, 403}:
            who = f"to `{place.auth.user}`" if place.auth.user else "without a login"
            return RegistryError(
                f"`{place.name}` does not give `{named}` {who} (HTTP {status}){told}",
                hint=place.auth.hint
                or f"is the name right? where it is not public: `docker login {place.host}`",
            )
        return RegistryError(f"`{place.name}` refuses to give `{named}` (HTTP {status}){told}")


class _UnknownError(RegistryError):
    """A registry does not have what was asked for; never leaves this module."""


def default_place(registry: str, *, plain: bool = False) -> Location:
    """Where a registry is that has no mirror: over TLS, unless it is on this machine, or `plain`."""
    if registry == DOCKER_HUB:
        return Location(f"https://{HOST_OF_HUB}")
    unencrypted = Location(f"http://{registry}")
    return unencrypted if plain or not unencrypted.plain else Location(f"https://{registry}")


def _busy(place: _Place) -> RegistryError:
    return RegistryError(
        f"`{place.name}` gives no more for now: too many requests (HTTP 429)",
        hint=f"wait, or `docker login {place.host}`: who has a login may ask more often",
    )


def said(body: bytes) -> str:
    """What the registry tells people, in one line: the errors' messages."""
    try:
        texts = [error.get("message").text() for error in read_document(body).get("errors").items()]
    except DocumentError:
        return ""
    return _one_line(texts)


def _one_line(texts: Sequence[str]) -> str:
    joined = "; ".join(texts)
    return redact(" ".join("".join(each if each.isprintable() else " " for each in joined).split()))[:200]
