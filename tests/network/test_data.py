"""Data by its name, in a real image: from a folder, from an address, as the spec and the person say."""

import os
import subprocess
from pathlib import Path

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, build, project_at
from support.machine import share_fetched

pytestmark = [pytest.mark.network, pytest.mark.namespaces]

LOOK = (
    "import os; from mlimage_runtime import data; place = data('events'); "
    "print(place, *(os.listdir(place) if place[0] == '/' else ()))"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Path:
    folder = tmp_path_factory.mktemp("data")
    cache = Cache(folder / "cache")
    cache.root.mkdir()
    share_fetched(shared_cache, cache)
    project = project_at(folder)
    image = project / "images" / IMAGE
    with (image / "mlimage.yaml").open("a") as spec:
        spec.write("data: {events: {local: data/events, cloud: 's3://acme/events'}}\n")
    (image / "data/events").mkdir(parents=True)
    (image / "data/events/of-the-spec").touch()
    (folder / "mine").mkdir()
    (folder / "mine/of-the-person").touch()
    build(project, cache)
    return project


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "/data/events of-the-spec\n"),
        (("--data", "cloud"), "s3://acme/events\n"),
        (("--env", "MLIMAGE_DATA=cloud"), "s3://acme/events\n"),
        (("--data", "events=mine"), "/data/events of-the-person\n"),
        (("--data", "cloud", "--data", "events=mine"), "/data/events of-the-person\n"),
        (("--data", "events=gs://mine/events"), "gs://mine/events\n"),
    ],
)
def test_where_a_program_finds_it(project: Path, options: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [
            MLIMAGE,
            "run",
            "--runtime",
            "sandbox",
            "--user",
            "0:0",
            *options,
            IMAGE,
            "--",
            "python",
            "-c",
            LOOK,
        ],
        cwd=project,
        env={**os.environ, "MLIMAGE_CACHE": str(project / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, said), done.stderr
