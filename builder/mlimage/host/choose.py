"""Which container runtime a run gets: Docker where a daemon answers, else the sandbox."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mlimage.daemon.connect import Daemon, connect
from mlimage.errors import RunError
from mlimage.host.request import RuntimeName
from mlimage.host.sandbox import explain_refusal, this_machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen runtime: a Docker daemon, or the sandbox where `daemon` is None; and why, for people."""

    daemon: Daemon | None
    why: str


def refusal_here() -> str | None:
    """Why this machine has no sandbox, None when it has."""
    if sys.platform != "linux":
        return "the sandbox needs Linux"
    return explain_refusal(this_machine())


def choose(
    wanted: RuntimeName,
    environ: Mapping[str, str],
    *,
    connect: Callable[[Mapping[str, str]], Daemon] = connect,
    refusal: Callable[[], str | None] = refusal_here,
) -> Choice:
    """Choose the container runtime.

    Args:
        wanted: what the user asked for.
        environ: variables that say where Docker's daemon is.
        connect: gives a daemon that answers, or raises `RunError`.
        refusal: why there can be no sandbox here, None when there can.

    Raises:
        RunError: what was asked for, or in case of `auto` both, cannot be had.
    """
    no_daemon: RunError | None = None
    if wanted != "sandbox":
        try:
            daemon = connect(environ)
        except RunError as error:
            if wanted == "docker":
                hint = f"{error.hint}; on Linux `--runtime sandbox` needs none"
                raise RunError(error.message, hint=hint) from error
            no_daemon = error
        else:
            return Choice(
                daemon=daemon, why=f"docker: {daemon.facts.title} answers at {daemon.facts.address}"
            )
    refused = refusal()
    if refused is None:
        return Choice(daemon=None, why=f"sandbox: {no_daemon.message if no_daemon else 'it was asked for'}")
    raise RunError(
        f"no sandbox can be made here: {refused}" + (f"; and {no_daemon.message}" if no_daemon else ""),
        hint="start Docker, or let users make namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns)",
    )
