"""References to images of registries, as people write them: `python:3.11`, `HOST/PATH:TAG@DIGEST`."""

from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest

DOCKER_HUB: Final = "docker.io"
"""The registry of references that name none, as Docker has it."""
_OFFICIAL: Final = "library"
"""Where Docker Hub has the images whose names have one part."""
_LATEST: Final = "latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image of a registry.

    Attributes:
        registry: host, with its port where one is written.
        repository: path of the image there.
        tag: None where only a digest is written.
        digest: what was written behind `@`; the tag then is for people alone.
    """

    registry: str
    repository: str
    tag: str | None
    digest: Digest | None

    @property
    def name(self) -> str:
        """All but the registry."""
        return (
            self.repository
            + (f":{self.tag}" if self.tag else "")
            + (f"@{self.digest}" if self.digest else "")
        )

    @property
    def selector(self) -> str:
        """What the registry is asked for: the digest, else the tag."""
        return self.digest or self.tag or _LATEST

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"


def parse_reference(text: str) -> Reference:
    """The reference, whole; the text has the form that the spec demands of `base.image`.

    The first part is a registry when it has a dot or a port, or is `localhost` (distribution/reference,
    `splitDockerDomain`); without one it is Docker Hub.

    >>> str(parse_reference("python:3.11"))
    'docker.io/library/python:3.11'
    """
    rest, _, digest = text.partition("@")
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry = DOCKER_HUB if first == f"index.{DOCKER_HUB}" else first.lower()
    else:
        registry, path = DOCKER_HUB, rest
    repository, colon, tag = path.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"{_OFFICIAL}/{repository}"
    return Reference(
        registry=registry,
        repository=repository,
        tag=tag if colon else None if digest else _LATEST,
        digest=Digest(digest) if digest else None,
    )
