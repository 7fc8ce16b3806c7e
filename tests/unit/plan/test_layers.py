"""Which packages share a layer, and what a layer's key depends on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.lock.collisions import Allowed
from mlimage.lock.model import ImageBase, LockedPackage
from mlimage.plan.layers import (
    MAX_IMAGE_LAYERS,
    MAX_PACKAGE_LAYERS,
    base_layer,
    base_layers,
    package_layers,
    partition,
)
from mlimage.plan.model import AptLayer, Compression, PackageLayer, PulledLayer
from support.locks import base, deb, image_base, package


def _layers(*packages: LockedPackage, bytecode: bool = True) -> tuple[PackageLayer, ...]:
    return package_layers(
        packages, base(), single=4_000_000, bins=16, compression=Compression.GZIP, bytecode=bytecode
    )


def test_few_packages_have_a_layer_each_in_order_of_their_names() -> None:
    found = partition([package("scipy"), package("numpy")], single=4_000_000, bins=16)
    assert [name for name, _ in found] == ["numpy", "scipy"]


def test_a_package_that_loses_files_depends_on_the_one_that_keeps_them() -> None:
    a, b, c = package("a"), package("b"), package("c")
    plain = {layer.name: layer.key for layer in _layers(a, b, c)}

    def keys(*allowed: Allowed, other: LockedPackage = a) -> dict[str, Digest]:
        layers = package_layers(
            [other, b, c], base(), allowed=allowed, single=1, bins=16, compression=Compression.GZIP,
            bytecode=True,
        )  # fmt: skip
        return {layer.name: layer.key for layer in layers}

    settled = Allowed(packages=("a", "b"), keep="a")
    found = keys(settled)
    assert {name for name in found if found[name] != plain[name]} == {"b"}
    assert keys(settled, other=package("a", "2.0"))["b"] != found["b"]
    assert keys(replace(settled, paths=("x",)))["b"] != found["b"]
    for allowed in (Allowed(packages=("a", "b")), Allowed(packages=("a", "z"), keep="z")):
        assert keys(allowed) == plain


def test_many_packages_share_bins_and_the_largest_stay_alone() -> None:
    small = [package(f"small-{number}") for number in range(100)]
    found = partition([*small, package("torch", size=200_000_000)], single=4_000_000, bins=16)
    names = [name for name, _ in found]
    assert names[0] == "torch"
    assert names[1:] == [f"packages-{number:02}" for number in range(16)]
    assert sum(len(members) for _, members in found) == 101


@given(st.integers(73, 400), st.integers(1, 64), st.integers(0, 300))
def test_no_more_layers_than_allowed_and_no_package_lost(count: int, bins: int, large: int) -> None:
    packages = [package(f"p{number}", size=9_000_000 if number < large else 10) for number in range(count)]
    found = partition(packages, single=4_000_000, bins=bins)
    assert len(found) <= MAX_PACKAGE_LAYERS
    assert sorted(each.name for _, members in found for each in members) == sorted(p.name for p in packages)


def test_an_added_package_moves_no_other_small_one() -> None:
    before = partition([package(f"p{number}") for number in range(100)], single=4_000_000, bins=16)
    after = partition([package(f"p{number}") for number in range(101)], single=4_000_000, bins=16)
    where = {each.name: name for name, members in before for each in members}
    moved = [
        each.name
        for name, members in after
        for each in members
        if each.name in where and where[each.name] != name
    ]
    assert moved == []


def test_a_package_layer_depends_on_its_wheel_and_not_on_the_others() -> None:
    alone = _layers(package("numpy"))[0]
    together = _layers(package("numpy"), package("scipy"))[0]
    upgraded = _layers(package("numpy", "2.0"))[0]
    assert alone.key == together.key
    assert alone.key != upgraded.key


def test_the_interpreter_counts_only_for_bytecode() -> None:
    packages = [package("numpy")]
    older = base()
    newer = replace(older, debs=(*older.debs[:-1], deb("python3.11-minimal", "2.0-1")))

    def keys(*, bytecode: bool) -> set[str]:
        return {
            package_layers(packages, each, single=1, bins=1, compression=Compression.GZIP, bytecode=bytecode)[
                0
            ].key
            for each in (older, newer)
        }

    assert len(keys(bytecode=True)) == 2
    assert len(keys(bytecode=False)) == 1


def test_the_base_layer_depends_on_its_debs_and_how_it_is_packed() -> None:
    one = base_layer(base(), compression=Compression.GZIP, bytecode=True)
    other = base_layer(base("libc6"), compression=Compression.GZIP, bytecode=True)
    plain = base_layer(base(), compression=Compression.NONE, bytecode=True)
    assert len({one.key, other.key, plain.key}) == 3


def test_an_image_s_layers_are_taken_as_they_are() -> None:
    image = image_base("debian", "python")
    found = base_layers(image, compression=Compression.GZIP, bytecode=True)
    assert [(layer.name, type(layer)) for layer in found] == [
        ("base-1", PulledLayer),
        ("base-2", PulledLayer),
    ]
    assert found == base_layers(image, compression=Compression.NONE, bytecode=False)
    assert len({layer.key for layer in found}) == 2


def test_debs_on_an_image_are_one_layer_above_it() -> None:
    *below, apt = base_layers(
        image_base("debian", debs=["git", "perl"]), compression=Compression.GZIP, bytecode=True
    )
    assert [layer.name for layer in below] == ["base-1"]
    assert isinstance(apt, AptLayer)
    assert (apt.name, apt.packages, [each.name for each in apt.debs]) == (
        "apt",
        ("git", "perl"),
        ["git", "perl"],
    )
    [_, other] = base_layers(
        image_base("ubuntu", debs=["git", "perl"]), compression=Compression.GZIP, bytecode=True
    )
    assert apt.key != other.key


def test_on_an_image_its_layers_are_the_interpreter() -> None:
    def key(*layers: str, bytecode: bool) -> str:
        return package_layers(
            [package("numpy")], image_base(*layers), single=1, bins=1, compression=Compression.GZIP,
            bytecode=bytecode,
        )[0].key  # fmt: skip

    assert key("debian", "python", bytecode=True) != key("debian", "newer", bytecode=True)
    assert key("debian", "python", bytecode=False) == key("debian", "newer", bytecode=False)


@given(st.integers(1, 120), st.integers(0, 200), st.integers(1, 64))
def test_a_base_of_many_layers_leaves_fewer_for_packages(below: int, count: int, bins: int) -> None:
    image = image_base(*(f"layer {number}" for number in range(below)))
    found = package_layers(
        [package(f"p{number}") for number in range(count)], image, single=1, bins=bins,
        compression=Compression.GZIP, bytecode=True,
    )  # fmt: skip
    assert below + len(found) + 2 <= max(MAX_IMAGE_LAYERS, below + 3)
    assert sum(len(layer.packages) for layer in found) == count


def test_a_library_without_bytecode_is_a_layer() -> None:
    image = image_base("debian", "python")
    bare = replace(image, installation=replace(image.installation, bytecode=False))

    def names(base: ImageBase, *, bytecode: bool) -> list[str]:
        layers = base_layers(base, compression=Compression.GZIP, bytecode=bytecode)
        return [layer.name for layer in layers]

    assert names(image, bytecode=True) == ["base-1", "base-2"]
    assert names(bare, bytecode=True) == ["base-1", "base-2", "library"]
    assert names(bare, bytecode=False) == ["base-1", "base-2"]
