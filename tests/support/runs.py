"""`mlimage run` as a user types it, in each engine and in the sandbox."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import environ
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from support.building import MLIMAGE
from support.machine import DOCKERS, PODMANS, need_engine
from support.running import free_port

IN_ENGINES: Final = [pytest.param(name, marks=pytest.mark.engine) for name in (*DOCKERS, *PODMANS)]
SANDBOX: Final = pytest.param("sandbox", marks=pytest.mark.namespaces)
RUNTIMES: Final = [*IN_ENGINES, SANDBOX]
"""As parameters of tests: an engine's name, or `sandbox`."""


def command(runtime: str, *arguments: str, verb: str = "run") -> Sequence[str]:
    """What starts `mlimage run`, or another verb that runs images, there."""
    if runtime == "sandbox":
        return (MLIMAGE, verb, "--runtime", "sandbox", *arguments)
    return (*need_engine(runtime).enter, MLIMAGE, verb, "--runtime", "docker", *arguments)


def environment(cache: Cache, runtime: str) -> Mapping[str, str]:
    """What it finds; the person of a rootless engine does not get to this user's home."""
    of_runtime = environ if runtime == "sandbox" else need_engine(runtime).environ
    return {**of_runtime, "HOME": str(cache.root.parent), "MLIMAGE_CACHE": str(cache.root)}


def run(
    cache: Cache, folder: Path, runtime: str, *arguments: str, verb: str = "run"
) -> "subprocess.CompletedProcess[str]":
    """Run to the end, in that folder."""
    return subprocess.run(
        command(runtime, *arguments, verb=verb),
        cwd=folder,
        env=environment(cache, runtime),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


class Server:
    """An image that serves, until now healthy."""

    def __init__(self, runtime: str, port: int) -> None:
        self._runtime = runtime
        self._port = port

    def post(self, value: object) -> tuple[int, dict[str, list[dict[str, float]]]]:
        """Ask for predictions, from where the engine publishes its ports; gives status and answer."""
        enter = () if self._runtime == "sandbox" else need_engine(self._runtime).enter
        said = subprocess.run(
            (*enter, sys.executable, "-c", _POST, str(self._port)),
            input=json.dumps(value),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        status, _, answer = said.partition(" ")
        return int(status), json.loads(answer)


_POST: Final = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
connection.request("POST", "/invocations", sys.stdin.read(), headers={"Content-Type": "application/json"})
response = connection.getresponse()
print(response.status, response.read().decode())
"""


@contextmanager
def served(cache: Cache, folder: Path, runtime: str, image: str) -> Iterator[Server]:
    """`mlimage run IMAGE serve`, ended as Ctrl-C does, which must be well."""
    port = free_port().number
    with subprocess.Popen(
        command(runtime, image, "serve", "--port", str(port)),
        cwd=folder,
        env=environment(cache, runtime),
        stderr=subprocess.PIPE,
        stdout=sys.stderr,
        text=True,
    ) as process:
        try:
            assert process.stderr
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith("serving "):
                    break
            assert lines[-1:] == [
                f"serving {image}:cpu on http://127.0.0.1:{port}  (health /ping, Ctrl-C stops)\n"
            ], "".join(lines)
            yield Server(runtime, port)
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            assert process.wait() == 0
        finally:
            process.kill()
