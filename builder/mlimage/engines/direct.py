"""The direct engine: locked wheels and debs to layers, without Docker, root or a daemon.

Each layer is made by one job: fetch its inputs, list their files, compile bytecode, and pack it all in one
streaming pass.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlimage.engines.choose import not_direct
from mlimage.oci.model import LayerBlob
from mlimage.plan.dockerfile import needs_docker

if TYPE_CHECKING:
    from mlimage.engines.layers import Job


def direct(job: "Job") -> Iterator[tuple[str, LayerBlob]]:
    """Make the missing layers; an `Engine`.

    Raises:
        UsageError: the plan has what only Docker can build.
        BuildError: a layer cannot be made.
        FetchError: an input cannot be had, or is not what was locked.
    """
    from mlimage.engines.work import Work  # not needed when nothing changed, and slow to import

    if needs_docker(job.plan):
        raise not_direct(job.plan)
    yield from Work(job).make(job.missing)
