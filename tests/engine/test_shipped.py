"""Each image that is shipped, built by each engine: verified, trained, served, frozen, and served again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, IMAGES, WITH_DOCKER, build, project_at
from support.digits import ZERO
from support.machine import DOCKERS, need_engine
from support.runs import RUNTIMES, SANDBOX, run, served

pytestmark = pytest.mark.network


def _ways() -> Iterator[object]:
    """Each image without Docker, and with Docker from the build on; the one for all in every runtime."""
    for image in IMAGES:
        for runtime in RUNTIMES if image == IMAGE else [SANDBOX]:
            yield pytest.param(image, "direct", *runtime.values, marks=runtime.marks)
    for built in WITH_DOCKER:
        yield pytest.param(*built.values, "docker", DOCKERS[0], marks=[*built.marks, pytest.mark.engine])


@pytest.mark.parametrize(("image", "engine", "runtime"), [*_ways()])
def test_trains_serves_and_predicts(
    image: str, engine: str, runtime: str, warm_cache: Cache, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path.parent, warm_cache.root):
        path.chmod(0o755)  # the user of the image is another
    project = project_at(tmp_path / "project", image)
    builder = need_engine(DOCKERS[0]).environ if engine == "docker" else {}
    build(project, warm_cache, image=image, options=["--engine", engine], env=builder, checked=True)
    is_as_it_was_frozen(warm_cache, project, runtime, image)
    trained = run(warm_cache, project, runtime, image, "train")
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((project / "models" / image / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.95
    assert f"accuracy {metrics['accuracy']:.4f}" in trained.stdout
    answers(warm_cache, project, runtime, image)
    if engine == "direct":
        # Trained in one container, and served from another one that brings the model along.
        frozen = run(warm_cache, project, runtime, image, verb="freeze")
        assert frozen.returncode == 0, frozen.stderr
        build(project, warm_cache, image=image)
        (project / "models").rename(tmp_path / "elsewhere")
        answers(warm_cache, project, runtime, image)
        is_as_it_was_frozen(warm_cache, project, runtime, image)


def is_as_it_was_frozen(cache: Cache, project: Path, runtime: str, image: str) -> None:
    """By the record that is committed, too, whichever machine that was recorded on."""
    words = ("--serve", "--requests", "20", "--json")
    done = run(cache, project, runtime, image, *words, verb="verify")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert {part["verdict"] for part in said["parts"]} == {"PASS"}
    assert len({each["case"] for each in said["cases"]}) >= 16


def answers(cache: Cache, project: Path, runtime: str, image: str) -> None:
    """An image of a zero, as rows and as one row; and refuses what is none."""
    flat = [pixel for row in ZERO for pixel in row]
    with served(cache, project, runtime, image) as server:
        status, answer = server.post({"instances": [flat, ZERO]})
        assert status == 200
        assert [one["digit"] for one in answer["predictions"]] == [0, 0]
        assert server.post({"instances": [flat[:63]]})[0] == 422
