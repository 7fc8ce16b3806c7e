"""The test that carries the product: both engines, on every Docker, give the same image to the bit."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.oci.found import in_store
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.verify.diff.compare import compare_images
from mlimage.verify.diff.explain import explain
from support.building import WITH_DOCKER, build, project_at
from support.machine import ROOT, Engine, share_fetched
from support.steps import project_of
from support.wheels import make_wheel

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


@pytest.mark.engine
def test_packages_that_conflict_are_settled_alike(
    locked_steps: Path, tmp_path: Path, warm_cache: Cache, docker_host: str
) -> None:
    """pip installs them in the order of their names backwards, and so has to install this one again."""
    keep = "two-of-two"
    environ = {**os.environ, "DOCKER_HOST": docker_host, "MLIMAGE_MIRROR_OWN": str(tmp_path / "wheels")}
    names = ["one-of-two", "two-of-two"]
    for name in names:
        files = {"shared.py": f"of = {name!r}\n".encode(), "README.md": name.encode(), "x/y.bin": b"same"}
        make_wheel(tmp_path / "wheels", name, "1.0", files)
    project = project_of(locked_steps, tmp_path / "project", warm_cache, environ)
    keys: dict[str, object] = {
        "indexes": {"own": {"url": "https://packages.example.com/simple", "packages": names}},
        "variants": {"cpu": {"dependencies": names}},
    }
    project.write([], **keys)
    refused = project.run("lock")
    assert refused.returncode == 5
    assert "`one-of-two` and `two-of-two` both write `/opt/venv/lib/python3.11/site-packages/shared.py`" in (
        refused.stderr
    )
    project.write([], allow_conflicts=[{"packages": names, "keep": keep, "reason": "a test"}], **keys)
    locked = project.run("lock")
    assert locked.returncode == 0, locked.stderr
    other = Cache(tmp_path / "direct")
    other.root.mkdir()
    share_fetched(warm_cache, other)
    direct = replace(project, cache=other).build("--engine", "direct")
    assert project.build("--engine", "docker", "--no-cache")["digest"] == direct["digest"]
    script = f"import shared, importlib.metadata as m; print(shared.of, *(len(m.files(n)) for n in {names}))"
    assert project.inside(f'python -c "{script}"') == f"{keep} 4 7\n"
