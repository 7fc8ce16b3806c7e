"""What a build is given by the command line: an engine, and what opens its inputs."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.engines.choose import Name
    from mlimage.engines.layers import Engine
    from mlimage.lock.inputs import Inputs
    from mlimage.spec.load import LoadedSpec


def inputs_opener(
    stack: ExitStack, loaded: "LoadedSpec", variant: str, cache: "Cache", screen: "Screen"
) -> Callable[[], "Inputs"]:
    """What opens the sources of an image's inputs, to be closed with the stack."""

    def inputs() -> "Inputs":
        from mlimage.lock.sources import Sources
        from mlimage.oci.images import RegistryImages

        sources = Sources(
            loaded.spec,
            variant,
            cache=cache,
            environ=os.environ,
            progress=screen.progress,
            open_images=RegistryImages,
        )
        return stack.enter_context(sources).inputs

    return inputs


def engine_of(name: "Name", project: Path, secrets: Sequence[tuple[str, str]], *, cached: bool) -> "Engine":
    """The engine of this name; `project` is what BuildKit gets to see."""
    if name == "direct":
        from mlimage.engines.direct import direct

        return direct
    from mlimage.engines.docker.engine import DockerEngine

    return DockerEngine(project=project, secrets=secrets, environ=dict(os.environ), cached=cached)
