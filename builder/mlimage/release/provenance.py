"""The provenance of an image: what it was built from, and by what, as a statement that can be signed. Pure.

https://slsa.dev/spec/v1.0/provenance in https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
Nothing in it is of the machine, its user or the time: what is built again is stated with the same bytes.
"""

from collections.abc import Iterable
from typing import Any, Final

from mlimage import __version__
from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import ImageBase, Lock
from mlimage.lock.writer import render_lock
from mlimage.oci.model import SealedImage
from mlimage.release.parts import base_purl
from mlimage.release.revision import Revision
from mlimage.spec.tags import ImageTag

MEDIA_TYPE: Final = "application/vnd.in-toto+json"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:mlimage:build:1"
"""What the parameters mean, and how to build with them: `docs/supply-chain.md`."""
BUILDER: Final = "urn:mlimage:builder:1"


def provenance(
    image: SealedImage, lock: Lock, tag: ImageTag, *, spec: Digest, revision: Revision | None
) -> bytes:
    """The statement, canonical JSON.

    Args:
        image: that was built.
        lock: from which.
        tag: which of the lock's images it is.
        spec: digest of what the spec says of it.
        revision: of the files of the project, where it is known.
    """
    parameters = {
        "image": lock.image,
        "spec": spec,
        "variant": tag.variant,
        "platform": str(tag.platform),
        **({"role": tag.role} if tag.role else {}),
    }
    return canonical_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": f"{lock.image}:{tag}", "digest": {"sha256": image.digest.hex}}],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": parameters,
                    "resolvedDependencies": [
                        *_of_revision(revision),
                        *_of_lock(lock),
                        *_of_base(lock),
                    ],
                },
                "runDetails": {"builder": {"id": BUILDER, "version": {"mlimage": __version__}}},
            },
        }
    )


def _of_revision(revision: Revision | None) -> Iterable[dict[str, Any]]:
    if revision is not None:
        yield {
            "name": "source",
            **({"uri": revision.repository} if revision.repository else {}),
            "digest": {"gitCommit": revision.commit},
            "annotations": {"changed": revision.changed},
        }


def _of_lock(lock: Lock) -> Iterable[dict[str, Any]]:
    """What the lock says, whose digest is a label of the image, and its files."""
    yield {"name": "lock", "digest": {"sha256": lock.digest.hex}}
    for name, text in render_lock(lock).items():
        yield {
            "name": f"lockfiles/{lock.image}/{name}",
            "digest": {"sha256": Digest.of(text.encode()).hex},
        }


def _of_base(lock: Lock) -> Iterable[dict[str, Any]]:
    if isinstance(lock.base, ImageBase):
        yield {
            "name": "base",
            "uri": base_purl(lock.base),
            "digest": {"sha256": lock.base.manifest.hex},
        }
