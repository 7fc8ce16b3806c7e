"""The resolvers by the names that specs and the command line have for them."""

from collections.abc import Mapping

from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.resolver import Resolver
from mlimage.lock.uv import Uv, find_uv


def resolver_named(name: str, environ: Mapping[str, str]) -> Resolver:
    """The resolver of this name; whether this machine has it is found out when it is used."""
    return Uv(program=find_uv(environ.get("PATH"))) if name == "uv" else PIP_COMPILE
