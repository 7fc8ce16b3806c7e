"""Whole images in, whole Dockerfiles out: a folder `render/cases/NAME` for each."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.plan.decide import plan
from mlimage.plan.model import BuildPlan
from mlimage.platforms import LINUX_ARM64
from mlimage.render.dockerfile import render
from mlimage.spec.load import load_spec
from mlimage.spec.model import RegistryBase
from mlimage.spec.tags import image_tags
from support.golden import GOLDEN
from support.locks import for_arm64, image_base, lock, package

CASES = GOLDEN / "render" / "cases"
HADOLINT = Path(sys.executable).with_name("hadolint")


def planned(case: str) -> BuildPlan:
    """The plan of a case's last image."""
    loaded = load_spec(CASES / case / "x", shown="images/x")
    locked = lock([package("one"), package("two")], image="x")
    if isinstance(loaded.spec.base, RegistryBase):
        locked = replace(locked, base=image_base(debs=loaded.spec.base.packages))
    *_, tag = image_tags(loaded.spec)
    return plan(loaded, for_arm64(locked) if tag.platform == LINUX_ARM64 else locked, tag.role)


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_rendered(case: str, golden: Callable[[str, bytes | str], None]) -> None:
    tag = "cpu-serve-arm64" if case == "tag" else "cpu"
    rendered = render(planned(case))
    assert [path for path, _ in rendered.files] == [
        f"images/x/Dockerfile.{tag}",
        f"images/x/Dockerfile.{tag}.dockerignore",
    ]
    golden(f"render/cases/{case}/Dockerfile.{tag}", rendered.dockerfile)
    golden(f"render/cases/{case}/Dockerfile.{tag}.dockerignore", rendered.ignore)


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_a_linter_finds_nothing(case: str) -> None:
    """DL3059 would have steps in one instruction that the user has as two."""
    done = subprocess.run(
        (HADOLINT, "--no-color", "--ignore=DL3059", next((CASES / case).glob("Dockerfile.*[!e]"))),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
