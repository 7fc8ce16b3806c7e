"""The parts of an image as an SBOM of SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3/.

Written without SPDX's own library, `spdx-tools`, which reads and judges it in the tests: it would bring
rdflib, beartype, ply and more with it, 25 MB, for a JSON document of one level.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from mlimage import __version__
from mlimage.oci.config import rfc3339
from mlimage.release.licenses import reference, spdx_expression
from mlimage.release.parts import Kind, Part, PartsList

MEDIA_TYPE: Final = "application/spdx+json"
_NOTHING: Final = "NOASSERTION"
_IMAGE: Final = "SPDXRef-image"
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_PURPOSES: Final[dict[Kind, str]] = {
    "wheel": "LIBRARY",
    "deb": "LIBRARY",
    "base": "CONTAINER",
    "python": "APPLICATION",
}


def spdx(parts: PartsList) -> bytes:
    """The SBOM: the same parts have the same bytes."""
    ids = {part.purl: _identifier(part) for part in parts.parts}
    document = {
        "documentNamespace": f"urn:uuid:{parts.number('spdx')}",
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": parts.name,
        "creationInfo": {
            "created": rfc3339(parts.as_of),
            "creators": [f"Tool: mlimage-{__version__}"],
        },
        "packages": [_image(parts), *(_package(part, ids[part.purl]) for part in parts.parts)],
        "relationships": [
            _related(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_related(_IMAGE, "CONTAINS", each) for each in ids.values()),
            *(
                _related(ids[part.purl], "DEPENDS_ON", ids[need])
                for part in parts.parts
                for need in part.needs
            ),
        ],
        **_extracted(parts.parts),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _identifier(part: Part) -> str:
    """It may have letters, digits, `.` and `-`; names of debs have `+`, those of bases `/` and `_`."""
    name = re.sub(r"[^A-Za-z0-9.-]", lambda found: f".{ord(found[0]):x}.", part.name)
    return f"SPDXRef-{part.kind}-{name}"


def _image(parts: PartsList) -> dict[str, Any]:
    return {
        "SPDXID": _IMAGE,
        "name": parts.name,
        "versionInfo": parts.lock,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
        "comment": "\n".join(f"{name}={value}" for name, value in parts.about.items()),
    }


def _package(part: Part, identifier: str) -> dict[str, Any]:
    checksums = [{"algorithm": "SHA256", "checksumValue": part.digest.hex}] if part.digest else []
    return {
        "SPDXID": identifier,
        "name": part.name,
        "versionInfo": part.version,
        **({"packageFileName": part.file} if part.file else {}),
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _declared(part.license),
        "copyrightText": _NOTHING,
        **({"checksums": checksums} if checksums else {}),
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": part.purl,
            }
        ],
        "primaryPackagePurpose": _PURPOSES[part.kind],
    }


def _declared(text: str) -> str:
    return (spdx_expression(text) or reference(text)) if text else _NOTHING


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _extracted(parts: Iterable[Part]) -> dict[str, Any]:
    """The licences that SPDX does not list, each with what the packages say of it."""
    unlisted = {
        reference(part.license): part.license
        for part in parts
        if part.license and not spdx_expression(part.license)
    }
    infos = [
        {"licenseId": name, "name": text, "extractedText": text} for name, text in sorted(unlisted.items())
    ]
    return {"hasExtractedLicensingInfos": infos} if infos else {}
