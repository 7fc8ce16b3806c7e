"""What refers to a manifest of a registry (signatures, SBOMs, provenance): listed, and read verified.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#listing-referrers
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit

from mlimage.digest import Digest, canonical_json
from mlimage.document import DocumentError, Node, read_document
from mlimage.errors import RegistryError
from mlimage.fetch import HttpResponse
from mlimage.oci.config import descriptor_json
from mlimage.oci.model import EMPTY, INDEX, MANIFEST, Descriptor
from mlimage.oci.read import read_descriptor, read_entry
from mlimage.oci.registry import MAX_DOCUMENT, Repository

_NEXT: Final = re.compile(r'<(?P<url>[^>]*)>(?:[^,"]|"[^"]*")*;\s*rel="?next\b')
_MOST: Final = 10_000
"""Referrers of one manifest that are looked at."""
_PAGES: Final = 100


class Asked(Protocol):
    """A repository of a registry, as it is asked for documents."""

    @property
    def name(self) -> str:
        """What messages call it: `REGISTRY/PATH`."""

    def ask(self, place: str, *, accept: str) -> HttpResponse | None:
        """A document of the repository; None where it does not have it, or does not know what is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """What is attached to an image.

    Attributes:
        artifact_type: what it is, as a media type.
        media_type: of its content.
        content: all of it, one blob.
        annotations: of its manifest, which lists of referrers show too.
    """

    artifact_type: str
    media_type: str
    content: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, subject: Descriptor) -> bytes:
        """Its manifest, canonical JSON: the same artifact of the same subject has the same bytes.

        https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md#guidelines-for-artifact-usage
        """
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": self.artifact_type,
                "config": descriptor_json(EMPTY),
                "layers": [descriptor_json(self.blob)],
                "subject": descriptor_json(subject),
                **({"annotations": dict(self.annotations)} if self.annotations else {}),
            }
        )

    @property
    def blob(self) -> Descriptor:
        """The content's descriptor."""
        return Descriptor(media_type=self.media_type, digest=Digest.of(self.content), size=len(self.content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """An entry of the list of what refers to a manifest; nothing but its digest is certain yet."""

    manifest: Descriptor
    artifact_type: str
    annotations: Mapping[str, str]


def referrers(
    repository: Asked, subject: Digest, *, artifact_type: str | None = None
) -> tuple[Referrer, ...]:
    """What refers to a manifest or index, in the registry's order; of one type, or of all.

    A registry without the API has a list under a tag (`fallback_tag`).

    Raises:
        RegistryError: the registry refuses, or gives what is no list.
        FetchError: it cannot be reached.
    """
    entries = _listed(repository, subject, artifact_type)
    if entries is None:
        entries = Node(read_fallback(repository, subject)).get("manifests").items()
    found = []
    for entry in entries:
        try:
            if not entry.get("digest").text().startswith("sha256:"):
                continue  # of another algorithm: somebody else's
            read = read_entry(entry)
        except DocumentError as error:
            raise RegistryError(
                f"`{repository.name}` lists what is no descriptor among what refers to {subject}: {error}"
            ) from None
        found.append(
            Referrer(manifest=read.blob, artifact_type=read.artifact_type, annotations=read.annotations)
        )
    return tuple(each for each in found if artifact_type in {None, each.artifact_type})


def fallback_tag(subject: Digest) -> str:
    """The tag under which registries without the API have the list of what refers to a manifest."""
    return subject.replace(":", "-")


def read_fallback(repository: Asked, subject: Digest) -> dict[str, Any]:
    """The index under the fallback tag; an empty one where there is none yet. Raises as `referrers` does."""
    tag = fallback_tag(subject)
    answer = repository.ask(f"manifests/{tag}", accept=INDEX)
    if answer is None:
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    document = _index(answer)
    if document is None:
        raise RegistryError(
            f"`{repository.name}:{tag}` is no list of what refers to an image",
            hint="registries without the API for referrers have it there; what is there now must go",
        )
    found: dict[str, Any] = document.value
    return found


def read_artifact(
    repository: Repository,
    referrer: Referrer,
    *,
    subject: Digest,
    media_type: str,
    limit: int = MAX_DOCUMENT,
) -> bytes:
    """The content of what refers to a manifest; all of it is what its digest says.

    Args:
        repository: where it is.
        referrer: one of `referrers`.
        subject: to what it must refer.
        media_type: that its content must have.
        limit: most bytes that it may have.

    Raises:
        RegistryError: it is not there, is too large, is something else or refers to something else.
        FetchError: the registry cannot be reached.
    """
    named = f"`{repository.name}@{referrer.manifest.digest}`"
    document = repository.document(referrer.manifest.digest)
    try:
        node = read_document(document.content)
        told, kind = node.get("subject").get("digest").text(), node.get("artifactType").text("")
        layers = node.get("layers").items()
        if len(layers) != 1:
            raise node.get("layers").wrong(f"a list of {len(layers)}, not of one")
        blob = read_descriptor(layers[0])
    except DocumentError as error:
        raise RegistryError(f"{named} is no artifact that refers to an image: {error}") from None
    if told != subject:
        raise RegistryError(f"{named} refers to another image: expected {subject}, got {told[:100]}")
    if kind != referrer.artifact_type:
        raise RegistryError(f"{named} is a `{kind[:100]}`, not a `{referrer.artifact_type}` as it is listed")
    if blob.media_type != media_type:
        raise RegistryError(
            f"{named} has content of another kind: expected `{media_type}`, got `{blob.media_type[:100]}`"
        )
    if blob.size > limit:
        raise RegistryError(
            f"{named} has {blob.size} bytes, more than the {limit} that `{media_type}` may have"
        )
    content = repository.blob(blob.digest)
    if len(content) != blob.size:
        raise RegistryError(f"{named} says {blob.size} bytes of {blob.digest}, which has {len(content)}")
    return content


def _listed(repository: Asked, subject: Digest, artifact_type: str | None) -> Sequence[Node] | None:
    """All pages of the API; None where there is no such API.

    A registry without it answers 404, or 200 with a page for people: the tag counts then, as for other
    clients.
    """
    place = f"referrers/{subject}"
    query = urlencode({"artifactType": artifact_type}) if artifact_type else ""
    found: list[Node] = []
    for number in range(_PAGES):
        answer = repository.ask(f"{place}?{query}" if query else place, accept=INDEX)
        document = None if answer is None else _index(answer)
        if answer is None or document is None:
            if number:
                break
            return None
        found += document.get("manifests").items()
        following = _NEXT.search(answer.headers.get("link", ""))
        if len(found) > _MOST:
            break
        if following is None:
            return found
        # The place stays, whatever the link says: nobody is sent to another registry.
        query = urlsplit(following["url"]).query
    raise RegistryError(f"`{repository.name}` does not come to an end of what refers to {subject}")


def _index(answer: HttpResponse) -> Node | None:
    """The index that an answer is; None where it is something else."""
    if answer.headers.get("content-type", "").partition(";")[0].strip() != INDEX:
        return None
    try:
        document = read_document(answer.body)
        is_index = bool(document.get("manifests").there) and not document.get("layers").there
        document.get("manifests").items()
    except DocumentError:
        return None
    return document if is_index else None
