"""Whole images in, whole Dockerfiles out: a folder `render/cases/NAME` for each."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.plan.decide import plan
from mlimage.plan.model import BuildPlan
from mlimage.render.dockerfile import render
from mlimage.spec.load import load_spec
from mlimage.spec.model import RegistryBase
from support.golden import GOLDEN
from support.locks import image_base, lock, package

CASES = GOLDEN / "render" / "cases"
HADOLINT = Path(sys.executable).with_name("hadolint")


def planned(case: str) -> BuildPlan:
    loaded = load_spec(CASES / case / "x", shown="images/x")
    locked = lock([package("one"), package("two")], image="x")
    if isinstance(loaded.spec.base, RegistryBase):
        locked = replace(locked, base=image_base(debs=loaded.spec.base.packages))
    return plan(loaded, locked)


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_rendered(case: str, golden: Callable[[str, bytes | str], None]) -> None:
    rendered = render(planned(case))
    assert [path for path, _ in rendered.files] == [
        "images/x/Dockerfile.cpu",
        "images/x/Dockerfile.cpu.dockerignore",
    ]
    golden(f"render/cases/{case}/Dockerfile.cpu", rendered.dockerfile)
    golden(f"render/cases/{case}/Dockerfile.cpu.dockerignore", rendered.ignore)


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_a_linter_finds_nothing(case: str) -> None:
    """DL3059 would have steps in one instruction that the user has as two."""
    done = subprocess.run(
        (HADOLINT, "--no-color", "--ignore=DL3059", CASES / case / "Dockerfile.cpu"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
