"""Docker's builder as a value: found or not, how old, and whether it can write what mlimage reads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlimage.daemon.facts import Facts, store_hint
from mlimage.errors import RunError
from mlimage.process import Command, Completed, Runner, run

OLDEST: Final = (0, 13)
"""Since then there is `--progress=rawjson`, by its release notes; the rest that is needed is older."""
_INSTALL: Final = (
    "install it: package `docker-buildx-plugin` of Docker, `docker-buildx` of Debian and Ubuntu; "
    "`mlimage build --engine direct` needs none"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildx:
    """The builder that `docker buildx build` would use.

    Attributes:
        version: of the plugin, (0, 29, 1).
        builder: name of the selected builder: `BUILDX_BUILDER`, or what `docker buildx use` chose.
        driver: `docker`, which is the daemon itself; `docker-container`, which is also what Podman, without a
            BuildKit of its own, is used with; `kubernetes`, `remote`.
    """

    version: tuple[int, int, int]
    builder: str
    driver: str


def find_buildx(environ: Mapping[str, str], runner: Runner = run) -> Buildx:
    """Ask `docker buildx` what it is.

    Args:
        environ: all that the command gets: `PATH`, `DOCKER_HOST`, `DOCKER_CONFIG`, `BUILDX_BUILDER`.
        runner: starts it.

    Raises:
        RunError: there is no `docker`, no buildx, or the selected builder does not exist.
    """
    said = _ask(environ, runner, "version")
    version = re.search(r"buildx\s+v?(\d+)\.(\d+)\.(\d+)", said.text)
    if said.status != 0 or version is None:
        raise RunError("Docker's command line has no `buildx`", hint=_INSTALL)
    inspected = _ask(environ, runner, "inspect")
    fields = dict(re.findall(r"^(Name|Driver):\s*(\S+)", inspected.text.partition("Nodes:")[0], re.MULTILINE))
    if inspected.status != 0 or len(fields) != 2:
        why = inspected.errors.strip().removeprefix("ERROR: ") or "it names no driver"
        raise RunError(
            f"Docker's builder cannot be used: {why}",
            hint="`docker buildx ls` lists the builders, `docker buildx use NAME` selects one",
        )
    major, minor, patch = (int(number) for number in version.groups())
    return Buildx(version=(major, minor, patch), builder=fields["Name"], driver=fields["Driver"])


def _ask(environ: Mapping[str, str], runner: Runner, *arguments: str) -> Completed:
    try:
        return runner(Command(argv=("docker", "buildx", *arguments), env=environ))
    except FileNotFoundError:
        raise RunError("there is no command `docker` on this machine", hint=_INSTALL) from None


def check_buildx(buildx: Buildx, facts: Facts) -> None:
    """Refuse a builder that cannot write an OCI layout, or not say what it does as JSON. Pure.

    Raises:
        RunError: it is too old, or it is a daemon without containerd's image store.
    """
    if buildx.version[:2] < OLDEST:
        found = ".".join(map(str, buildx.version))
        raise RunError(f"buildx {found} is too old", hint="mlimage needs 0.13 or newer; " + _INSTALL)
    if buildx.driver == "docker" and not facts.containerd_store:
        raise RunError(
            f"the builder `{buildx.builder}` cannot write OCI images: "
            f"{facts.title} keeps its images in the classic store",
            hint="make another builder, `docker buildx create --driver docker-container --use`, or turn "
            f"containerd's image store on: {store_hint(facts)}",
        )
