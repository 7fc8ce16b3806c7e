"""What is attached to an image in Debian's own registry, which has no API for referrers."""

from secrets import token_hex

import pytest

from mlimage.digest import Digest
from mlimage.fetch import Http
from mlimage.oci.attach import attach
from mlimage.oci.model import MANIFEST, SealedImage
from mlimage.oci.referrers import Artifact, read_artifact, referrers
from mlimage.oci.store import Store
from support.pulling import repository
from support.pushing import destination, pushed

pytestmark = pytest.mark.engine

NOTES = tuple(
    Artifact(
        artifact_type=f"application/vnd.example.v{number}",
        media_type="text/plain",
        content=b"note %d" % number,
        annotations={"org.example.number": str(number)},
    )
    for number in range(3)
)


def test_attached_under_a_tag(source: Store, pushable: SealedImage, quick: Http, registry: str) -> None:
    name = f"attach-{token_hex(6)}"
    to = destination(registry, quick, name)
    pushed(pushable, source, to)
    attach(to, pushable.manifest, NOTES[:1])
    attach(to, pushable.manifest, NOTES)
    there = repository(registry, quick, f"team/{name}")
    found = referrers(there, pushable.digest)
    assert [(each.manifest.digest, each.artifact_type, each.annotations) for each in found] == [
        (Digest.of(note.manifest(pushable.manifest)), note.artifact_type, note.annotations) for note in NOTES
    ]
    for referrer, note in zip(found, NOTES, strict=True):
        content = read_artifact(there, referrer, subject=pushable.digest, media_type="text/plain")
        assert content == note.content
    assert to.manifest(pushable.digest) == pushable.digest
    assert there.document(pushable.digest).media_type == MANIFEST
    assert [each.sent for each in attach(to, pushable.manifest, NOTES)] == [0, 0, 0]
