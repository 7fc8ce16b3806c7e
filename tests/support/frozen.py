"""A copy of the project with the shipped example, and what a user types in it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, project_at
from support.indexes import mirrors_of_wheels


class Project:
    """Everything runs in the sandbox."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self.app = root / "images" / IMAGE / "app/digits"
        self.model = root / f"models/{IMAGE}/model.npz"
        self.record = root / f"lockfiles/{IMAGE}/golden"
        self.environ = {**os.environ, **mirrors_of_wheels(IMAGE), "MLIMAGE_CACHE": str(cache.root)}

    def copy(self, root: Path, cache: Cache) -> "Project":
        """The same project elsewhere, to be changed; its images have the same names, and so another cache."""
        root.parent.chmod(0o755)
        shutil.copytree(self.root, root)
        return Project(root, cache)

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MLIMAGE, *words], cwd=self.root, env=self.environ, capture_output=True, text=True, check=False
        )

    def done(self, *words: str) -> str:
        done = self.type(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self) -> str:
        """The image's digest."""
        [built] = json.loads(
            self.done("build", IMAGE, "--variant", "cpu", "--engine", "direct", "--no-check", "--json")
        )
        digest: str = built["digest"]
        return digest

    def train(self) -> None:
        self.done("run", IMAGE, "--runtime", "sandbox", "train")

    def freeze(self) -> None:
        self.done("freeze", IMAGE, "--runtime", "sandbox")

    def verify(self, *words: str) -> tuple[int, Any]:
        """Status, and what `--json` says."""
        done = self.type("verify", IMAGE, "--runtime", "sandbox", "--json", *words)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def refused(self, *words: str) -> tuple[int, list[str]]:
        """Status and the lines of the error."""
        done = self.type(*words)
        lines = done.stderr.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("error: "))
        return done.returncode, lines[first:]

    def change(self, module: str, before: str, after: str) -> None:
        """In a source of the application."""
        file = self.app / module
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))


@pytest.fixture
def trained(tmp_path: Path, warm_cache: Cache) -> Project:
    """The example without its record, built and trained; the user of the image can reach the folder."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    found = Project(project_at(tmp_path / "project"), warm_cache)
    shutil.rmtree(found.record)
    found.build()
    found.train()
    return found
