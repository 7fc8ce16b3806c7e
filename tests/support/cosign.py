"""The real `cosign`, of both versions, and keys that it made."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.release.signature import PublicKey, read_key
from support.machine import COSIGNS, need_cosign

PASSWORD = "open sesame"  # noqa: S105 - of keys that tests throw away


@dataclass(frozen=True, slots=True)
class Cosign:
    """A version of it, in a folder of its own."""

    name: str
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        """For a process that shall find it, and can use its keys."""
        found = need_cosign(self.name)
        return {"PATH": f"{found}:{os.environ['PATH']}", "COSIGN_PASSWORD": PASSWORD}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        return subprocess.run(
            [need_cosign(self.name) / "cosign", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def key(self, name: str) -> Path:
        """A new private key; the public one lies beside it, with the suffix `.pub`."""
        done = self.run("generate-key-pair", "--output-key-prefix", name)
        assert done.returncode == 0, done.stderr
        return self.folder / f"{name}.key"

    def verifies(self, reference: str, key: Path) -> bool:
        """Whether it finds an image to be signed by a public key."""
        done = self.run("verify", "--key", str(key), "--insecure-ignore-tlog=true", reference)
        assert done.returncode == 0 or "signature" in done.stderr, done.stderr
        return done.returncode == 0


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.engine) for name in COSIGNS])
def cosign(request: pytest.FixtureRequest, tmp_path: Path) -> Cosign:
    """Each of `COSIGNS`, one after the other."""
    need_cosign(request.param)
    folder = tmp_path / "keys"
    folder.mkdir()
    return Cosign(request.param, folder)


def both(folder: Path) -> list[Cosign]:
    """All of `COSIGNS`."""
    return [Cosign(name, folder) for name in COSIGNS]


def public(key: Path) -> PublicKey:
    """The public key beside a private one."""
    return read_key(key.with_suffix(".pub").read_bytes(), name="cosign.pub")
