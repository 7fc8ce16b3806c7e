"""What this machine has for tests: an engine, a registry, privileges, an index; and fixtures for them.

A fixture whose need is not met fails the test and says what to do; it never skips.
"""

import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
from functools import cache as remember
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlimage.cache import Cache

ROOT = Path(__file__).parent.parent.parent
"""The checkout."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let tests find the private engine, and let none of them touch the developer's own cache."""
    environment = ROOT / ".engine" / "environment"
    if "DOCKER_HOST" not in os.environ and environment.exists():
        for name, value in re.findall(r"^export (\w+)=(.*)$", environment.read_text(), re.MULTILINE):
            os.environ[name] = value.replace("$PATH", os.environ["PATH"])
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


def _answers(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@remember
def engine_address() -> str | None:
    """`DOCKER_HOST` of an engine that answers, or None."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    parts = urlsplit(address)
    connection = (
        _UnixConnection(parts.path)
        if parts.scheme == "unix"
        else http.client.HTTPConnection(parts.netloc, timeout=10)
    )
    return address if _answers(connection, "/_ping") else None


@remember
def registry_address() -> str | None:
    """`host:port` of a registry that tests may fill, or None."""
    address = os.environ.get("MLIMAGE_TEST_REGISTRY")
    return address if address and _answers(http.client.HTTPConnection(address, timeout=10), "/v2/") else None


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
    for shared, own in (
        (shared_cache.inputs.parent, made.inputs.parent),
        (shared_cache.metadata, made.metadata),
    ):
        shared.mkdir(parents=True, exist_ok=True)
        own.symlink_to(shared)
    return made
