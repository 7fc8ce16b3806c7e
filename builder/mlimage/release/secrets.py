"""Secrets in what an image has of its user's own: the application, what steps left, and its configuration."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import note
from mlimage.content.ignore import read_ignore
from mlimage.digest import canonical_json
from mlimage.errors import BuildError, FindingError
from mlimage.oci.blobstream import open_layer
from mlimage.oci.configuration import Configuration
from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import MemberKind, TarError, TarReader
from mlimage.progress import Progress
from mlimage.release.secretrules import rules_digest
from mlimage.release.secrettext import scan_text

RUNTIME: Final = "runtime"
"""The layer above which everything is the user's own."""
_MOST: Final = 1000
"""Findings in a layer; of one with more there is no end."""
_CONFIGURATION: Final = "configuration"
_STEPS: Final = "steps"
_OF_SPEC: Final = "opt/mlimage/"
"""Where an image says what its spec says: `plan.config.ROLES`, `plan.recipe.FOLDER`."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Secret:
    """A secret that was found.

    Attributes:
        layer: name of the layer; empty for the configuration.
        path: of the file in the image, without the leading `/`; of the configuration the name of the variable
            or label.
        line: counts from 1.
        kind: what it is, for people.
    """

    layer: str
    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        if not self.layer:
            return f"{_CONFIGURATION}: `{self.path}`: {self.kind}"
        return f"{self.layer} layer: /{self.path}:{self.line}: {self.kind}"


@dataclass(frozen=True, slots=True)
class Scans:
    """What was found in layers before, one small file each, named by the digest of the layer's blob."""

    folder: Path

    def get(self, layer: LayerBlob) -> tuple[Secret, ...] | None:
        """What these rules found in it; None where they have not looked, or the file is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            said = json.loads((self.folder / f"{layer.blob.digest.hex}.json").read_bytes())
            if said["rules"] == rules_digest():
                return tuple(
                    Secret(layer=layer.name, path=str(path), line=int(line), kind=str(kind))
                    for path, line, kind in said["secrets"]
                )
        return None

    def put(self, layer: LayerBlob, found: Sequence[Secret]) -> None:
        """Note what was found."""
        rows = [[each.path, each.line, each.kind] for each in found]
        said = canonical_json({"rules": rules_digest(), "secrets": rows})
        note(self.folder / f"{layer.blob.digest.hex}.json", said)


def own_layers(image: SealedImage) -> tuple[LayerBlob, ...]:
    """The layers of an image that no lock knows: all above mlimage's runtime."""
    names = [layer.name for layer in image.layers]
    return image.layers[names.index(RUNTIME) + 1 :] if RUNTIME in names else image.layers


def find_secrets(
    images: Iterable[SealedImage], *, store: Store, scans: Scans, progress: Progress
) -> tuple[Secret, ...]:
    """The secrets of some images, sorted. A layer that was looked at before is not read again.

    Raises:
        BuildError: a layer is missing or damaged.
    """
    found: set[Secret] = set()
    layers = {layer.blob.digest: layer for image in images for layer in own_layers(image)}
    unknown = [layer for layer in layers.values() if scans.get(layer) is None]
    if unknown:
        total = sum(layer.uncompressed_size for layer in unknown)
        with progress.task("looking for secrets", total=total, unit="bytes") as task:
            for layer in unknown:
                scans.put(layer, scan_layer(layer, store))
                task.advance(layer.uncompressed_size)
    for layer in layers.values():
        found.update(scans.get(layer) or ())
    for image in images:
        found.update(_of_config(store.configuration(image)))
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is about to leave the machine.

    Attributes:
        name: of the image in its spec.
        images: its variants, roles and platforms.
        allowed: patterns of paths that may have what looks like a secret, as in a `.dockerignore`, from the
            image's root.
    """

    name: str
    images: tuple[SealedImage, ...]
    allowed: tuple[str, ...]


def check_secrets(
    outgoing: Sequence[Outgoing], *, store: Store, scans: Scans, progress: Progress
) -> tuple[str, ...]:
    """Refuse images with secrets; returns, for people, which allowed patterns match none.

    Raises:
        FindingError: lists every secret that is not allowed, with its place and without itself.
        BuildError: a layer is missing or damaged, or a pattern is none.
    """
    refused: list[Secret] = []
    lines: list[str] = []
    unused: list[str] = []
    for each in outgoing:
        found = find_secrets(each.images, store=store, scans=scans, progress=progress)
        mine, idle = judge(found, each.allowed)
        unused += [
            f"`{each.name}` has no secret at `{pattern}`, which `push.allow_secrets` allows"
            for pattern in idle
        ]
        if mine:
            counted = "a secret" if len(mine) == 1 else f"{len(mine)} secrets"
            more = ("  and maybe more: nobody looked further",) if len(mine) >= _MOST else ()
            lines += [f"`{each.name}` has {counted}, and is not pushed", *(f"  {one}" for one in mine), *more]
            refused += mine
    if refused:
        raise FindingError("\n".join(lines), hint=_hint(refused[0]))
    return tuple(unused)


def judge(found: Sequence[Secret], allowed: Sequence[str]) -> tuple[tuple[Secret, ...], tuple[str, ...]]:
    """The secrets that are not allowed, and the patterns that match none."""
    ignore = read_ignore(allowed)
    idle = [
        pattern
        for pattern in allowed
        if not any(read_ignore([pattern.removeprefix("!")]).ignores(secret.path) for secret in found)
    ]
    return tuple(secret for secret in found if not ignore.ignores(secret.path)), tuple(idle)


def _hint(secret: Secret) -> str:
    if not secret.layer:
        way, place = "hand it over when it runs: `mlimage run --env`", secret.path
    elif secret.path.startswith(_OF_SPEC):
        way = "take it out of the spec, and hand it over when it runs: `mlimage run --env`"
        place = f"/{secret.path}"
    elif secret.layer == _STEPS:
        way, place = "let the step read it from `secrets:`, or delete the file", f"/{secret.path}"
    else:
        way, place = "`app.ignore` leaves the file out", f"/{secret.path}"
    return f"{way}; where it is no secret say so in the spec: `push: {{allow_secrets: [{place}]}}`"


def scan_layer(layer: LayerBlob, store: Store) -> tuple[Secret, ...]:
    """The secrets of a layer, sorted; raises `BuildError` when it is missing or damaged."""
    found: set[Secret] = set()
    with open_layer(layer, store) as stream:
        reader = TarReader(stream)
        try:
            for member in reader:
                if member.kind is not MemberKind.FILE or len(found) >= _MOST:
                    continue
                path = _shown(member.path)
                for line, kind in scan_text(path, reader.content()):
                    found.add(Secret(layer=layer.name, path=path, line=line, kind=kind))
                    if len(found) >= _MOST:
                        break
        except TarError as error:
            stream.finish()  # whose error is the truer one
            raise BuildError(f"layer `{layer.name}` cannot be read: {error}") from error
        stream.finish()
    return tuple(sorted(found))


def _shown(path: str) -> str:
    """The path from the root; what is no UTF-8 in it is escaped."""
    relative = path.removeprefix("./").lstrip("/")
    return relative.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _of_config(config: Configuration) -> Iterator[Secret]:
    """The secrets in variables and labels of an image's configuration."""
    variables = [each.partition("=") for each in config.env]
    labels = [(name, "=", value) for name, value in config.labels.items()]
    for name, equals, value in (*variables, *labels):
        for _, kind in scan_text("", [f"{name}{equals}{value}".encode(errors="replace")]):
            yield Secret(layer="", path=name, line=1, kind=kind)
