from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.errors import BuildError, UsageError
from mlimage.oci.model import SealedImage
from mlimage.oci.reference import resolve, with_variant
from mlimage.oci.store import Store
from mlimage.platforms import Platform
from support.sealing import sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def image(store: Store, name: str, variant: str = "cpu") -> SealedImage:
    return sealed(
        store, image=name, variant=variant, app=[file_of_bytes("x", f"{name}{variant}".encode(), origin="t")]
    )


def test_names_and_variants(store: Store) -> None:
    cpu, cuda = image(store, "digits"), image(store, "digits", "cuda")
    only = image(store, "churn", "cuda")
    assert resolve(store, "digits") == cpu
    assert resolve(store, "digits:cuda") == cuda
    assert resolve(store, "churn") == only


def test_a_variant_beside_the_name() -> None:
    assert with_variant("digits", None) == "digits"
    assert with_variant("digits", "cuda") == "digits:cuda"
    with pytest.raises(UsageError) as caught:
        with_variant("digits:cpu", "cuda")
    assert str(caught.value) == "`digits:cpu` says which image, and `--variant cuda` too"
    assert caught.value.hint == "leave one of them out"
    with pytest.raises(UsageError) as caught:
        with_variant("oci-archive:demo.tar", "cpu")
    assert str(caught.value) == "`--variant` is for images of the store, and `oci-archive:demo.tar` is none"
    assert caught.value.hint == (
        "leave it out; of several images there, `:NAME` or `@DIGEST` behind the place names one"
    )


def test_role_and_platform_decide_where_nobody_says(store: Store) -> None:
    arm64 = Platform("linux", "arm64")
    tags = ("cpu-train", "cpu-serve", "cpu-serve-arm64", "cuda-train")
    train, serve, there, cuda = (image(store, "digits", tag) for tag in tags)
    assert resolve(store, "digits", role="train") == train
    assert resolve(store, "digits:cpu", role="serve") == serve
    assert resolve(store, "digits", role="serve", platform=arm64) == there
    assert resolve(store, "digits", role="train", platform=arm64) == train
    assert resolve(store, "digits:cuda", role="train") == cuda
    assert resolve(store, "digits:cpu-serve", role="train", platform=arm64) == serve
    with pytest.raises(UsageError) as caught:
        resolve(store, "digits")
    assert caught.value.hint == "say which: " + ", ".join(f"`digits:{tag}`" for tag in sorted(tags))


def test_digests_and_their_beginnings(store: Store) -> None:
    found = image(store, "digits")
    image(store, "churn")
    for digest in (found.digest, found.image_id):
        assert resolve(store, digest) == found
        assert resolve(store, digest.hex) == found
        assert resolve(store, digest.hex[:8].upper()) == found
        assert resolve(store, digest[:17]) == found


def test_an_image_that_lost_its_name_is_found_by_its_digest(store: Store) -> None:
    first = image(store, "digits")
    sealed(store, image="digits", app=[])
    for digits in (first.digest, first.digest.hex[:12], first.image_id.hex[:6]):
        assert resolve(store, digits) == first
    with pytest.raises(UsageError):
        resolve(store, first.layers[0].blob.digest)


def test_an_image_that_was_pruned_from_the_list_is_found_by_its_whole_digest(store: Store) -> None:
    first = image(store, "digits")
    sealed(store, image="digits", app=[])
    store.forget(*(build for build in store.builds() if not build.named))
    assert resolve(store, first.digest).digest == first.digest
    with pytest.raises(UsageError):
        resolve(store, first.digest.hex[:12])


def test_several_variants_without_cpu(store: Store) -> None:
    image(store, "digits", "cuda"), image(store, "digits", "rocm")
    with pytest.raises(UsageError) as caught:
        resolve(store, "digits")
    assert str(caught.value) == "`digits` has several images"
    assert caught.value.hint == "say which: `digits:cuda`, `digits:rocm`"


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("digit", "did you mean `digits`? else build it: `mlimage build digit`"),
        ("digit:cpu", "did you mean `digits`? else build it: `mlimage build digit --variant cpu`"),
        ("digits:cp", "did you mean `digits:cpu`? else build it: `mlimage build digits --variant cp`"),
        ("digits:cuda", "build it: `mlimage build digits --variant cuda`"),
        ("other", "build it: `mlimage build other`"),
        ("other:cuda", "build it: `mlimage build other --variant cuda`"),
        ("abc123", "`mlimage inspect` lists the images that are there"),
        ("", "`mlimage inspect` lists the images that are there"),
        ("sha256:12", "`mlimage inspect` lists the images that are there"),
        ("../../etc/passwd", "build it: `mlimage build ../../etc/passwd`"),
    ],
)
def test_unknown(store: Store, reference: str, hint: str) -> None:
    image(store, "digits")
    with pytest.raises(UsageError) as caught:
        resolve(store, reference)
    assert (str(caught.value), caught.value.hint) == (f"no image `{reference}` in the store", hint)


def test_an_empty_store(store: Store) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(store, "digits")
    assert caught.value.hint == "build it: `mlimage build digits`"
    assert not list(store.folder.iterdir()), "asking writes nothing"


def test_another_damaged_image_is_in_nobodys_way(store: Store) -> None:
    good, bad = image(store, "good"), image(store, "bad")
    store.blob(bad.manifest.digest).write_bytes(b"{}")
    assert resolve(store, "good") == good
    assert resolve(store, good.image_id.hex[:9]) == good
    with pytest.raises(BuildError, match="is damaged"):
        resolve(store, "bad")
    with pytest.raises(BuildError, match="is damaged"):
        resolve(store, bad.digest.hex[:9])
