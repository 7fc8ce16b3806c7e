"""Attaches artifacts to a manifest of a registry, which stays as it is.

https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pushing-manifests-with-subject
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlimage.digest import Digest, canonical_json
from mlimage.document import Node
from mlimage.oci.config import descriptor_json
from mlimage.oci.destination import Destination
from mlimage.oci.model import EMPTY, EMPTY_CONTENT, INDEX, MANIFEST, Descriptor
from mlimage.oci.referrers import (
    Artifact,
    fallback_tag,
    read_fallback,
    referrers,
)
from mlimage.progress import NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What became of an artifact.

    Attributes:
        digest: of its manifest.
        new: whether it was not attached before.
        sent: bytes of its content that travelled.
    """

    digest: Digest
    new: bool
    sent: int


def attach(
    destination: Destination, subject: Descriptor, artifacts: Sequence[Artifact]
) -> tuple[Attached, ...]:
    """Attach artifacts to a manifest or index; what is attached already is not sent again.

    Where the registry does not say that it lists them itself (`OCI-Subject`), they are added to the list
    under the fallback tag, in which others' entries stay.

    Args:
        destination: the repository.
        subject: what they are about.
        artifacts: that are attached.

    Returns:
        What became of each, in their order.

    Raises:
        RegistryError: the registry refuses, or has something else than a list.
        FetchError: it cannot be reached.
    """
    known = {each.manifest.digest for each in referrers(destination, subject.digest)}
    results = []
    unlisted = []
    for artifact in artifacts:
        content = artifact.manifest(subject)
        digest = Digest.of(content)
        new = digest not in known
        sent = 0
        if new:
            known.add(digest)
            _send(destination, EMPTY, EMPTY_CONTENT)
            sent = _send(destination, artifact.blob, artifact.content)
            if destination.put_manifest(content, MANIFEST, digest) != subject.digest:
                unlisted.append(_entry(artifact, content))
        results.append(Attached(digest=digest, new=new, sent=sent))
    if unlisted:
        _list(destination, subject.digest, unlisted)
    return tuple(results)


def _send(destination: Destination, blob: Descriptor, content: bytes) -> int:
    if destination.has(blob):
        return 0
    destination.upload(blob, lambda: io.BytesIO(content), NOTHING)
    return blob.size


def _entry(artifact: Artifact, manifest: bytes) -> Mapping[str, Any]:
    entry = {
        **descriptor_json(Descriptor(media_type=MANIFEST, digest=Digest.of(manifest), size=len(manifest))),
        "artifactType": artifact.artifact_type,
    }
    return entry | ({"annotations": dict(artifact.annotations)} if artifact.annotations else {})


def _list(destination: Destination, subject: Digest, entries: Sequence[Mapping[str, Any]]) -> None:
    index = read_fallback(destination, subject)
    there = {entry.get("digest").text("") for entry in Node(index).get("manifests").items()}
    added = [entry for entry in entries if entry["digest"] not in there]
    if added:
        content = canonical_json({**index, "manifests": [*index["manifests"], *added]})
        destination.put_manifest(content, INDEX, fallback_tag(subject))
