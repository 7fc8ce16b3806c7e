"""References to images of registries, as people write them: `python:3.11`, `HOST/PATH:TAG@DIGEST`."""

import re
from dataclasses import dataclass
from typing import Final

from mlimage.digest import Digest

DOCKER_HUB: Final = "docker.io"
"""The registry of references that name none, as Docker has it."""
_OFFICIAL: Final = "library"
"""Where Docker Hub has the images whose names have one part."""
_LATEST: Final = "latest"
_FORM: Final = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


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


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference to an image."""
    return _FORM.fullmatch(text) is not None


def parse_reference(text: str) -> Reference:
    """The reference, whole; the text is one (`is_reference`).

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
