"""The configuration of an image, of whatever tool, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlimage.digest import Digest
from mlimage.document import DocumentError, read_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the configuration of an image says; texts may have any character but NUL.

    Attributes:
        os: for instance `linux`; empty where it does not say.
        architecture: likewise, for instance `amd64`.
        variant: of the architecture.
        created: when; empty where it does not say.
        diff_ids: digests of the layers' tars, bottom first.
        env: `NAME=VALUE` each.
        entrypoint: program and first arguments.
        command: arguments when there are no others.
        user: who it runs as; empty for root.
        working_directory: empty for the root folder.
        ports: for instance `8080/tcp`.
        labels: by name.
        document: all of it, for people to look at.
    """

    os: str
    architecture: str
    variant: str
    created: str
    diff_ids: tuple[Digest, ...]
    env: tuple[str, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    working_directory: str
    ports: tuple[str, ...]
    labels: Mapping[str, str]
    document: Mapping[str, Any]

    @property
    def platform(self) -> str:
        """`os/architecture`, and the variant where there is one; of nothing, nothing."""
        return "/".join(word for word in (self.os, self.architecture, self.variant) if word)

    @property
    def variables(self) -> tuple[tuple[str, str], ...]:
        """The environment, in its order."""
        pairs = (line.partition("=") for line in self.env)
        return tuple((name, value) for name, _, value in pairs)


def read_configuration(content: bytes) -> Configuration:
    """A configuration of an image; raises `DocumentError` for what is none."""
    node = read_document(content)
    run, diff_ids = node.get("config"), node.get("rootfs").get("diff_ids").need()
    return Configuration(
        os=node.get("os").text(""),
        architecture=node.get("architecture").text(""),
        variant=node.get("variant").text(""),
        created=node.get("created").text(""),
        diff_ids=tuple(each.digest() for each in diff_ids.items()),
        env=run.get("Env").texts(),
        entrypoint=run.get("Entrypoint").texts(),
        command=run.get("Cmd").texts(),
        user=run.get("User").text(""),
        working_directory=run.get("WorkingDir").text(""),
        ports=run.get("ExposedPorts").keys(),
        labels=run.get("Labels").table(),
        document=node.value,
    )


def need_fit(layers: int, config: Configuration) -> None:
    """Refuse, with a `DocumentError`, a configuration of another number of layers than the image has."""
    if layers != len(config.diff_ids):
        raise DocumentError(
            f"it has {layers} layers in its manifest, and {len(config.diff_ids)} in its configuration"
        )
