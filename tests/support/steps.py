"""A small image with steps, locked once, and the command line with an engine's environment."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest

from mlimage.cache import Cache
from support.building import MLIMAGE
from support.machine import Engine, share_fetched
from support.programs import program

SPEC = """\
name: steps
python: "3.11"
base: {debian: bookworm}
dependencies: [idna]
train: {command: python train.py}
check: {ignore: [{package: idna, reason: it is imported in other tests}]}
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """A locked project with one small image, a cache, and an engine."""

    root: Path
    cache: Cache
    environ: Mapping[str, str]

    def with_environ(self, **variables: str) -> "Steps":
        """The same with other variables."""
        return replace(self, environ={**self.environ, **variables})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run mlimage to its end."""
        return subprocess.run(
            [MLIMAGE, *arguments],
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, stderr: IO[str] | int) -> subprocess.Popen[bytes]:
        """Start mlimage, out of reach of this terminal."""
        return subprocess.Popen(
            [MLIMAGE, *arguments],
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )

    def docker(self, *arguments: str) -> str:
        """Run `docker`, which must succeed."""
        return program("docker", *arguments, environ=self.environ)

    def build(self, *options: str) -> dict[str, object]:
        """Build, and return what `--json` says."""
        done = self.run("build", "--json", "--no-load", *options)
        assert done.returncode == 0, done.stderr
        [found] = json.loads(done.stdout)
        return dict(found)

    def write(self, steps: Sequence[object] = (), **more: object) -> None:
        """Write the spec with these steps."""
        keys = {"run": list(steps), **more}
        text = SPEC + "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())
        (self.root / "images/steps/mlimage.yaml").write_text(text)

    def inside(self, script: str) -> str:
        """What a shell in the image says."""
        done = self.run("run", "--runtime", "sandbox", "steps", "--", "sh", "-c", script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {**self.environ, "MLIMAGE_CACHE": str(self.cache.root)}


@pytest.fixture(scope="session")
def locked_steps(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Path:
    """The project, locked."""
    root = tmp_path_factory.mktemp("steps")
    app = root / "images/steps/app"
    app.mkdir(parents=True)
    (root / "lockfiles").mkdir()
    (app / "train.py").write_text("print('trained')\n")
    made = Steps(root, shared_cache, os.environ)
    made.write()
    done = made.run("lock")
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="session")
def built_steps(locked_steps: Path, shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    """The project with two variants, built without Docker, for tests that change neither it nor its cache."""
    folder = tmp_path_factory.mktemp("built-steps")
    own = Cache(folder / "cache")
    own.root.mkdir()
    share_fetched(shared_cache, own)
    made = project_of(locked_steps, folder / "project", own, os.environ)
    made.write(variants={"cpu": {"env": {"KIND": "cpu"}}, "cuda": {"env": {"KIND": "cuda"}}})
    for verb in (("lock",), ("build", "--no-load")):
        done = made.run(*verb)
        assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def steps(locked_steps: Path, tmp_path: Path, warm_cache: Cache, engine: Engine) -> Steps:
    """The locked project, to be changed and built by each Docker Engine."""
    return project_of(locked_steps, tmp_path / "steps", warm_cache, engine.environ)


def project_of(locked: Path, root: Path, cache: Cache, environ: Mapping[str, str]) -> Steps:
    """A copy of the locked project, to be changed."""
    shutil.copytree(locked, root)
    return Steps(root, cache, environ)
