"""What is attached to a pushed image, once, and what it leaves alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.referrers import read_artifact, referrers
from mlimage.oci.store import Store
from mlimage.process import Command, Completed
from mlimage.progress import SILENT
from mlimage.release.attest import Attestation, attested
from mlimage.release.index import Member
from mlimage.release.sbom import sbom
from mlimage.spec.load import LoadedSpec, load_spec
from support.attesting import lock_of_all
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.locks import CPU
from support.pulling import pulled, repository
from support.pushing import destination, pushed

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
"""
KINDS = ("application/vnd.cyclonedx+json", "application/spdx+json", "application/vnd.in-toto+json")


@pytest.fixture(params=[None, 100], ids=["no API", "API"])
def registry(
    request: pytest.FixtureRequest, source: Store, pushable: SealedImage, quick: Http
) -> Iterator[FaultyRegistry]:
    with faulty_registry(referrers=request.param) as made:
        pushed(pushable, source, destination(made, quick), tags=["latest"])
        yield made


@pytest.fixture
def spec(tmp_path: Path) -> LoadedSpec:
    folder = tmp_path / "images/digits"
    (folder / "app").mkdir(parents=True)
    (folder / "app/train.py").touch()
    (folder / "mlimage.yaml").write_text(SPEC)
    return load_spec(folder, shown="images/digits")


def attest(registry: FaultyRegistry, http: Http, image: SealedImage, spec: LoadedSpec) -> list[Attestation]:
    return list(
        attested(
            [(Member(image=image, tag=CPU, accelerator="cpu"), lock_of_all())],
            spec=spec.spec,
            project=Path("/project"),
            destination=destination(registry, http),
            run=_no_git,
            progress=SILENT,
            title="registry/team/demo",
        )
    )


def _no_git(_: Command) -> Completed:
    raise FileNotFoundError


def test_attached_and_read(
    registry: FaultyRegistry, quick: Http, pushable: SealedImage, spec: LoadedSpec
) -> None:
    found = attest(registry, quick, pushable, spec)
    there = repository(registry.host, quick)
    listed = {each.artifact_type: each for each in referrers(there, pushable.digest)}
    assert listed.keys() == set(KINDS)
    contents = {
        kind: read_artifact(there, each, subject=pushable.digest, media_type=kind)
        for kind, each in listed.items()
    }
    assert contents["application/vnd.cyclonedx+json"] == sbom(lock_of_all(), CPU, "cyclonedx")
    assert contents["application/spdx+json"] == sbom(lock_of_all(), CPU, "spdx")
    provenance = json.loads(contents["application/vnd.in-toto+json"])
    assert provenance["subject"][0]["digest"] == {"sha256": pushable.digest.hex}
    assert listed["application/vnd.in-toto+json"].annotations == {
        "in-toto.io/predicate-type": "https://slsa.dev/provenance/v1",
        "org.opencontainers.image.created": "2026-11-01T12:00:00Z",
    }
    assert [each.value for each in found] == [
        {
            "image": pushable.name,
            "artifact_type": kind,
            "digest": listed[kind].manifest.digest,
            "new": True,
            "sent": len(contents[kind]),
        }
        for kind in KINDS
    ]


def test_the_second_time_one_question_is_asked(
    registry: FaultyRegistry, quick: Http, pushable: SealedImage, spec: LoadedSpec
) -> None:
    first = attest(registry, quick, pushable, spec)
    registry.requests.clear()
    again = attest(registry, quick, pushable, spec)
    assert [each.attached.digest for each in again] == [each.attached.digest for each in first]
    assert [(each.attached.new, each.attached.sent) for each in again] == [(False, 0)] * 3
    asked = [("GET", f"/v2/team/demo/referrers/{pushable.digest}")]
    if registry.referrers is None:
        asked.append(("GET", f"/v2/team/demo/manifests/{pushable.digest.replace(':', '-')}"))
    assert registry.requests == asked


def test_images_stay_what_they_are(
    registry: FaultyRegistry, quick: Http, pushable: SealedImage, spec: LoadedSpec, tmp_path: Path
) -> None:
    before = {key: value for key, value in registry.manifests.items() if not key[1].startswith("sha256-")}
    attest(registry, quick, pushable, spec)
    assert {key: registry.manifests[key] for key in before} == before
    assert pulled(registry, quick, Store(tmp_path / "store")).image.digest == pushable.digest
