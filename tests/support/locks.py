"""Small locks for tests: real values, invented digests."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from packaging.version import Version

from mlimage.digest import Digest
from mlimage.lock.model import (
    AssembledBase,
    Deb,
    ImageBase,
    ImageLayer,
    Installation,
    Lock,
    LockedPackage,
    Wanted,
    WantedImage,
)
from mlimage.platforms import LINUX_AMD64, LINUX_ARM64
from mlimage.spec.tags import ImageTag

CPU = ImageTag(variant="cpu")
AS_OF = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def digest_of(text: str) -> Digest:
    """Some digest that stands for this text."""
    return Digest.from_hex(hashlib.sha256(text.encode()).hexdigest())


def deb(name: str, version: str = "1.0-1") -> Deb:
    """A deb of this name."""
    return Deb(
        name=name,
        version=version,
        architecture="amd64",
        archive="debian",
        path=f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
        size=1000 + len(name),
        sha256=digest_of(f"{name}_{version}"),
    )


def package(name: str, version: str = "1.0", *, size: int = 10_000) -> LockedPackage:
    """A wheel of this name."""
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedPackage(
        name=name,
        version=Version(version),
        index="default",
        file=file,
        sha256=digest_of(file),
        size=size,
        hashes=(digest_of(file),),
        required_by=("-r dependencies",),
    )


def base(*names: str) -> AssembledBase:
    """A base of these debs."""
    chosen = names or ("libc6", "libpython3.11-minimal", "python3.11-minimal")
    return AssembledBase(
        suite="bookworm",
        platform=LINUX_AMD64,
        python="3.11",
        packages=(),
        debs=tuple(deb(name) for name in sorted(chosen)),
    )


def for_arm64(lock: Lock) -> Lock:
    """The lock as that for another platform."""
    return replace(
        lock,
        base=replace(lock.base, platform=LINUX_ARM64),
        wanted=replace(lock.wanted, platform=LINUX_ARM64),
    )


def image_base(*layers: str, debs: Sequence[str] = ()) -> ImageBase:
    """A base that is an image with these layers."""
    return ImageBase(
        reference=digest_of("docker.io/library/python:3.11-slim"),
        repository="library/python",
        index=digest_of("index"),
        manifest=digest_of("manifest"),
        config=digest_of("config"),
        platform=LINUX_AMD64,
        python="3.11",
        installation=Installation(
            version="3.11.9",
            program="usr/local/bin/python3.11",
            glibc="2.36",
            library="usr/local/lib/python3.11",
            bytecode=True,
        ),
        env=(("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("PYTHON_VERSION", "3.11.9")),
        layers=tuple(image_layer(name) for name in layers or ("debian", "python")),
        packages=tuple(sorted(debs)),
        debs=tuple(deb(name) for name in sorted(debs)),
    )


def image_layer(name: str) -> ImageLayer:
    """A layer of an image."""
    return ImageLayer(
        media_type="application/vnd.oci.image.layer.v1.tar+gzip",
        digest=digest_of(f"{name}.tar.gz"),
        size=1000 + len(name),
        diff_id=digest_of(f"{name}.tar"),
    )


def on_image(lock: Lock, base: ImageBase) -> Lock:
    """The lock with an image as its base, and wanted so."""
    image = WantedImage(reference=base.reference, name=f"{base.repository}:3.11-slim")
    return replace(
        lock, base=base, wanted=replace(lock.wanted, suite=None, image=image, packages=base.packages)
    )


def lock(packages: Sequence[LockedPackage] = (), *, image: str = "digits") -> Lock:
    """A lock of these wheels."""
    return Lock(
        image=image,
        variant="cpu",
        base=base(),
        packages=tuple(packages),
        wanted=Wanted(
            python="3.11",
            platform=LINUX_AMD64,
            suite="bookworm",
            packages=(),
            requirements=tuple(sorted(each.name for each in packages)),
            indexes=(),
        ),
        as_of=AS_OF,
        tools=(("pip", "26.3"),),
    )
