"""What variants share, from real layers."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.entry import file_of_bytes
from mlimage.oci.sharing import sharing, variants_of
from mlimage.oci.store import Store
from support.sealing import sealed


def files(*contents: str) -> dict[str, list[object]]:
    return {
        name: [file_of_bytes(name, content.encode() * 1000, origin="test")]
        for name, content in (text.split("=") for text in contents)
    }


def test_layers_that_all_have_come_first(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cpu = sealed(store, variant="cpu", **files("base=b", "torch=c", "numpy=n", "app=a"))  # type: ignore[arg-type]
    cuda = sealed(store, variant="cuda", **files("base=b", "torch=g", "nvidia=v", "numpy=n", "app=a"))  # type: ignore[arg-type]
    sealed(store, image="other", **files("base=b"))  # type: ignore[arg-type]
    found = sharing(variants_of(store, "demo"))
    assert found.images == ("demo:cpu", "demo:cuda")
    assert [(each.layer.name, each.images) for each in found.layers] == [
        ("base", ("demo:cpu", "demo:cuda")),
        ("numpy", ("demo:cpu", "demo:cuda")),
        ("app", ("demo:cpu", "demo:cuda")),
        ("torch", ("demo:cpu",)),
        ("torch", ("demo:cuda",)),
        ("nvidia", ("demo:cuda",)),
    ]
    sizes = {image.name: sum(layer.blob.size for layer in image.layers) for image in (cpu, cuda)}
    assert found.apart == sum(sizes.values())
    assert found.stored == found.apart - found.of(found.images)
    assert found.of(["demo:cuda"]) == cuda.layers[1].blob.size + cuda.layers[2].blob.size


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), min_size=1, max_size=4))
def test_every_byte_is_counted_once(images: list[list[str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        made = [
            sealed(store, variant=f"v{number}", **files(*(f"{name}={name}" for name in names)))  # type: ignore[arg-type]
            for number, names in enumerate(images)
        ]
        found = sharing(made)
        blobs = {layer.blob.digest: layer.blob.size for image in made for layer in image.layers}
        assert found.stored == sum(blobs.values())
        assert found.apart == sum(layer.blob.size for image in made for layer in image.layers)
        assert {each.layer.blob.digest for each in found.layers} == set(blobs)
