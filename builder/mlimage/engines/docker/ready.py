"""Whether this machine has what the docker engine builds with, asked before anything is built."""

from collections.abc import Callable, Mapping, Sequence

from mlimage.daemon.buildx import Buildx, check_buildx, find_buildx
from mlimage.daemon.connect import Daemon, connect
from mlimage.errors import RunError


def ready(
    environ: Mapping[str, str],
    *,
    needs: Sequence[str],
    connecting: Callable[[Mapping[str, str]], Daemon] = connect,
    finding: Callable[[Mapping[str, str]], Buildx] = find_buildx,
) -> Daemon:
    """The engine that builds.

    Args:
        environ: what `docker` gets.
        needs: why the direct engine cannot stand in; nothing where it can.
        connecting: finds the daemon.
        finding: finds the builder.

    Raises:
        RunError: no daemon answers, there is no buildx, or one of them cannot do what is needed.
    """
    try:
        daemon = connecting(environ)
    except RunError as error:
        way_out = f"it is needed, since {' and '.join(needs)}" if needs else "`--engine direct` needs none"
        hint = (error.hint or "start it").partition("; ")[0]
        raise RunError(error.message, hint=f"{hint}; {way_out}") from error
    check_buildx(finding(environ), daemon.facts)
    return daemon
