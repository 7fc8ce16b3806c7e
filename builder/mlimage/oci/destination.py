"""The part of the OCI distribution protocol that pushes: blobs and manifests of one repository.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#push
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final, NoReturn, cast
from urllib.parse import urlencode, urljoin, urlsplit

from mlimage.digest import Digest
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Body, EndlessError, Http, HttpResponse, RefusedError, Retry, UnreachableError
from mlimage.fetch.pace import LEAST
from mlimage.oci.authentication import NOBODY, RegistryAuthentication
from mlimage.oci.login import Logins
from mlimage.oci.model import INDEX, MANIFEST, Descriptor
from mlimage.oci.registry import HOST_OF_HUB, MAX_DOCUMENT, UNKNOWN, default_place, said
from mlimage.progress import Task
from mlimage.spec.registry import DOCKER_HUB, Reference

_JUDGED: Final = frozenset({400, 401, 403, 404, 405, 406, 413, 416})
_TOO_MANY: Final = 429
_FULL: Final = 507
_FULL_HINT: Final = "its disk may be full: ask its operator, and push again"
_ALONE: Final = 1 << 20
"""Bytes of a blob up to which it goes in one request; what breaks then begins anew."""
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d+)\Z")
_PIECE: Final = 1 << 20
_NONE: Final[Mapping[str, str]] = {}


Content = Callable[[], io.RawIOBase | BinaryIO]
"""Opens the bytes of a blob anew for each attempt."""


class Destination:
    """A repository that images go to. Safe to use from several threads.

    Args:
        reference: names it; its tag and digest do not count.
        http: asks.
        logins: of the user.
        note: is told what people may want to know.
        sources: repositories of the same registry from which blobs may be mounted.
        plain: whether it speaks HTTP without encryption; else only one on this machine may.
        retry: how often and how soon a transfer that broke is taken up again.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        http: Http,
        logins: Logins,
        note: Callable[[str], None],
        sources: Sequence[str] = (),
        plain: bool = False,
        retry: Retry | None = None,
    ) -> None:
        self.reference = reference
        self._registry = reference.registry
        self._path = reference.repository
        self._http = http
        self._sources = tuple(source for source in sources if source != self._path)
        self._retry = retry or Retry()
        self._known: set[Digest] = set()
        place = default_place(reference.registry, plain=plain)
        self._url = f"{place.url}/v2/{self._path}"
        host = urlsplit(place.url).netloc
        self._host = DOCKER_HUB if host == HOST_OF_HUB else host
        self._auth = RegistryAuthentication(
            http,
            place,
            scopes=[
                f"repository:{self._path}:pull,push",
                *(f"repository:{source}:pull" for source in self._sources),
            ],
            login=lambda: logins.of(self._host),
            note=note,
            plain=plain,
        )

    @property
    def name(self) -> str:
        """What messages call it: `REGISTRY/PATH`."""
        return f"{self._registry}/{self._path}"

    def has(self, blob: Descriptor) -> bool:
        """Whether the repository has a blob; it is asked until it says so once.

        Raises:
            RegistryError: the registry refuses.
            FetchError: it cannot be reached.
        """
        if blob.digest in self._known:
            return True
        try:
            answer = self._send("HEAD", f"{self._url}/blobs/{blob.digest}", what=blob.digest)
        except _FailingError:  # so does Debian's registry for what it once had no room for, till it is sent
            return False
        if answer.status == 404:
            return False
        self._expect(answer, {200}, blob.digest)
        self._known.add(blob.digest)
        return True

    def mount(self, blob: Descriptor) -> bool:
        """Take a blob from another repository of the registry, where one has it. Raises as `has` does."""
        for source in self._sources:
            query = urlencode({"mount": blob.digest, "from": source})
            answer = self._send("POST", f"{self._url}/blobs/uploads/?{query}", what=blob.digest)
            if answer.status == 201:
                self._known.add(blob.digest)
                return True
            if answer.status == 202:  # it began an upload instead, which nobody goes on with
                self._send("DELETE", self._location(answer), what=blob.digest)
        return False

    def upload(self, blob: Descriptor, content: Content, task: Task) -> None:
        """Send a blob; a transfer that breaks goes on where the registry says that it is.

        Args:
            blob: what it is; the registry holds what comes against its digest.
            content: opens its bytes, from the first one on; what that raises ends the upload.
            task: is told of each byte once.

        Raises:
            RegistryError: the registry refuses.
            FetchError: it cannot be reached, or the connection breaks again and again.
        """
        sent = _Sent(task)
        fruitless = 0
        failed: UnreachableError | _FailingError | None = None
        location: str | None = None
        while True:
            before = sent.most
            try:
                if location is None:
                    start, location = 0, self._begin(blob)
                else:
                    start, location = self._where(location, blob)
                self._transfer(location, blob, content, start, sent)
            except (UnreachableError, _FailingError) as error:
                failed = error
                fruitless = 1 if sent.most - before >= LEAST else fruitless + 1
                if fruitless == self._retry.attempts:
                    self._give_up(blob, error)
                self._retry.wait(fruitless, None)
            except _LostError:  # the registry knows nothing of this upload any more
                location = None
                fruitless += 1
                if fruitless == self._retry.attempts:
                    if failed:  # which is why it was lost
                        self._give_up(blob, failed)
                    raise RegistryError(
                        f"`{self._registry}` loses the upload of {blob.digest} again and again"
                    ) from None
            else:
                sent.reach(blob.size)
                self._known.add(blob.digest)
                return

    def manifest(self, selector: str) -> Digest | None:
        """The digest of the manifest or index that a tag or digest names; None where there is none.

        Raises as `has` does.
        """
        accept = {"Accept": f"{INDEX}, {MANIFEST}"}
        answer = self._send("HEAD", f"{self._url}/manifests/{selector}", what=selector, headers=accept)
        if answer.status == 404:
            return None
        self._expect(answer, {200}, selector)
        try:
            return Digest(answer.headers.get("docker-content-digest", ""))
        except ValueError:
            raise RegistryError(
                f"`{self._registry}` does not say which digest `{self._path}:{selector}` has"
            ) from None

    def put_manifest(self, content: bytes, media_type: str, selector: str) -> str | None:
        """Give the repository a manifest or an index under a tag or its own digest.

        Returns:
            The digest of the manifest to which the registry says that this one refers; None where it does
            not say.

        Raises:
            RegistryError: the registry refuses, or says that it has something else now.
            FetchError: it cannot be reached.
        """
        answer = self._send(
            "PUT",
            f"{self._url}/manifests/{selector}",
            what=selector,
            headers={"Content-Type": media_type},
            body=Body(open=lambda: io.BytesIO(content), size=len(content)),
        )
        self._expect(answer, {201, 200}, selector)
        told = answer.headers.get("docker-content-digest")
        if told is not None and told != Digest.of(content):
            raise RegistryError(
                f"`{self._registry}` has another manifest than was sent: expected {Digest.of(content)}, "
                f"got {told}"
            )
        return answer.headers.get("oci-subject")

    def ask(self, place: str, *, accept: str) -> HttpResponse | None:
        """A document of the repository; None where it does not have it, or does not know what is asked.

        Raises as `has` does.
        """
        what = place.partition("?")[0].rpartition("/")[2]
        with self._judged(what):
            answer = self._http.get(
                f"{self._url}/{place}",
                headers={"Accept": accept},
                auth=self._auth,
                judged=_JUDGED,
                limit=MAX_DOCUMENT,
            )
        if answer.status in UNKNOWN:
            return None
        self._expect(answer, {200}, what)
        return answer

    def _give_up(self, blob: Descriptor, error: UnreachableError | RegistryError) -> NoReturn:
        """Say why a blob could not be sent: where the registry answered, it is its own word."""
        if isinstance(error, RegistryError):
            raise error
        if error.status is not None:
            raise self._refusal(error.status, blob.digest, "") from error
        raise FetchError(
            f"`{self._registry}` does not take {blob.digest}: {error.message}", hint=error.hint
        ) from error

    def _begin(self, blob: Descriptor) -> str:
        answer = self._send("POST", f"{self._url}/blobs/uploads/", what=blob.digest)
        self._expect(answer, {202}, blob.digest)
        return self._location(answer)

    def _where(self, location: str, blob: Descriptor) -> tuple[int, str]:
        """How many bytes of an upload the registry has, and where it goes on."""
        answer = self._send("GET", location, what=blob.digest)
        if answer.status == 404:
            raise _LostError
        self._expect(answer, {204, 202}, blob.digest)
        found = _RANGE.match(answer.headers.get("range", ""))
        have = int(found[1]) + 1 if found else 0
        if not 1 < have <= blob.size:  # `0-0` may mean one byte, or none
            raise _LostError
        return have, self._location(answer, location)

    def _transfer(self, location: str, blob: Descriptor, content: Content, start: int, sent: "_Sent") -> None:
        headers = {"Content-Type": "application/octet-stream"}
        rest = Body(open=lambda: _opened(content, start, sent), size=blob.size - start)
        if start or blob.size > _ALONE:
            if start:
                headers["Content-Range"] = f"{start}-{blob.size - 1}"
            if rest.size:
                answer = self._send(
                    "PATCH", location, what=blob.digest, headers=headers, body=rest, attempts=1
                )
                if answer.status in {404, 416}:
                    raise _LostError
                self._expect(answer, {202, 201, 204}, blob.digest)
                location = self._location(answer, location)
            headers, rest = {}, Body(open=io.BytesIO, size=0)
        separator = "&" if urlsplit(location).query else "?"
        answer = self._send(
            "PUT",
            f"{location}{separator}{urlencode({'digest': blob.digest})}",
            what=blob.digest,
            headers=headers,
            body=rest,
            attempts=1,
        )
        if answer.status == 404 or (answer.status == 400 and start):  # what was there before is no use
            raise _LostError
        self._expect(answer, {201, 204}, blob.digest)

    def _location(self, answer: HttpResponse, before: str | None = None) -> str:
        told = answer.headers.get("location") or before
        if told is None:
            raise RegistryError(f"`{self._registry}` does not say where the upload goes on")
        place = urljoin(answer.url, told)
        if answer.url.startswith("https:") and not place.startswith("https:"):
            raise RegistryError(f"`{self._registry}` sends the upload to a place without encryption")
        return place

    def _send(
        self,
        method: str,
        url: str,
        *,
        what: str,
        headers: Mapping[str, str] = _NONE,
        body: Body | None = None,
        attempts: int | None = None,
    ) -> HttpResponse:
        here = urlsplit(url)[:2] == urlsplit(self._url)[:2]
        with self._judged(what, patient=attempts is None):
            return self._http.send(
                method,
                url,
                headers=headers,
                body=body,
                auth=self._auth if here else NOBODY,
                judged=_JUDGED,
                attempts=attempts,
            )

    @contextmanager
    def _judged(self, what: str, *, patient: bool = True) -> Iterator[None]:
        """What ends a request, as an error of a registry where it is one."""
        try:
            yield
        except EndlessError:
            raise RegistryError(
                f"`{self._registry}` gives more than {MAX_DOCUMENT >> 20} MiB for `{self._path}`, "
                "which no manifest has"
            ) from None
        except RefusedError as error:
            raise self._refusal(error.status, what, "") from error
        except UnreachableError as error:
            if error.status is None or not patient:
                raise
            raise self._refusal(error.status, what, "") from error

    def _expect(self, answer: HttpResponse, wanted: set[int], what: str) -> None:
        if answer.status not in wanted:
            raise self._refusal(answer.status, what, said(answer.body))

    def _refusal(self, status: int, what: str, told: str) -> RegistryError:
        named = f"{self._path}{'@' if ':' in what else ':'}{what}"
        why = f": {told}" if told else ""
        if status in {401, 403}:
            who = f"from `{self._auth.user}`" if self._auth.user else "without a login"
            return RegistryError(
                f"`{self._registry}` does not take `{named}` {who} (HTTP {status}){why}",
                hint=self._auth.hint or f"`docker login {self._host}`, with a login that may push",
            )
        if status == 404:
            return RegistryError(
                f"`{self._registry}` has no repository `{self._path}`{why}",
                hint="some registries want it to be made before",
            )
        if status == 413:
            return RegistryError(
                f"`{named}` is too large for `{self._registry}` (HTTP 413){why}",
                hint="it, or a proxy in front of it, limits the size of uploads: ask its operator to raise "
                "the limit",
            )
        if status == _FULL:
            return RegistryError(
                f"`{self._registry}` has no space left for `{named}` (HTTP 507){why}", hint=_FULL_HINT
            )
        if status >= 500:
            return _FailingError(
                f"`{self._registry}` fails at `{named}` (HTTP {status}){why}",
                hint=_FULL_HINT,
            )
        if status == _TOO_MANY:
            return RegistryError(
                f"`{self._registry}` takes no more for now: too many requests (HTTP 429)", hint="wait a while"
            )
        return RegistryError(f"`{self._registry}` refuses `{named}` (HTTP {status}){why}")


class _FailingError(RegistryError):
    """The registry answers that it cannot, maybe only for now."""


class _LostError(Exception):
    """The registry does not know the upload; never leaves this module."""


class _Sent:
    """Tells a task of each byte once, whatever is sent again."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.most = 0

    def reach(self, position: int) -> None:
        """So many bytes were sent."""
        if position > self.most:
            self._task.advance(position - self.most)
            self.most = position


class _Counting(io.RawIOBase):
    """A stream that says how far it was read."""

    def __init__(self, stream: io.RawIOBase | BinaryIO, start: int, sent: _Sent) -> None:
        super().__init__()
        self._stream = stream
        self._sent = sent
        self._at = 0
        # Passed over by reading: who verifies what is read must see all of it.
        while self._at < start and (piece := stream.read(min(_PIECE, start - self._at))):
            self._at += len(piece)

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        content = self._stream.read(size) or b""
        self._at += len(content)
        self._sent.reach(self._at)
        return content

    def close(self) -> None:
        """Close the stream too."""
        self._stream.close()
        super().close()


def _opened(content: Content, start: int, sent: _Sent) -> BinaryIO:
    return cast("BinaryIO", _Counting(content(), start, sent))
