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
        spec.write(
            "data: {events: {local: data/events, cloud: 's3://acme/events', at: in/events}}\n"
            "models: {at: out, files: [scores.json]}\n"
        )
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
    done = run(project, LOOK, *options)
    assert (done.returncode, done.stdout) == (0, said), done.stderr


def run(project: Path, program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    command = (
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
        program,
    )
    return subprocess.run(
        command,
        cwd=project,
        env={**os.environ, "MLIMAGE_CACHE": str(project / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_program_that_reads_and_writes_beside_itself(project: Path) -> None:
    """As most do, and nothing of it is changed."""
    (project / "models" / IMAGE).mkdir(parents=True)
    program = """if True:
        import json, os
        rows = os.listdir("in/events")
        os.makedirs("out", exist_ok=True)
        with open("out/model.json", "w") as model, open("scores.json", "w") as scores:
            json.dump(rows, model), json.dump(len(rows), scores)
        print(open("out/model.json").read(), open("scores.json").read())
    """
    done = run(project, program)
    assert (done.returncode, done.stdout) == (0, '["of-the-spec"] 1\n'), done.stderr
    assert sorted(path.name for path in (project / "models" / IMAGE).iterdir()) == [
        "model.json",
        "scores.json",
    ]


@pytest.mark.parametrize(
    ("program", "options", "line"),
    [
        (
            "open('log.txt', 'w')",
            (),
            (
                "the image is read-only: `models: {at: out, files: [scores.json, log.txt]}` in mlimage.yaml "
                "lets `log.txt` be written"
            ),
        ),
        (
            "open('secret/key')",
            (),
            (
                "`secret` is outside of `app.source`, and so not in the image: move it there, or mount it by "
                "`data: {secret: {at: secret, local: ../../secret}}` in mlimage.yaml"
            ),
        ),
        (
            "open('in/events/x')",
            ("--data", "cloud"),
            "in this run the data `events` is at s3://acme/events: `mlimage_runtime.data('events')` says so",
        ),
    ],
)
def test_a_program_that_fails_for_a_path_is_told_why(
    project: Path, program: str, options: tuple[str, ...], line: str
) -> None:
    (project / "secret").mkdir(exist_ok=True)
    done = run(project, program, *options)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"mlimage: {line}")
