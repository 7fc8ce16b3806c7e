"""Where to push, as people write it."""

import re
from typing import Final

from mlimage.errors import UsageError
from mlimage.spec.registry import DOCKER_HUB, Reference

_PLACE: Final = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(?::[0-9]+)?)(?P<path>(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)/?\Z"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_HUB: Final = frozenset({DOCKER_HUB, f"index.{DOCKER_HUB}", "hub.docker.com"})


def repository_of(place: str, name: str) -> Reference:
    """The repository of an image.

    Args:
        place: `REGISTRY[/PATH]`.
        name: of the image.

    Raises:
        UsageError: it is no such place.
    """
    return _repository("--to", place, name)


def cache_of(place: str) -> Reference:
    """The repository of a cache of layers, `REGISTRY/PATH`; raises `UsageError` when it is no such place."""
    reference = _repository("--cache", place, "")
    if not reference.repository:
        raise UsageError(
            f"--cache: `{place}` names a registry, and no repository of it",
            hint=f"write it as `{place.rstrip('/')}/cache`",
        )
    return reference


def _repository(option: str, place: str, name: str) -> Reference:
    bare = re.sub(r"\Ahttps?://", "", place)
    if "@" in bare:
        raise UsageError(
            f"{option}: a place of a registry has no user name, password or digest",
            hint="write it as `ghcr.io/acme`; `docker login ghcr.io` keeps your login",
        )
    found = _PLACE.match(bare)
    if found is None:
        raise UsageError(
            f"{option}: `{place}` is no place of a registry", hint="write it as `ghcr.io/acme`, in lower case"
        )
    registry = found["registry"].lower()
    if "." not in registry and ":" not in registry and registry != "localhost":
        raise UsageError(
            f"{option}: `{place}` names no registry",
            hint=f"for Docker Hub write `{DOCKER_HUB}/{bare.strip('/')}`",
        )
    path = f"{found['path']}/{name}".strip("/")
    if registry in _HUB:
        registry = DOCKER_HUB
        if "/" not in path:
            raise UsageError(
                f"{option}: Docker Hub has images below the name of a user", hint=f"write `{DOCKER_HUB}/USER`"
            )
    return Reference(registry=registry, repository=path, tag=None, digest=None)


def tag_of(text: str) -> str:
    """A tag; raises `UsageError` for what cannot be one."""
    if not _TAG.match(text):
        raise UsageError(
            f"--tag: `{text}` is no tag", hint="letters, digits, `_`, `.` and `-`, 128 at most, as `latest`"
        )
    return text
