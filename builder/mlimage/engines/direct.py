"""The direct engine: locked wheels and debs to layers, without Docker, root or a daemon.

Each layer is made by one job: fetch its inputs, list their files, compile bytecode, and pack it all in one
streaming pass.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlimage.oci.model import LayerBlob

if TYPE_CHECKING:
    from mlimage.engines.layers import Job


def direct(job: "Job") -> Iterator[tuple[str, LayerBlob]]:
    """Make the missing layers; an `Engine`. Raises `BuildError` and `FetchError` as that says."""
    from mlimage.engines.work import Work  # not needed when nothing changed, and slow to import

    yield from Work(job).make(job.missing)
