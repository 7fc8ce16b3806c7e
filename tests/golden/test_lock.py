"""The files of a lock, whole."""

from collections.abc import Callable
from dataclasses import replace

from mlimage.lock.model import Lock, WantedIndex
from mlimage.lock.records import Record, render_digests
from mlimage.lock.writer import render_lock
from support import locks


def _lock() -> Lock:
    torch = replace(locks.package("torch", "2.13.0+cpu", size=190_000_000), index="pytorch-cpu")
    numpy = locks.package("numpy", "2.4.6", size=16_900_000)
    numpy = replace(
        numpy,
        hashes=tuple(sorted((*numpy.hashes, locks.digest_of("musl"), locks.digest_of("old tag")))),
        required_by=("-r dependencies", "-r serve.dependencies", "torch"),
    )
    lock = locks.lock([numpy, torch])
    index = WantedIndex(name="pytorch-cpu", url=locks.digest_of("url"), packages=("torch", "torchvision"))
    wanted = replace(
        lock.wanted,
        indexes=(index,),
        requirements=('numpy>=2; python_version < "3.12"', "torch==2.13.0"),
        packages=("git",),
    )
    base = replace(lock.base, packages=("ca-certificates", "git", "python3.11"))
    base = replace(base, debs=(replace(base.debs[0], postinst=locks.digest_of("script")), *base.debs[1:]))
    return replace(
        lock, base=base, wanted=wanted, tools=(("mlimage", "0.1.0"), ("pip", "26.3"), ("pip-tools", "7.6.2"))
    )


def test_files(golden: Callable[[str, bytes | str], None]) -> None:
    for name, text in render_lock(_lock()).items():
        golden(f"lock/{name}", text)


def test_a_base_that_is_an_image(golden: Callable[[str, bytes | str], None]) -> None:
    lock = locks.on_image(locks.lock([locks.package("numpy")]), locks.image_base(debs=["libgomp1"]))
    for name, text in render_lock(lock).items():
        golden(f"lock/on-image/{name}", text)


def test_digests(golden: Callable[[str, bytes | str], None]) -> None:
    record = Record(
        tags=("cpu",),
        layer="numpy",
        key=locks.digest_of("key"),
        diff_id=locks.digest_of("tar"),
        digest=locks.digest_of("blob"),
        size=1234,
        unpacked=4936,
    )
    golden(
        "lock/digests.toml",
        render_digests([record, replace(record, layer="base", key=locks.digest_of("base"))]),
    )
