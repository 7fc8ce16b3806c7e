"""Attaches to each image of a repository what it is made of and what it was built from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.lock.model import Lock
from mlimage.oci.attach import Attached, attach
from mlimage.oci.config import rfc3339
from mlimage.oci.destination import Destination
from mlimage.oci.referrers import Artifact
from mlimage.parallel import at_once
from mlimage.plan.config import spec_digest
from mlimage.process import Runner
from mlimage.progress import Progress
from mlimage.release import provenance as slsa
from mlimage.release.index import Member
from mlimage.release.revision import Revision, revision_of
from mlimage.release.sbom import FORMATS, sbom
from mlimage.spec.model import ImageSpec

PREDICATE_TYPE: Final = "in-toto.io/predicate-type"
"""Annotation that tells statements apart without reading them, as BuildKit has it."""
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """What became of one artifact of an image.

    Attributes:
        image: name of the image.
        artifact_type: what it is.
        attached: its digest, and whether it was there.
    """

    image: str
    artifact_type: str
    attached: Attached

    @property
    def value(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "image": self.image,
            "artifact_type": self.artifact_type,
            "digest": self.attached.digest,
            "new": self.attached.new,
            "sent": self.attached.sent,
        }


def artifacts_of(
    member: Member, lock: Lock, *, spec: ImageSpec, revision: Revision | None
) -> tuple[Artifact, ...]:
    """The SBOM of an image in each form, and its provenance; the same inputs give the same bytes. Pure.

    Args:
        member: the image.
        lock: from which it was built.
        spec: from which it was built.
        revision: of the files of the project, where it is known.
    """
    said = {"org.opencontainers.image.created": rfc3339(lock.as_of)}
    statement = slsa.provenance(
        member.image,
        lock,
        member.tag,
        spec=spec_digest(spec, member.tag.variant),
        revision=revision,
    )
    return (
        *(_artifact(each.media_type, sbom(lock, member.tag, name), said) for name, each in FORMATS.items()),
        _artifact(slsa.MEDIA_TYPE, statement, {**said, PREDICATE_TYPE: slsa.PREDICATE}),
    )


def _artifact(media_type: str, content: bytes, annotations: Mapping[str, str]) -> Artifact:
    return Artifact(artifact_type=media_type, media_type=media_type, content=content, annotations=annotations)


def attested(
    images: Sequence[tuple[Member, Lock]],
    *,
    spec: ImageSpec,
    project: Path,
    destination: Destination,
    run: Runner,
    progress: Progress,
    title: str,
) -> tuple[Attestation, ...]:
    """Attach to each image of a spec its artifacts. Of those that are attached already nothing is sent.

    Args:
        images: that are there, each with the lock from which it was built.
        spec: of all of them.
        project: folder of the project.
        destination: the repository.
        run: starts git.
        progress: where it is shown.
        title: what the repository is called there.

    Raises:
        RegistryError: the registry refuses.
        FetchError: it cannot be reached.
    """
    inputs = [f"images/{spec.name}", f"lockfiles/{spec.name}"]
    revision = revision_of(project, inputs, run=run, note=progress.note)

    def attach_to(image: tuple[Member, Lock]) -> Sequence[Attestation]:
        member, lock = image
        artifacts = artifacts_of(member, lock, spec=spec, revision=revision)
        results = attach(destination, member.image.manifest, artifacts)
        return [
            Attestation(image=member.image.name, artifact_type=artifact.artifact_type, attached=attached)
            for artifact, attached in zip(artifacts, results, strict=True)
        ]

    found: list[Attestation] = []
    with progress.task(f"attaching SBOMs and provenance to {title}", total=len(images)) as task:
        for each in at_once(attach_to, images, threads=_AT_ONCE):
            found += each
            task.advance(1)
    return tuple(found)
