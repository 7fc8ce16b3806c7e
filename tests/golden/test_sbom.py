"""SBOMs and provenance, whole; what they are in the eyes of others is in tests/unit/release."""

from collections.abc import Callable
from pathlib import Path

from mlimage.content.entry import file_of_bytes
from mlimage.oci.store import Store
from mlimage.release.provenance import provenance
from mlimage.release.revision import Revision
from mlimage.release.sbom import sbom
from support.attesting import lock_of_all, lock_on_image
from support.locks import CPU, digest_of
from support.sealing import sealed

Golden = Callable[[str, bytes | str], None]


def test_of_debs_and_wheels(golden: Golden) -> None:
    golden("sbom/cyclonedx.json", sbom(lock_of_all(), CPU, "cyclonedx"))
    golden("sbom/spdx.json", sbom(lock_of_all(), CPU, "spdx"))


def test_on_an_image(golden: Golden) -> None:
    golden("sbom/on-image/cyclonedx.json", sbom(lock_on_image(), CPU, "cyclonedx"))
    golden("sbom/on-image/spdx.json", sbom(lock_on_image(), CPU, "spdx"))


def test_provenance(tmp_path: Path, golden: Golden) -> None:
    image = sealed(Store(tmp_path), app=[file_of_bytes("app/serve.py", b"", origin="app")])
    revision = Revision(commit="0" * 40, repository="git+https://git.example/acme/churn.git", changed=False)
    golden(
        "sbom/provenance.json",
        provenance(image, lock_on_image(), CPU, spec=digest_of("spec"), revision=revision),
    )
