"""Debian's own registry, `docker-registry`, started by a test: it may want a login, and speak TLS."""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from support.certificates import Certificate

USER: Final = "anna"
PASSWORD: Final = "open:sesame"  # noqa: S105 - of these tests alone
_HASH: Final = "$2b$04$mZ7tNny2odaokOuHNeCCx.vGrLAMJGQpx8yyPb6mFreTSSqaaHNPC"
"""bcrypt of the password, the one form of `htpasswd` that the registry takes; at its least cost."""
_LISTENS: Final = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRegistry:
    """A registry that answers.

    Attributes:
        port: on the loopback.
        storage: the folder of what it has.
    """

    port: int
    storage: Path

    @property
    def host(self) -> str:
        """As references name it."""
        return f"127.0.0.1:{self.port}"

    def tags(self, repository: str) -> list[str]:
        """The tags that people gave a repository, sorted; not those of lists of what is attached."""
        folder = self.storage / f"docker/registry/v2/repositories/{repository}/_manifests/tags"
        return sorted(path.name for path in folder.glob("*") if not path.name.startswith("sha256-"))

    def blobs(self) -> dict[str, int]:
        """The size of each blob and manifest, by its digest; each is held against it."""
        found = {}
        for data in self.storage.glob("docker/registry/v2/blobs/sha256/*/*/data"):
            content = data.read_bytes()
            assert hashlib.sha256(content).hexdigest() == data.parent.name
            found[f"sha256:{data.parent.name}"] = len(content)
        return found


@contextmanager
def own_registry(
    folder: Path,
    *,
    login: bool = False,
    certificate: Certificate | None = None,
    storage: Path | None = None,
    enter: Sequence[str] = (),
) -> Iterator[OwnRegistry]:
    """Serve while the block runs.

    Args:
        folder: a new one, for what it needs.
        login: whether it answers only who is `USER` with `PASSWORD`.
        certificate: with which it speaks TLS.
        storage: what another one has, which this one has, too.
        enter: in front of its command; a podman's network, for instance.
    """
    found = shutil.which("docker-registry")
    if found is None:
        pytest.fail("this test needs the program `docker-registry`: make engine-up")
    folder.mkdir()
    storage, log = storage or folder / "storage", folder / "log"
    (folder / "htpasswd").write_text(f"{USER}:{_HASH}\n")
    lines = [
        "version: 0.1",
        "log: {accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {storage}}}}}",
    ]
    if login:
        lines.append(f"auth: {{htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}}}")
    lines += ["http:", "  addr: 127.0.0.1:0", "  secret: for-tests"]
    if certificate:
        lines.append(f"  tls: {{certificate: {certificate.chain}, key: {certificate.key}}}")
    (folder / "config.yml").write_text("\n".join(lines) + "\n")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*enter, found, "serve", folder / "config.yml"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield OwnRegistry(port=_port(process, log), storage=storage)
    finally:
        process.kill()
        process.wait()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if said := _LISTENS.search(log.read_text()):
            return int(said[1])
        time.sleep(0.02)
    pytest.fail(f"docker-registry did not start: {log.read_text()}")
