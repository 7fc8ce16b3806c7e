"""What is locked, as values. The text form is in `lock.text`; nothing here reads or writes."""

from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version

from mlimage.digest import Digest, canonical_json
from mlimage.platforms import Platform
from mlimage.spec.tags import ImageTag


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """One Debian package of a base.

    Attributes:
        name: package name.
        version: Debian version, with epoch.
        architecture: Debian architecture, `all` included.
        archive: name of the archive that has it (`debian`, `debian-security`), which a mirror stands for.
        path: its place in that archive, `pool/…`; never absolute, never with a host.
        size: bytes.
        sha256: digest of the file.
        postinst: digest of its postinst script, in which `{version}` stands for the package's own version;
            None when it has none, or where dpkg runs it and not mlimage.
    """

    name: str
    version: str
    architecture: str
    archive: str
    path: str
    size: int
    sha256: Digest
    postinst: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssembledBase:
    """An assembled base: the debs, in order of their names, and the python that they bring."""

    suite: str
    platform: Platform
    python: str
    packages: tuple[str, ...]
    debs: tuple[Deb, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """One layer of an image of a registry, whose bytes become a layer of ours as they are.

    Attributes:
        media_type: OCI's; of a layer with Docker's the one that means the same.
        digest: of the blob.
        size: bytes of the blob.
        diff_id: digest of the uncompressed tar.
    """

    media_type: str
    digest: Digest
    size: int
    diff_id: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The python of an image that somebody else made.

    Attributes:
        version: `X.Y.Z`.
        program: path of the interpreter itself, no link, relative to the image's root
            (`usr/local/bin/python3.11`).
        glibc: version of the C library that it runs with.
        library: path of its standard library, relative to the root (`usr/local/lib/python3.11`).
        bytecode: whether the image has bytecode of it.
    """

    version: str
    program: str
    glibc: str
    library: str
    bytecode: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBase:
    """A base that is an image of a registry.

    Attributes:
        reference: digest of the reference as the spec has it, since a lock names no hosts.
        repository: path of the image in its registry, for people: `library/python`.
        index: digest of what the reference led to: of an index of platforms, or else of the manifest.
        manifest: digest of the platform's manifest.
        config: digest of its configuration.
        platform: of the image.
        python: `X.Y`.
        installation: the python that it has.
        env: environment variables that the image sets, sorted by name; images on it inherit them.
        layers: bottom first.
        packages: Debian packages that the spec adds, sorted.
        debs: those and what they need, as far as the image does not have it, in order of their names.
    """

    reference: Digest
    repository: str
    index: Digest
    manifest: Digest
    config: Digest
    platform: Platform
    python: str
    installation: Installation
    env: tuple[tuple[str, str], ...]
    layers: tuple[ImageLayer, ...]
    packages: tuple[str, ...]
    debs: tuple[Deb, ...]


BaseLock = AssembledBase | ImageBase


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One wheel.

    Attributes:
        name: normalized name (PEP 503).
        version: version, with its local label if it has one.
        index: name of the index that has it; a mirror stands for it.
        file: name of the one file chosen for the target.
        sha256: digest of that file.
        size: bytes of that file.
        hashes: digests of every file that pip may install on the target, `sha256` among them, sorted.
        required_by: names of the packages that ask for it, sorted; a requirement of the spec is
            `-r` followed by the spec's place for it (`-r dependencies`, `-r serve.dependencies`).
        license: what the package says of its licence, an SPDX expression or a name, for the record; empty
            where it says nothing in few words.
    """

    name: str
    version: Version
    index: str
    file: str
    sha256: Digest
    size: int
    hashes: tuple[Digest, ...]
    required_by: tuple[str, ...]
    license: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedIndex:
    """An index of the spec: its URL only as a digest, since a lock names no hosts.

    Attributes:
        name: name of the index.
        url: digest of its URL.
        packages: normalized names of the packages that come only from it, sorted.
    """

    name: str
    url: Digest
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedImage:
    """An image of the spec: its reference only as a digest, since a lock names no hosts.

    Attributes:
        reference: digest of the reference, with its registry and tag where the spec leaves them out.
        name: the reference without its registry, for people: `library/python:3.11-slim-bookworm`.
    """

    reference: Digest
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user wrote that decides what is resolved, in one spelling.

    It is kept in the lock, so that a stale lock can say what changed.

    Attributes:
        python: `X.Y`.
        platform: of the image.
        suite: Debian suite of the base; None where it is an image of a registry.
        image: that image; None where the base is assembled.
        packages: Debian packages that the spec adds to the base, sorted.
        requirements: requirements of all roles, normalized and sorted.
        indexes: indexes other than the default one, in order of their names.
        split: whether each role has an image of its own, and so a list of packages.
    """

    python: str
    platform: Platform
    suite: str | None
    packages: tuple[str, ...]
    requirements: tuple[str, ...]
    indexes: tuple[WantedIndex, ...]
    image: WantedImage | None = None
    split: bool = False

    @property
    def digest(self) -> Digest:
        """The input digest, which stands in every file of a lock."""
        return Digest.of(
            canonical_json(
                {
                    "format": 1,
                    "python": self.python,
                    "platform": str(self.platform),
                    **({"image": self.image.reference} if self.image else {"suite": self.suite}),
                    "packages": self.packages,
                    "requirements": self.requirements,
                    "indexes": [[index.name, index.url, index.packages] for index in self.indexes],
                    **({"split": True} if self.split else {}),
                }
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Everything that decides the content of one variant's image, but the application's own files.

    Attributes:
        image: name of the image.
        variant: name of the variant.
        base: the base.
        packages: the wheels, in order of their names.
        wanted: what the user wrote that decides the result (see `lock.check.wanted_by`).
        as_of: when it was resolved, in UTC to the second; it is the image's creation date.
        tools: versions of what resolved it, for the record: (name, version), sorted.
    """

    image: str
    variant: str
    base: BaseLock
    packages: tuple[LockedPackage, ...]
    wanted: Wanted
    as_of: datetime
    tools: tuple[tuple[str, str], ...]

    @property
    def tag(self) -> ImageTag:
        """By what its files are named."""
        return ImageTag(variant=self.variant, platform=self.base.platform)

    @property
    def name(self) -> str:
        """What messages call it: `IMAGE:TAG`."""
        return f"{self.image}:{self.tag}"

    @property
    def inputs(self) -> Digest:
        """Digest of what the user wrote that decides the result."""
        return self.wanted.digest

    @property
    def digest(self) -> Digest:
        """Digest of all that decides the image's content; not of tools, licences and hashes for pip."""
        return Digest.of(
            canonical_json(
                {
                    "format": 1,
                    "image": self.image,
                    "variant": self.variant,
                    "platform": str(self.base.platform),
                    "python": self.base.python,
                    "as_of": self.as_of.isoformat(),
                    **(
                        {"layers": [layer.diff_id for layer in self.base.layers], "env": self.base.env}
                        if isinstance(self.base, ImageBase)
                        else {}
                    ),
                    "debs": [[deb.name, deb.version, deb.sha256] for deb in self.base.debs],
                    "packages": [[p.name, str(p.version), p.file, p.sha256] for p in self.packages],
                }
            )
        )
