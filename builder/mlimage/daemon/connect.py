"""The Docker daemon: found as Docker's own command line finds it, and its errors in the user's words."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from mlimage.errors import RunError

QUICK: Final = 3
"""Seconds in which a daemon that runs has answered."""
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_UNIX: Final = "unix://"
_DEFAULT: Final = "unix:///var/run/docker.sock"
_PATIENT: Final = 120
"""Seconds for one answer of a daemon that is known to run: creating a container on a slow disk takes long."""


class Client(Protocol):
    """What is used of `docker.DockerClient`."""

    @property
    def images(self) -> Any:
        """`docker.models.images.ImageCollection`."""

    @property
    def containers(self) -> Any:
        """`docker.models.containers.ContainerCollection`."""

    def info(self) -> Any:
        """What `docker info` shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that answered.

    Attributes:
        client: the connection to it.
        address: where it is, for instance `unix:///var/run/docker.sock`.
        rootless: whether root in its containers is the person who runs the daemon.
    """

    client: Client
    address: str
    rootless: bool = False

    @property
    def local(self) -> bool:
        """Whether it is on this machine, so that the ports that it publishes are this machine's."""
        parts = urlsplit(self.address)
        return parts.scheme in {"unix", "http+unix", "npipe"} or parts.hostname in _HERE


def connect(environ: Mapping[str, str] = os.environ, *, timeout: int = QUICK) -> Daemon:
    """The daemon that `DOCKER_HOST`, `DOCKER_CONTEXT` or the current context of Docker's settings name.

    Raises:
        RunError: it does not answer, or the settings are wrong.
    """
    settings = _settings(environ)
    address = str(settings.get("base_url", _DEFAULT))
    if address.startswith(_UNIX):
        _knock(address, timeout)
    import docker
    from docker.errors import DockerException, TLSParameterError
    from requests.exceptions import RequestException

    try:
        if environ.get("DOCKER_HOST"):
            client = docker.DockerClient.from_env(version="auto", timeout=timeout, environment=dict(environ))
        else:
            client = docker.DockerClient(version="auto", timeout=timeout, **settings)
        daemon = client.info()
    except TLSParameterError as error:
        raise RunError(f"Docker's TLS settings are wrong: {error}", hint="see DOCKER_CERT_PATH") from error
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise _no_answer(address, reason(error)) from error
    client.api.timeout = _PATIENT
    options = daemon.get("SecurityOptions") or ()
    return Daemon(
        client=client, address=address, rootless=any("name=rootless" in option for option in options)
    )


def _settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """`base_url`, and `tls` where a context has it."""
    if environ.get("DOCKER_HOST"):
        return {"base_url": environ["DOCKER_HOST"]}
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if not environ.get("DOCKER_CONTEXT") and not (folder / "config.json").exists():
        return {"base_url": _DEFAULT}  # without the third of a second that the SDK takes to import
    import docker
    from docker.errors import DockerException

    try:
        return dict(docker.ContextAPI.kwargs_from_context(environment=dict(environ)))
    except (DockerException, OSError, ValueError) as error:
        raise RunError(
            f"Docker's contexts cannot be read: {error}", hint="see `docker context ls`"
        ) from error


def _knock(address: str, timeout: int) -> None:
    """Tell at once, and before anything is imported, that nobody listens on a socket of this machine."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect(address.removeprefix(_UNIX))
        except OSError as error:
            raise _no_answer(address, reason(error)) from error


def _no_answer(address: str, why: str) -> RunError:
    return RunError(
        f"no Docker daemon answers at {address}: {why}",
        hint="start it, or set DOCKER_HOST; on Linux `--runtime sandbox` needs none",
    )


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn every error of the SDK and of the connection into a `RunError` that begins with `what`."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise RunError(f"{what}: {error.explanation or reason(error)}") from error
    except (DockerException, RequestException, OSError) as error:
        raise RunError(f"{what}: {reason(error)}", hint="does the Docker daemon still run?") from error


def reason(error: BaseException) -> str:
    """The innermost cause in a few words: the SDK wraps a refused connection four times."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.append(current)
        inner = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        waiting += [other for other in inner if isinstance(other, BaseException)]
    for current in seen:
        if isinstance(current, TimeoutError) or "timed out" in str(current).lower():
            return "it does not answer in time"
    causes = [current for current in seen if isinstance(current, OSError) and current.strerror]
    return str(causes[-1].strerror).lower() if causes else str(error)
