"""What this machine has for tests: an engine, a registry, privileges, an index; and fixtures for them.

A fixture whose need is not met fails the test and says what to do; it never skips.
"""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlimage.cache import Cache

ROOT = Path(__file__).parent.parent.parent
"""The checkout."""

DOCKERS = ("docker-trixie", "docker-sid")
CLASSIC = "docker-trixie-classic"
FULL = "docker-trixie-full"
PODMANS = ("podman-bookworm", "podman-trixie")
ROOTLESS = ("podman-bookworm-rootless", "podman-trixie-rootless")
ENGINES = (*DOCKERS, CLASSIC, FULL, *PODMANS, *ROOTLESS)
"""The engines of `make engine-up`: program, and its release of Debian; the default one first.

`CLASSIC` has Docker's older image store, and `FULL` room for some 40 MB; `ROOTLESS` are of a person.
"""

COSIGNS = ("cosign-trixie", "cosign-sid")
"""The `cosign` commands of `make engine-up`, by their release of Debian: versions 2 and 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A container engine that answers.

    Attributes:
        name: one of `ENGINES`.
        version: of its server, `26.1.5+dfsg1`.
        host: its `DOCKER_HOST`.
        environ: for a process that shall use this engine; with Docker's own `docker` and `buildx`.
        enter: in front of that process's command, so that it reaches the ports that are published.
    """

    name: str
    version: str
    host: str
    environ: Mapping[str, str]
    enter: tuple[str, ...] = ()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let tests find the private engine, and let none of them touch the developer's own cache."""
    environment = ROOT / ".engine" / "environment"
    if "DOCKER_HOST" not in os.environ and environment.exists():
        os.environ.update(_exports(environment))
    if "MLIMAGE_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="mlimage-tests-")
        os.environ["MLIMAGE_CACHE"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


def _exports(environment: Path) -> dict[str, str]:
    """What a shell that reads this file has then."""
    found = re.findall(r"^export (\w+)=(.*)$", environment.read_text(), re.MULTILINE)
    return {name: value.strip('"').replace("$PATH", os.environ["PATH"]) for name, value in found}


def _get(connection: http.client.HTTPConnection, path: str) -> bytes | None:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.read() if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _engine(address: str) -> http.client.HTTPConnection:
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path)
    return http.client.HTTPConnection(parts.netloc, timeout=10)


@remember
def engine_address() -> str | None:
    """`DOCKER_HOST` of an engine that answers, or None."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return None if _get(_engine(address), "/_ping") is None else address


@remember
def engine_named(name: str) -> Engine | None:
    """One of `ENGINES`, when it answers; `MLIMAGE_TEST_ENGINES` is a folder with a file for each."""
    environment = Path(os.environ.get("MLIMAGE_TEST_ENGINES", ROOT / ".engine/engines")) / name
    if not environment.exists():
        return None
    exports = _exports(environment)
    host = exports["DOCKER_HOST"]
    answer = _get(_engine(host), "/version")
    if answer is None:
        return None
    return Engine(
        name=name,
        version=json.loads(answer)["Version"],
        host=host,
        environ={**os.environ, **exports},
        enter=tuple(exports.get("MLIMAGE_TEST_ENTER", "").split()),
    )


def need_engine(name: str) -> Engine:
    """One of `ENGINES`; fails the test when it does not answer."""
    found = engine_named(name)
    if found is None:
        pytest.fail(f"this test needs the engine {name}: make engine-up")
    return found


@remember
def cosign_named(name: str) -> Path | None:
    """The folder with the command of one of `COSIGNS`, when it is there."""
    packages = Path(os.environ.get("MLIMAGE_TEST_PACKAGES", ROOT / ".engine/packages"))
    folder = packages / name / "usr/bin"
    return folder if (folder / "cosign").exists() else None


def need_cosign(name: str) -> Path:
    """The folder with the command of one of `COSIGNS`; fails the test when it is not there."""
    found = cosign_named(name)
    if found is None:
        pytest.fail(f"this test needs {name}: make engine-up")
    return found


@remember
def registry_address() -> str | None:
    """`host:port` of a registry that tests may fill, or None."""
    address = os.environ.get("MLIMAGE_TEST_REGISTRY")
    if not address or _get(http.client.HTTPConnection(address, timeout=10), "/v2/") is None:
        return None
    return address


@remember
def has_namespaces() -> bool:
    """Whether this is root, or user namespaces make it so."""
    try:
        done = subprocess.run(
            ("unshare", *(("--user", "--map-root-user") if os.geteuid() else ()), "--mount", "true"),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


@remember
def has_index() -> bool:
    """Whether the package index that this machine is configured for answers."""
    from mlimage.errors import MlimageError
    from mlimage.fetch import Http
    from mlimage.mirrors import load_mirrors

    for place in load_mirrors(os.environ).index("default"):
        if place.folder is not None:
            continue
        try:
            with Http() as http:
                if http.get(place.join("pip/")).status == 200:
                    return True
        except MlimageError:
            continue
    return False


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The address of a Docker Engine; `DOCKER_HOST` is set to it."""
    address = engine_address()
    if address is None:
        pytest.fail("this test needs a Docker Engine: make engine-up")
    os.environ["DOCKER_HOST"] = address
    return address


@pytest.fixture(scope="session", params=[pytest.param(name, marks=pytest.mark.engine) for name in DOCKERS])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of `DOCKERS`, one after the other. It is in no variable of this process: hand on its `environ`."""
    return need_engine(request.param)


@pytest.fixture(scope="session")
def registry() -> str:
    """`host:port` of a registry on this machine that speaks plain HTTP."""
    address = registry_address()
    if address is None:
        pytest.fail("this test needs a registry: make engine-up")
    return address


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """A cache with nothing in it."""
    return Cache(tmp_path / "cache")


@pytest.fixture(scope="session")
def shared_cache() -> Cache:
    """Fetched files that stay from run to run, for tests that would fetch them again and again.

    They are named by their digests and checked before use. In a folder of the tests, not in the user's cache.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Cache(Path(os.environ.get("MLIMAGE_TEST_INPUTS", f"{base}/mlimage-tests")))


@pytest.fixture
def warm_cache(tmp_path: Path, shared_cache: Cache) -> Cache:
    """A cache with nothing in it but what was fetched, by this test or by those before."""
    made = Cache(tmp_path / "warm-cache")
    made.root.mkdir()
    share_fetched(shared_cache, made)
    return made


def share_fetched(shared: Cache, made: Cache) -> None:
    """Let a new cache keep what it fetches in the shared one, and find there what others fetched."""
    for common, own in (
        (shared.inputs.parent, made.inputs.parent),
        (shared.metadata, made.metadata),
    ):
        common.mkdir(parents=True, exist_ok=True)
        own.symlink_to(common)
