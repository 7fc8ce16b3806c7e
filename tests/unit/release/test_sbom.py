"""SBOMs as the libraries of their standards read and judge them, and what is in them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.model.document import Document
from spdx_tools.spdx.parser.json.json_parser import parse_from_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from mlimage.lock.model import Lock
from mlimage.lock.text import read_lock
from mlimage.release.licenses import reference, spdx_expression
from mlimage.release.sbom import FORMATS, sbom
from mlimage.spec.tags import ImageTag, RoleName
from support import locks
from support.attesting import lock_of_all, lock_on_image
from support.locks import CPU
from support.machine import ROOT

SHIPPED = sorted(path for path in (ROOT / "lockfiles").glob("*/*.txt"))


def shipped(path: Path) -> Lock:
    return read_lock(path.parent, ImageTag(variant=path.stem))


def cyclonedx(lock: Lock, tag: ImageTag = CPU) -> dict[str, Any]:
    """The SBOM, which must be what the schema says."""
    text = sbom(lock, tag, "cyclonedx").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return dict(json.loads(text))


def spdx(lock: Lock, tag: ImageTag = CPU, *, folder: Path) -> Document:
    """The SBOM, of which SPDX's own library says nothing bad."""
    file = folder / "image.spdx.json"
    file.write_bytes(sbom(lock, tag, "spdx"))
    document = parse_from_file(str(file))
    assert validate_full_spdx_document(document) == []
    return document


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}:{path.stem}")
def test_the_shipped_images_have_sound_sboms(path: Path, tmp_path: Path) -> None:
    lock = shipped(path)
    parts = len(lock.packages) + len(lock.base.debs)
    found = cyclonedx(lock, lock.tag)
    assert len(found["components"]) == parts
    assert all(each["hashes"] for each in found["components"])
    assert {each["name"] for each in found["components"] if each.get("licenses")} == {
        package.name for package in lock.packages if package.license
    }
    assert len(spdx(lock, lock.tag, folder=tmp_path).packages) == parts + 1


@pytest.mark.parametrize("lock", [lock_of_all(), lock_on_image(), locks.lock()], ids=["all", "image", "bare"])
def test_sound(lock: Lock, tmp_path: Path) -> None:
    found = cyclonedx(lock)
    document = spdx(lock, folder=tmp_path)
    in_spdx = {
        each.external_references[0].locator: each for each in document.packages if each.external_references
    }
    assert set(in_spdx) == {each["purl"] for each in found["components"]}
    for each in found["components"]:
        purl = PackageURL.from_string(each["purl"])
        assert purl.version == each["version"] == in_spdx[each["purl"]].version
        assert [one.value for one in in_spdx[each["purl"]].checksums] == [
            one["content"] for one in each.get("hashes", ())
        ]
    assert found["metadata"]["timestamp"] == "2026-11-01T12:00:00+00:00"
    assert document.creation_info.created.isoformat() == "2026-11-01T12:00:00"


def test_who_needs_what() -> None:
    found = cyclonedx(lock_of_all())
    short = {each["purl"]: each["name"] for each in found["components"]} | {"digits:cpu": "image"}
    needs = {
        short[each["ref"]]: sorted(short[ref] for ref in each.get("dependsOn", ()))
        for each in found["dependencies"]
    }
    assert needs == {
        "image": ["libstdc++6", "numpy", "python3.11-minimal", "scipy", "torch"],
        "libstdc++6": [],
        "numpy": [],
        "python3.11-minimal": [],
        "scipy": [],
        "torch": ["numpy", "typing-extensions"],
        "typing-extensions": [],
    }


def test_licences_that_spdx_does_not_list(tmp_path: Path) -> None:
    document = spdx(lock_of_all(), folder=tmp_path)
    said = {each.name: str(each.license_declared) for each in document.packages}
    assert said["numpy"] == "BSD-3-Clause AND 0BSD AND MIT"
    assert said["scipy"] == "LicenseRef-BSD-License"
    assert said["torch"] == "LicenseRef-NVIDIA-Proprietary"
    assert said["typing-extensions"] == "NOASSERTION"
    assert [(each.license_id, each.extracted_text) for each in document.extracted_licensing_info] == [
        ("LicenseRef-BSD-License", "BSD License"),
        ("LicenseRef-NVIDIA-Proprietary", "LicenseRef-NVIDIA-Proprietary"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mit", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        (
            "Apache-2.0 WITH LLVM-exception OR (MIT and Zlib)",
            "Apache-2.0 WITH LLVM-exception OR (MIT AND Zlib)",
        ),
        ("BSD", None),
        ("MIT/Apache-2.0", None),
        ("MIT AND (", None),
        ("MIT AND LicenseRef-own", None),
        ("", None),
        ("Dual License", None),
    ],
)
def test_expressions(text: str, expected: str | None) -> None:
    assert spdx_expression(text) == expected


def test_names_of_what_is_not_listed() -> None:
    assert [reference(text) for text in ("LicenseRef-a_b", "Für alle!", "()")] == [
        "LicenseRef-a-b",
        "LicenseRef-F-r-alle",
        "LicenseRef-unnamed",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_lock_has_the_same_bytes(form: str, tmp_path: Path) -> None:
    program = (
        "import sys; from support.attesting import lock_of_all as lock; from support.locks import CPU; "
        f"from mlimage.release.sbom import sbom; sys.stdout.buffer.write(sbom(lock(), CPU, {form!r}))"
    )
    outputs = set()
    for seed, zone, language in (("1", "UTC", "C"), ("2", "Asia/Tokyo", "C.UTF-8")):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": language}
        environ["PYTHONPATH"] = str(ROOT / "tests")
        done = subprocess.run(
            [sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, check=True
        )
        outputs.add(done.stdout)
    assert outputs == {sbom(lock_of_all(), CPU, "spdx" if form == "spdx" else "cyclonedx")}


def test_another_lock_has_another_number() -> None:
    other = replace(lock_of_all(), packages=lock_of_all().packages[1:])
    unlicensed = replace(
        lock_of_all(), packages=tuple(replace(each, license="") for each in lock_of_all().packages)
    )
    numbers = {cyclonedx(each)["serialNumber"] for each in (lock_of_all(), other, unlicensed)}
    assert len(numbers) == 3


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("train", {"torch", "numpy", "typing-extensions"}),
        ("serve", {"scipy", "torch", "numpy", "typing-extensions"}),
    ],
)
def test_an_image_for_one_role(role: RoleName, names: set[str]) -> None:
    lock = replace(lock_of_all(), wanted=replace(lock_of_all().wanted, split=True))
    found = cyclonedx(lock, replace(CPU, role=role))
    assert {each["name"] for each in found["components"] if "pypi" in each["purl"]} == names
    assert found["metadata"]["component"]["name"] == f"digits:cpu-{role}"
