"""`mlimage inspect`: what is in the store, or in one image."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import JsonOption, VariantOption, VerboseOption, images
from mlimage.cli.screen import Screen
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.oci.configuration import Configuration
    from mlimage.oci.contents import Contents
    from mlimage.oci.model import SealedImage
    from mlimage.oci.sharing import Sharing
    from mlimage.oci.store import Store


def inspect(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            autocompletion=images,
            help="NAME, NAME:TAG, or the first digits of a digest or image id; without it, all images.",
            show_default=False,
        ),
    ] = None,
    variant: VariantOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Show an image's layers, configuration and packages, or list the images of the store.

    The name of several images, variants for instance, shows which layers they share.

    Examples:
      mlimage inspect
      mlimage inspect digits-sklearn
      mlimage inspect digits-sklearn:cpu --json
    """
    from mlimage.cache import default_cache
    from mlimage.oci.store import Store

    screen = Screen(json=as_json, verbose=verbose)
    cache = default_cache()
    store = Store(cache.store)
    if image is None:
        _list(store, screen, variant=variant, as_json=as_json)
        return
    from mlimage.oci.contents import image_contents
    from mlimage.oci.reference import resolve, with_variant
    from mlimage.oci.sharing import sharing, variants_of

    image = with_variant(image, variant)
    with cache.in_use():
        variants = variants_of(store, image)
        if len(variants) > 1:
            _show_sharing(image, variants, sharing(variants), screen, as_json=as_json)
            return
        found = resolve(store, image)
        config = store.configuration(found)
        with screen.progress.task("reading layers"):
            contents = image_contents(found, store)
    if as_json:
        screen.json(as_value(found, config, contents))
    else:
        _show(found, config, contents, screen)


def as_value(image: "SealedImage", config: "Configuration", contents: "Sequence[Contents]") -> dict[str, Any]:
    """The image as `--json` prints it."""
    return {
        "name": image.name,
        "digest": image.digest,
        "image_id": image.image_id,
        "platform": str(image.platform),
        "created": config.created or None,
        "size": sum(layer.blob.size for layer in image.layers),
        "uncompressed_size": sum(layer.uncompressed_size for layer in image.layers),
        "layers": [
            {
                "name": layer.name,
                "digest": layer.blob.digest,
                "diff_id": layer.diff_id,
                "media_type": layer.blob.media_type,
                "size": layer.blob.size,
                "uncompressed_size": layer.uncompressed_size,
                "files": content.files,
                "packages": [
                    {"type": package.type, "name": package.name, "version": package.version}
                    for package in content.packages
                ],
            }
            for layer, content in zip(image.layers, contents, strict=True)
        ],
        "config": config.document.get("config", {}),
    }


def _list(store: "Store", screen: Screen, *, variant: str | None, as_json: bool) -> None:
    from mlimage.errors import BuildError

    rows: list[dict[str, Any]] = []
    for name, manifest in store.tags().items():
        if variant is not None and name.partition(":")[2] != variant:
            continue
        try:
            image = store.load(manifest, name=name)
            created = store.configuration(image).created
        except BuildError as error:
            screen.warn(f"`{name}` cannot be read: {error}")
            continue
        rows.append(
            {
                "name": name,
                "image_id": image.image_id,
                "digest": image.digest,
                "platform": str(image.platform),
                "created": created,
                "layers": len(image.layers),
                "size": sum(layer.blob.size for layer in image.layers),
            }
        )
    if as_json:
        screen.json(rows)
    elif rows:
        screen.table(
            "",
            ("IMAGE", "IMAGE ID", "DIGEST", "CREATED", "LAYERS", "SIZE"),
            [
                (
                    row["name"],
                    row["image_id"].short,
                    row["digest"].short,
                    row["created"],
                    row["layers"],
                    size_text(row["size"]),
                )
                for row in rows
            ],
        )
    else:
        screen.say("no images in the store; `mlimage build` makes one")


def _show(
    image: "SealedImage", config: "Configuration", contents: "Sequence[Contents]", screen: Screen
) -> None:
    packed = sum(layer.blob.size for layer in image.layers)
    unpacked = sum(layer.uncompressed_size for layer in image.layers)
    facts = [
        ("image", image.name),
        ("digest", image.digest),
        ("image id", image.image_id),
        ("platform", image.platform),
        ("created", config.created),
        ("size", f"{size_text(packed)} packed, {size_text(unpacked)} unpacked"),
        ("user", config.user or "root"),
        ("entry point", " ".join(config.entrypoint)),
        ("command", " ".join(config.command)),
        ("folder", config.working_directory or "/"),
        ("ports", ", ".join(config.ports)),
    ]
    for name, value in facts:
        if value:
            screen.say(f"{name + ':':<13}{value}")
    _say_all(screen, "environment", config.env)
    _say_all(screen, "labels", [f"{name}={value}" for name, value in sorted(config.labels.items())])
    screen.say("")
    screen.table(
        "layers, bottom first",
        ("LAYER", "DIGEST", "FILES", "PACKAGES", "PACKED", "UNPACKED"),
        [
            (
                layer.name,
                layer.blob.digest.short,
                content.files,
                len(content.packages) or "-",
                size_text(layer.blob.size),
                size_text(layer.uncompressed_size),
            )
            for layer, content in zip(image.layers, contents, strict=True)
        ],
    )
    packages = [
        (package.type, package.name, package.version, layer.name)
        for layer, content in zip(image.layers, contents, strict=True)
        for package in content.packages
    ]
    if packages:
        screen.say("")
        screen.table("packages", ("TYPE", "PACKAGE", "VERSION", "LAYER"), sorted(packages))


def _show_sharing(
    name: str, images: "Sequence[SealedImage]", shared: "Sharing", screen: Screen, *, as_json: bool
) -> None:
    if as_json:
        screen.json(
            {
                "name": name,
                "variants": [
                    {"name": image.name, "digest": image.digest, "image_id": image.image_id}
                    for image in images
                ],
                "layers": [
                    {
                        "name": each.layer.name,
                        "digest": each.layer.blob.digest,
                        "size": each.layer.blob.size,
                        "images": list(each.images),
                    }
                    for each in shared.layers
                ],
                "stored": shared.stored,
                "apart": shared.apart,
            }
        )
        return
    screen.table(
        f"layers of the images of {name}",
        ("LAYER", "DIGEST", "SHARED BY", "PACKED"),
        [
            (
                each.layer.name,
                each.layer.blob.digest.short,
                "all" if len(each.images) == len(images) else ", ".join(map(_variant, each.images)),
                size_text(each.layer.blob.size),
            )
            for each in shared.layers
        ],
    )
    screen.say("")
    everywhere = shared.of(shared.images)
    screen.say(f"shared by all: {size_text(everywhere)}")
    for image in images:
        alone = shared.of([image.name])
        screen.say(f"only in {_variant(image.name)}: {size_text(alone)}  ({image.name}@{image.digest})")
    saved = shared.apart - shared.stored
    screen.say(
        f"together: {size_text(shared.stored)}; apart they would be {size_text(shared.apart)}, "
        f"so {size_text(saved)} are saved"
    )


def _variant(name: str) -> str:
    return name.partition(":")[2]


def _say_all(screen: Screen, title: str, lines: "Sequence[str]") -> None:
    if lines:
        screen.say(f"{title}:")
        for line in lines:
            screen.say(f"  {line}")
