"""Variants that agree, and every way in which they may not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.errors import LockError
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.variants import (
    accelerators_of,
    check_variants,
    constraints_of,
    disagreement,
    disagreements,
)
from mlimage.spec.load import LoadedSpec, load_spec
from mlimage.spec.tags import ImageTag
from mlimage.spec.variants import accelerator_of, in_order, indexes_of
from support import locks

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm}
dependencies: [torch, numpy]
train: {command: python train.py}
indexes:
  team: {url: "https://packages.example.com/simple", packages: [Our.Thing, torch]}
accelerator_packages: [fancy-kernels]
variants:
  cpu:
    indexes:
      pytorch-cpu: {url: "https://packages.example.com/cpu", packages: [torch]}
  cuda12: {}
  tpu-v5: {accelerator: other}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedSpec:
    folder = tmp_path_factory.mktemp("images") / "digits"
    (folder / "app").mkdir(parents=True)
    (folder / "mlimage.yaml").write_text(SPEC)
    return load_spec(folder, shown="images/digits")


def wheel(name: str, version: str = "1.0", *by: str, file: str = "") -> LockedPackage:
    made = replace(locks.package(name, version), required_by=by or ("-r dependencies",))
    return replace(made, sha256=locks.digest_of(file)) if file else made


def locked(variant: str, packages: Sequence[LockedPackage]) -> Lock:
    return replace(locks.lock(sorted(packages, key=lambda each: each.name)), variant=variant)


def both(cpu: Sequence[LockedPackage], cuda: Sequence[LockedPackage]) -> Mapping[ImageTag, Lock]:
    return {lock.tag: lock for lock in (locked("cpu", cpu), locked("cuda12", cuda))}


def test_what_a_variant_is(loaded: LoadedSpec) -> None:
    spec = loaded.spec
    assert [accelerator_of(spec, name) for name in spec.variants] == ["cpu", "cuda", "other"]
    assert in_order(spec) == ("cuda12", "tpu-v5", "cpu")
    assert {name: index.packages for name, index in indexes_of(spec, "cpu").items()} == {
        "team": ("our-thing",),
        "pytorch-cpu": ("torch",),
    }
    assert {name: index.packages for name, index in indexes_of(spec, "cuda12").items()} == {
        "team": ("our-thing", "torch")
    }


CPU = (wheel("torch", "2.13.0+cpu"), wheel("numpy", "2.4.0", "-r dependencies", "torch"))
CUDA = (
    wheel("torch", "2.13.0"),
    wheel("numpy", "2.4.0", "-r dependencies", "torch"),
    wheel("nvidia-cublas", "13.1", "torch"),
    wheel("triton", "3.7", "torch"),
    wheel("setuptools", "80", "triton"),
)


def test_builds_and_an_accelerators_own_packages_may_differ(loaded: LoadedSpec) -> None:
    assert disagreements(loaded, both(CPU, CUDA)) == ()
    check_variants(loaded, both(CPU, CUDA))


def test_a_variant_may_ask_for_more(loaded: LoadedSpec) -> None:
    own = (
        wheel("bitsandbytes", "1.0", "-r variants.cuda12.dependencies"),
        wheel("einops", "1.0", "bitsandbytes"),
        wheel("fancy-kernels", "1.0", "-r dependencies"),
    )
    assert disagreements(loaded, both(CPU, (*CUDA, *own))) == ()


@pytest.mark.parametrize(
    ("cpu", "line"),
    [
        (
            (wheel("torch", "2.12.1+cpu"), CPU[1]),
            (
                "`torch` is 2.13.0 in `cuda12` (asked for by `dependencies`) and 2.12.1+cpu in `cpu` "
                "(asked for by `dependencies`)"
            ),
        ),
        (
            (CPU[0], wheel("numpy", "2.3.0", "-r train.dependencies", "torch")),
            (
                "`numpy` is 2.4.0 in `cuda12` (asked for by `dependencies`, `torch`) and 2.3.0 in `cpu` "
                "(asked for by `train.dependencies`, `torch`)"
            ),
        ),
        (
            (CPU[0], wheel("numpy", "2.4.0", file="another")),
            "`numpy==2.4.0` is another file in `cuda12` and in `cpu`",
        ),
        (
            (*CPU, wheel("idna", "3.1", "-r dependencies")),
            "`idna` 3.1 is in `cpu` (asked for by `dependencies`) and not in `cuda12`",
        ),
        (
            CPU[:1],
            "`numpy` 2.4.0 is in `cuda12` (asked for by `dependencies`, `torch`) and not in `cpu`",
        ),
    ],
)
def test_what_drifted_apart_is_said(loaded: LoadedSpec, cpu: Sequence[LockedPackage], line: str) -> None:
    found = both(cpu, CUDA)
    assert line in disagreements(loaded, found)
    with pytest.raises(LockError) as caught:
        check_variants(loaded, found)
    assert caught.value.message.startswith("the variants of `digits` have drifted apart:\n  `")
    assert caught.value.hint == "`mlimage lock digits` resolves them together"
    resolved = disagreement(loaded, found)
    assert resolved is not None
    assert resolved.hint == (
        "loosen the requirement of one variant, or name packages that may differ in `accelerator_packages:`"
    )


def test_builds_of_one_variant_are_for_one_accelerator(loaded: LoadedSpec) -> None:
    cpu = (replace(CPU[0], index="pytorch-cpu"), CPU[1], wheel("torchvision", "0.28.0"))
    message = "`cpu` has builds for several accelerators: `torch` is cpu, `torchvision` is without a label"
    found = both(cpu, CUDA)
    with pytest.raises(LockError) as caught:
        check_variants(loaded, found)
    assert f"\n  {message}" in caught.value.message
    resolved = disagreement(loaded, found)
    assert resolved is not None
    assert str(resolved) == message
    assert resolved.hint == (
        "bind them all to one index: `pytorch-cpu: {url: …, packages: [torch, torchvision]}` under `indexes:`"
    )


def test_one_leaves_its_versions_to_the_next(loaded: LoadedSpec) -> None:
    cuda = locked("cuda12", (wheel("torch", "2.13.0+cu130"), *CUDA[1:]))
    assert constraints_of([cuda], accelerators_of(loaded)) == {
        "torch": Version("2.13.0"),
        "numpy": Version("2.4.0"),
        "setuptools": Version("80"),
    }


def test_platforms_have_the_same_versions(loaded: LoadedSpec) -> None:
    both = replace(loaded, spec=loaded.spec.model_copy(update={"platforms": ("linux/amd64", "linux/arm64")}))
    here = locked("cpu", [wheel("numpy", "2.4.0"), wheel("tbb", "1.0")])
    there = locks.for_arm64(locked("cpu", [wheel("kleidi", "3"), wheel("numpy", "2.4.0")]))
    assert disagreements(both, {here.tag: here, there.tag: there}) == ()  # markers may name platforms
    older = locks.for_arm64(locked("cpu", [wheel("numpy", "2.3.5")]))
    assert disagreements(both, {here.tag: here, older.tag: older}) == (
        (
            "`numpy` is 2.4.0 in `cpu` (asked for by `dependencies`) and 2.3.5 in `cpu-arm64` "
            "(asked for by `dependencies`)"
        ),
    )
    other = locks.for_arm64(locked("cpu", [wheel("numpy", "2.4.0", file="other")]))
    assert disagreements(both, {here.tag: here, other.tag: other}) == (
        "`numpy==2.4.0` is another file in `cpu` and in `cpu-arm64`",
    )
    built = replace(
        other, packages=(replace(other.packages[0], file="numpy-2.4.0-cp311-cp311-linux_aarch64.whl"),)
    )
    assert disagreements(both, {here.tag: here, built.tag: built}) == ()


def test_a_single_variant_agrees_with_itself(loaded: LoadedSpec, tmp_path: Path) -> None:
    assert disagreements(loaded, {locks.CPU: locked("cpu", CPU)}) == ()
    assert disagreement(loaded, {}) is None
