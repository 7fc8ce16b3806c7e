"""The resolvers by the names that specs and the command line have for them."""

from collections.abc import Mapping

from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.resolver import Resolver
from mlimage.lock.uv import Uv, find_uv
from mlimage.platforms import Platform


def resolver_for(
    platform: Platform, *, name: str, host: Platform | None, environ: Mapping[str, str]
) -> Resolver:
    """The resolver for a platform; whether this machine has it is found out when it is used.

    Args:
        platform: of the lock.
        name: the one that is asked for. pip-compile is run by the image's own python, so what this machine
            cannot run uv resolves.
        host: the platform whose programs this machine runs.
        environ: where programs are found.
    """
    if name == "uv" or platform != host:
        return Uv(program=find_uv(environ.get("PATH")))
    return PIP_COMPILE
