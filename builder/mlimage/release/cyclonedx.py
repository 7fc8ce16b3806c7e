"""The parts of an image as an SBOM of CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/."""

from typing import TYPE_CHECKING, Final

from mlimage import __version__
from mlimage.release.licenses import spdx_expression
from mlimage.release.parts import Kind, Part, PartsList

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

MEDIA_TYPE: Final = "application/vnd.cyclonedx+json"
_TYPES: Final[dict[Kind, str]] = {
    "wheel": "library",
    "deb": "library",
    "base": "container",
    "python": "platform",
}


def cyclonedx(parts: PartsList) -> bytes:
    """The SBOM: the same parts have the same bytes."""
    from cyclonedx.output.json import JsonV1Dot6

    return (JsonV1Dot6(_bom(parts)).output_as_string(indent=2) + "\n").encode()


def _bom(parts: PartsList) -> "Bom":
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    image = Component(
        bom_ref=parts.name,
        type=ComponentType.CONTAINER,
        name=parts.name,
        version=parts.lock,
        properties=[Property(name=name, value=value) for name, value in parts.about.items()],
    )
    tool = Component(type=ComponentType.APPLICATION, name="mlimage", version=__version__)
    bom = Bom(
        serial_number=parts.number("cyclonedx"),
        metadata=BomMetaData(timestamp=parts.as_of, component=image, tools=ToolRepository(components=[tool])),
    )
    components = {part.purl: _component(part) for part in parts.parts}
    bom.components.update(components.values())
    bom.register_dependency(image, [components[part.purl] for part in parts.parts if not part.indirect])
    for part in parts.parts:
        bom.register_dependency(components[part.purl], [components[purl] for purl in part.needs])
    return bom


def _component(part: Part) -> "Component":
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    said = spdx_expression(part.license) or part.license
    return Component(
        bom_ref=part.purl,
        type=ComponentType(_TYPES[part.kind]),
        name=part.name,
        version=part.version,
        purl=PackageURL.from_string(part.purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.digest.hex)] if part.digest else [],
        licenses=[LicenseFactory().make_from_string(said)] if said else [],
    )
