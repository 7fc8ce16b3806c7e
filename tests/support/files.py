"""Which file of which layer differs between two images, for tests that say that none does."""

import hashlib

from mlimage.oci.blobstream import open_layer
from mlimage.oci.model import LayerBlob, SealedImage
from mlimage.oci.store import Store
from mlimage.oci.untar import TarReader


def difference(one: SealedImage, other: SealedImage, first: Store, second: Store) -> str:
    """Everything that differs, a line for each file; `direct` and `docker` are the two sides."""
    lines = []
    names = [layer.name for layer in one.layers], [layer.name for layer in other.layers]
    if names[0] != names[1]:
        lines.append(f"layers: {names[0]} and {names[1]}")
    for left, right in zip(one.layers, other.layers, strict=False):
        if left.diff_id == right.diff_id:
            continue
        ours, theirs = listing(left, first), listing(right, second)
        differ = sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
        lines += [f"{left.name}: {path}: {ours.get(path)} and {theirs.get(path)}" for path in differ]
    if first.read(one.config) != second.read(other.config):
        lines.append(f"config: {first.read(one.config)!r}\nand     {second.read(other.config)!r}")
    return "\n".join(lines) or "the manifests alone differ"


def listing(layer: LayerBlob, store: Store) -> dict[str, tuple[object, ...]]:
    """All that a layer says of each path."""
    found: dict[str, tuple[object, ...]] = {}
    with open_layer(layer, store) as stream:
        reader = TarReader(stream)
        for member in reader:
            content = hashlib.sha256(b"".join(reader.content())).hexdigest()[:12]
            owner = (oct(member.mode), member.uid, member.gid)
            found[member.path] = (member.kind.value, *owner, member.size, member.target, content)
        stream.finish()
    return found
