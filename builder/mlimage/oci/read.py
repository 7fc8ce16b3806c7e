"""JSON of an image, checked, to a `SealedImage`: what `config` writes, and what other tools write."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from mlimage.digest import Digest
from mlimage.oci.config import LAYER_NAME, LAYER_SIZE, NAME
from mlimage.oci.model import Descriptor, LayerBlob, SealedImage
from mlimage.platforms import Platform


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object; raises `ValueError` for anything else."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("JSON in JSON, too deep") from None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - what was read is wrong, not the program
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"no number of JSON: {text}")


def read_descriptor(value: Mapping[str, Any]) -> Descriptor:
    """A descriptor; raises `ValueError` where it is none."""
    match value:
        case {"mediaType": str(media_type), "digest": str(digest), "size": int(size)} if size >= 0:
            return Descriptor(media_type=media_type, digest=Digest(digest), size=size)
        case _:
            raise ValueError("no descriptor")


def read_image(
    manifest: Descriptor, manifest_text: bytes, config_text: bytes, *, name: str | None = None
) -> SealedImage:
    """The image that a manifest and its configuration tell of.

    Args:
        manifest: descriptor of the manifest.
        manifest_text: its bytes.
        config_text: the configuration's bytes.
        name: of the image in the store; by default what its own annotation says, else its digest.

    Raises:
        ValueError: they are not what the OCI image specification has, or do not fit each other.
    """
    document = read_object(manifest_text)
    config = read_object(config_text)
    match document, config:
        case (
            {"config": dict(config_descriptor), "layers": list(layers)},
            {"os": str(os), "architecture": str(architecture), "rootfs": {"diff_ids": list(diff_ids)}},
        ) if len(layers) == len(diff_ids):
            pass
        case _:
            raise ValueError("manifest and configuration are not an image")
    annotations = document.get("annotations")
    own_name = annotations.get(NAME) if isinstance(annotations, dict) else None
    return SealedImage(
        name=name or (own_name if isinstance(own_name, str) else manifest.digest.short),
        platform=Platform.parse(f"{os}/{architecture}"),
        manifest=manifest,
        config=read_descriptor(config_descriptor),
        layers=tuple(
            _layer(number, layer, diff_id)
            for number, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True))
        ),
    )


def _layer(number: int, value: object, diff_id: object) -> LayerBlob:
    if not isinstance(value, dict) or not isinstance(diff_id, str):
        raise ValueError("no layer")  # noqa: TRY004 - what was read is wrong, not the program
    annotations = value.get("annotations")
    if not isinstance(annotations, dict):
        annotations = {}
    return LayerBlob(
        name=str(annotations.get(LAYER_NAME, f"layer-{number}")),
        diff_id=Digest(diff_id),
        blob=read_descriptor(value),
        uncompressed_size=int(annotations.get(LAYER_SIZE, 0)),
    )
