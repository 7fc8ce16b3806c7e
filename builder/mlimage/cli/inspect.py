"""`mlimage inspect`: what is in the store, or in one image."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import JsonOption, VariantOption, VerboseOption, images
from mlimage.cli.screen import Screen
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlimage.oci.contents import Contents
    from mlimage.oci.found import FoundImage
    from mlimage.oci.model import SealedImage
    from mlimage.oci.sharing import Sharing
    from mlimage.oci.store import Store


def inspect(
    image: Annotated[
        str | None,
        typer.Argument(
            metavar="IMAGE",
            autocompletion=images,
            help="NAME, NAME:TAG, or the first digits of a digest or image id; or `oci:DIR`, "
            "`oci-archive:FILE`, `docker-archive:FILE`, as for `diff`. Without it, all images.",
            show_default=False,
        ),
    ] = None,
    variant: VariantOption = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Show an image's layers, configuration and packages, or list the images of the store.

    The name of several images, variants for instance, shows which layers they share. In the list, an image
    of a project whose name in the store means that of another project now stands in brackets. Folders and
    archives may be from any tool.

    Examples:
      mlimage inspect
      mlimage inspect digits-sklearn
      mlimage inspect digits-sklearn:cpu --json
      docker save demo > demo.tar && mlimage inspect docker-archive:demo.tar
    """
    from mlimage.cache import default_cache
    from mlimage.oci.store import Store

    screen = Screen(json=as_json, verbose=verbose)
    cache = default_cache()
    store = Store(cache.store)
    if image is None:
        _list(store, screen, variant=variant, as_json=as_json)
        return
    from mlimage.cli.finding import image_here, images_here
    from mlimage.oci.contents import image_contents
    from mlimage.oci.places import find_image
    from mlimage.oci.reference import with_variant
    from mlimage.oci.sharing import sharing

    image = with_variant(image, variant)
    with cache.in_use():
        variants = images_here(image, cache, store, warn=screen.warn)
        if len(variants) > 1:
            _show_sharing(image, variants, sharing(variants), screen, as_json=as_json)
            return
        found = find_image(image, store, named=lambda name: image_here(name, cache, store))
        size = sum(layer.size for layer in found.layers)
        with screen.progress.task("reading layers", total=size, unit="bytes") as task:
            contents = image_contents(found, task.advance)
    if as_json:
        screen.json(as_value(found, contents))
    else:
        _show(found, contents, screen)


def as_value(image: "FoundImage", contents: "Sequence[Contents]") -> dict[str, Any]:
    """The image as `--json` prints it."""
    return {
        "name": image.name,
        "digest": image.digest,
        "image_id": image.image_id,
        "platform": image.platform,
        "created": image.configuration.created or None,
        "size": sum(layer.size for layer in image.layers),
        "uncompressed_size": sum(content.size for content in contents),
        "layers": [
            {
                "name": layer.name,
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "media_type": layer.media_type,
                "size": layer.size,
                "uncompressed_size": content.size,
                "files": content.files,
                "packages": [
                    {"type": package.type, "name": package.name, "version": package.version}
                    for package in content.packages
                ],
            }
            for layer, content in zip(image.layers, contents, strict=True)
        ],
        "config": image.config.get("config", {}),
    }


def _list(store: "Store", screen: Screen, *, variant: str | None, as_json: bool) -> None:
    from mlimage.errors import BuildError
    from mlimage.oci.builds import own_builds

    rows: list[dict[str, Any]] = []
    builds = store.builds()
    own = own_builds(builds)
    for build in builds:
        name = build.name
        if not (build.named or build in own):
            continue
        if variant is not None and name.partition(":")[2] != variant:
            continue
        try:
            image = store.load(build.manifest, name=name)
            created = store.configuration(image).created
        except BuildError as error:
            screen.warn(f"`{name}` cannot be read: {error}")
            continue
        rows.append(
            {
                "name": name,
                "named": build.named,
                "projects": build.owners,
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
                    row["name"] if row["named"] else f"({row['name']})",
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


def _show(image: "FoundImage", contents: "Sequence[Contents]", screen: Screen) -> None:
    config = image.configuration
    packed = sum(layer.size for layer in image.layers)
    unpacked = sum(content.size for content in contents)
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
                layer.digest.short if layer.digest else "-",
                content.files,
                len(content.packages) or "-",
                size_text(layer.size),
                size_text(content.size),
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
