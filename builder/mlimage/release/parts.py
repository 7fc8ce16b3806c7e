"""What an image is made of, by its lock: what SBOMs list, whatever their form. Pure.

Files of the application and what `run:` steps bring are in no lock, and so in no list of parts; nor is what a
base of a registry is made of.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from packageurl import PackageURL

from mlimage import __version__
from mlimage.digest import Digest, canonical_json
from mlimage.lock.model import AssembledBase, BaseLock, Deb, ImageBase, Lock, LockedPackage
from mlimage.lock.roles import packages_of
from mlimage.spec.tags import ImageTag

Kind = Literal["wheel", "deb", "base", "python"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One package, or the base where it is an image of a registry.

    Attributes:
        kind: what it is.
        name: of the package; of a base the path in its registry.
        version: of a base the digest of its manifest.
        purl: by which scanners know it, https://github.com/package-url/purl-spec; each part has its own.
        digest: of its file, of a base of its manifest; None for the python of a base.
        file: name of its file; empty where it is none.
        license: what the lock says of its licence; may be empty.
        needs: purls of the parts that it asks for, as far as the lock knows, sorted.
        indirect: whether other parts alone ask for it.
    """

    kind: Kind
    name: str
    version: str
    purl: str
    digest: Digest | None
    file: str = ""
    license: str = ""
    needs: tuple[str, ...] = ()
    indirect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsList:
    """All parts of an image.

    Attributes:
        name: of the image, `NAME:TAG`.
        lock: digest of the lock.
        as_of: the lock's date.
        about: what else is known of the image, by label.
        parts: base, python, debs and wheels, each in order of their names.
    """

    name: str
    lock: Digest
    as_of: datetime
    about: Mapping[str, str]
    parts: tuple[Part, ...]

    def number(self, form: str) -> UUID:
        """What an SBOM of this form is called: of other parts, or by another mlimage, it is another one."""
        said = canonical_json([__version__, form, {**asdict(self), "as_of": self.as_of.isoformat()}])
        return uuid5(UUID(int=0), Digest.of(said))


def parts_of(lock: Lock, tag: ImageTag) -> PartsList:
    """The parts of the image with a tag, which is one of the lock's."""
    wheels = packages_of(lock, tag.role)
    return PartsList(
        name=f"{lock.image}:{tag}",
        lock=lock.digest,
        as_of=lock.as_of,
        about={
            "dev.mlimage.lock": lock.digest,
            "dev.mlimage.variant": tag.variant,
            **({"dev.mlimage.role": tag.role} if tag.role else {}),
            "dev.mlimage.platform": str(tag.platform),
            "dev.mlimage.python": lock.base.python,
        },
        parts=(*_of_base(lock.base), *_debs(lock.base), *_wheels(wheels)),
    )


def _of_base(base: BaseLock) -> Iterable[Part]:
    if not isinstance(base, ImageBase):
        return
    yield Part(
        kind="base",
        name=base.repository,
        version=base.manifest,
        purl=base_purl(base),
        digest=base.manifest,
    )
    version = base.installation.version
    yield Part(
        kind="python",
        name="python",
        version=version,
        purl=str(PackageURL("generic", None, "python", version)),
        digest=None,
    )


def base_purl(base: ImageBase) -> str:
    """Of an image of a registry, which no lock names: by its digest."""
    name = base.repository.rpartition("/")[2]
    return str(PackageURL("oci", None, name, base.manifest, {"arch": base.platform.architecture}))


def _debs(base: BaseLock) -> Iterable[Part]:
    distro = {"distro": base.suite} if isinstance(base, AssembledBase) else {}
    for deb in base.debs:
        yield Part(
            kind="deb",
            name=deb.name,
            version=deb.version,
            purl=_purl_of_deb(deb, distro),
            digest=deb.sha256,
            file=deb.path.rpartition("/")[2],
        )


def _purl_of_deb(deb: Deb, distro: Mapping[str, str]) -> str:
    return str(PackageURL("deb", "debian", deb.name, deb.version, {"arch": deb.architecture, **distro}))


def _wheels(packages: Iterable[LockedPackage]) -> Iterable[Part]:
    purls = {package.name: _purl_of_wheel(package) for package in packages}
    needs: dict[str, list[str]] = {name: [] for name in purls}
    for package in packages:
        for asker in package.required_by:
            if asker in needs:
                needs[asker].append(purls[package.name])
    for package in packages:
        yield Part(
            kind="wheel",
            name=package.name,
            version=str(package.version),
            purl=purls[package.name],
            digest=package.sha256,
            file=package.file,
            license=package.license,
            needs=tuple(sorted(needs[package.name])),
            indirect=bool(package.required_by) and needs.keys() >= set(package.required_by),
        )


def _purl_of_wheel(package: LockedPackage) -> str:
    version = str(package.version)
    return str(PackageURL("pypi", None, package.name, version, {"file_name": package.file}))
