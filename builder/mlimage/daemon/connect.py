"""The container engine: found as Docker's own command line finds it, and its errors in the user's words."""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol

from mlimage.daemon.facts import Facts, need_usable, read_facts
from mlimage.errors import RunError

QUICK: Final = 3
"""Seconds in which a daemon that runs has answered."""
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

    @property
    def api(self) -> Any:
        """`docker.APIClient`."""

    def info(self) -> Any:
        """What `docker info` shows."""

    def version(self) -> Any:
        """What `docker version` shows of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """An engine that answered.

    Attributes:
        client: the connection to it.
        facts: what it is.
    """

    client: Client
    facts: Facts


def connect(environ: Mapping[str, str] = os.environ, *, timeout: int = QUICK) -> Daemon:
    """The engine that `DOCKER_HOST`, `DOCKER_CONTEXT` or the current context of Docker's settings name.

    Raises:
        RunError: it does not answer, cannot run images of mlimage, or the settings are wrong.
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
        facts = read_facts(client.version(), client.info(), address=address)
    except TLSParameterError as error:
        raise RunError(f"Docker's TLS settings are wrong: {error}", hint="see DOCKER_CERT_PATH") from error
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise _no_answer(address, error) from error
    need_usable(facts)
    client.api.timeout = _PATIENT
    return Daemon(client=client, facts=facts)


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
            raise _no_answer(address, error) from error


def _no_answer(address: str, error: BaseException) -> RunError:
    if address.startswith(_UNIX) and isinstance(error, PermissionError):
        return RunError(
            f"you may not use the Docker daemon at {address}",
            hint="`sudo usermod -aG docker $USER`, then log in anew; who is in that group can become root",
        )
    start = "`sudo systemctl start docker`" if sys.platform == "linux" else "open Docker Desktop"
    return RunError(
        f"no Docker daemon answers at {address}: {reason(error)}",
        hint=f"start it ({start}), or let DOCKER_HOST say where one is",
    )


@contextmanager
def without_haste(client: Client) -> Iterator[None]:
    """Wait for one answer as long as it takes: an engine unpacks gigabytes without a word."""
    before, client.api.timeout = client.api.timeout, None
    try:
        yield
    finally:
        client.api.timeout = before


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn every error of the SDK and of the connection into a `RunError` that begins with `what`."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError, OSError) as error:
        said = str(getattr(error, "explanation", None) or reason(error))
        if "no space left on device" in said:
            raise RunError(
                f"{what}: the disk of the engine is full",
                hint="`docker system df` shows what takes the space, `docker system prune` frees some",
            ) from error
        hint = None if isinstance(error, APIError) else "does the engine still run?"
        raise RunError(f"{what}: {said}", hint=hint) from error


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
        if isinstance(current, HTTPException | ConnectionResetError | BrokenPipeError):
            return "the connection broke"
    causes = [current for current in seen if isinstance(current, OSError) and current.strerror]
    return str(causes[-1].strerror).lower() if causes else str(error)
