"""The test that carries the product: both engines, on every Docker, give the same image to the bit."""

import json
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.oci.found import in_store
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.verify.diff.compare import compare_images
from mlimage.verify.diff.explain import explain
from support.building import WITH_DOCKER, build, project_at
from support.machine import ROOT, Engine

pytestmark = pytest.mark.network


def expected(image: str) -> dict[str, str]:
    """What the direct engine gives, on this machine and on the one that committed it."""
    found: dict[str, str] = json.loads((ROOT / "tests/golden/digests" / f"{image}.json").read_text())
    return found


@pytest.mark.parametrize("image", WITH_DOCKER)
def test_docker_gives_the_image_that_direct_gives(
    image: str, tmp_path: Path, warm_cache: Cache, shared_cache: Cache, engine: Engine
) -> None:
    project = project_at(tmp_path / "project", image)
    options = ["--engine", "docker", "--no-cache", "--no-load"]
    found = build(project, warm_cache, image=image, options=options, env=engine.environ)
    if found != expected(image):
        other = Cache(tmp_path / "direct")
        build(project, other, image=image, options=["--engine", "direct"])
        direct, docker = (
            in_store(resolve(store, image), store) for store in (Store(other.store), Store(warm_cache.store))
        )
        pytest.fail(explain(compare_images(direct, docker, deep=True)))
