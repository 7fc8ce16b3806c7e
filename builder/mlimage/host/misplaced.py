"""What a person is told of a server that does not listen where it should."""

import os
from collections.abc import Sequence
from typing import Final

from mlimage.errors import RunError
from mlimage.host.health import NotReady
from mlimage.host.outlet import lacks_outlet
from mlimage.host.ports import Listener
from mlimage.host.request import RunRequest

_LATER: Final = "its last lines above may say why; --health-timeout SECONDS waits longer"
_PATH: Final = (
    "write a path that answers 200 once it is ready as `health:` under `serve:` in mlimage.yaml, and build "
    "again"
)


def not_yet(request: RunRequest, strays: Sequence[Listener]) -> str:
    """That it listens elsewhere, while it may still get where it should."""
    wanted = request.port.inside if request.port else 0
    return f"`{request.image.name}` listens on {_listed(strays)}, and not yet on port {wanted}: waiting"


def misplaced(request: RunRequest, stray: Listener) -> RunError:
    """That it is there for good."""
    wanted = request.port.inside if request.port else 0
    what = "where it is not reached" if stray.port == wanted else f"and not on port {wanted}"
    return RunError(f"`{request.image.name}` listens on {stray}, {what}", hint=_hint(request, stray))


def unhealthy(request: RunRequest, found: NotReady) -> RunError:
    """That it was waited for in vain."""
    path = request.health.path if request.health else ""
    asked = f"{request.port.url}{path}" if request.port else path
    more = f"; it listens on {_listed(found.strays)}" if found.strays else ""
    return RunError(
        f"`{request.image.name}` was not healthy after {found.seconds:.0f} s: "
        f"{asked} gave {found.last.why}{more}",
        hint=_hint(request, found.strays[0]) if found.strays else _PATH if found.last.no_path else _LATER,
    )


def _listed(strays: Sequence[Listener]) -> str:
    return ", ".join(str(each) for each in strays)


def _hint(request: RunRequest, stray: Listener) -> str:
    if request.port and stray.port == request.port.inside:
        return "let it listen on the address that `MLIMAGE_HOST` says"
    env = dict(request.env)
    given = next((name for name in ("MLIMAGE_PORT", "PORT") if env.get(name) == str(stray.port)), None)
    if given:
        return f"leave out `--env {given}={stray.port}`: `--port {stray.port}` is where it is reached"
    if stray.port == request.contract.roles.roles["serve"].port:
        # It shares this machine's network, and was asked for another port than its own.
        lacking = lacks_outlet(root=os.geteuid() == 0)
        return "it does not heed `PORT`: leave --port out, use --runtime docker, or " + (
            f"{lacking}, by which the sandbox forwards a port" if lacking else "an address of IPv4"
        )
    return (
        f"let it listen on the port that `PORT` says, or write `port: {stray.port}` under `serve:` in "
        "mlimage.yaml and build again"
    )
