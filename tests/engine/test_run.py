"""`mlimage run` as a user has it: a small image, and the shipped one, in every engine and in the sandbox."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import docker.errors
import pytest

from mlimage.cache import Cache
from mlimage.host.docker import RUN_LABEL
from mlimage.oci.store import Store
from support.building import IMAGE, MLIMAGE, SHIPPED, build, project_at
from support.cutting import way_to
from support.machine import DOCKERS, PODMANS, need_engine, share_fetched
from support.running import free_port, small_image

IN_ENGINES = [pytest.param(name, marks=pytest.mark.engine) for name in (*DOCKERS, *PODMANS)]
SANDBOX = pytest.param("sandbox", marks=pytest.mark.namespaces)
RUNTIMES = [*IN_ENGINES, SANDBOX]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache) -> Cache:
    found = Cache(tmp_path_factory.mktemp("cache"))
    share_fetched(shared_cache, found)
    found.root.parent.chmod(0o755)
    found.root.chmod(0o755)
    small_image(Store(found.store))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that the user of the image can reach."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    return tmp_path


def command(runtime: str, *arguments: str) -> Sequence[str]:
    if runtime == "sandbox":
        return (MLIMAGE, "run", "--runtime", "sandbox", *arguments)
    return (*need_engine(runtime).enter, MLIMAGE, "run", "--runtime", "docker", *arguments)


def environment(cache: Cache, runtime: str) -> dict[str, str]:
    environ = os.environ if runtime == "sandbox" else need_engine(runtime).environ
    return {**environ, "MLIMAGE_CACHE": str(cache.root)}


def run(cache: Cache, folder: Path, runtime: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(runtime, *arguments),
        cwd=folder,
        env=environment(cache, runtime),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def containers(runtime: str, label: str) -> list[object]:
    client = docker.from_env(environment=dict(need_engine(runtime).environ))
    try:
        return [one["Id"] for one in client.api.containers(all=True, filters={"label": label})]
    finally:
        client.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_streams_and_status(cache: Cache, folder: Path, runtime: str) -> None:
    done = run(cache, folder, runtime, "demo", "--", "sh", "-c", "echo out; echo err >&2; id -u; exit 7")
    uid = os.geteuid() or 65532
    assert (done.returncode, done.stdout) == (7, f"out\n{uid}\n"), done.stderr
    assert done.stderr.endswith("err\n")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_models_come_out(cache: Cache, folder: Path, runtime: str) -> None:
    done = run(cache, folder, runtime, "demo", "train")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (folder / "models/demo/model").read_text() == "trained\n"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_image_cannot_be_written(cache: Cache, folder: Path, runtime: str) -> None:
    script = "touch /x; touch /tmp/x /dev/shm/x && echo fine"
    done = run(cache, folder, runtime, "demo", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
    assert "touch: cannot touch '/x': Read-only file system\n" in done.stderr


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "INT\n"), (signal.SIGTERM, "TERM\n")])
def test_signals_are_passed_on(cache: Cache, folder: Path, runtime: str, number: int, said: str) -> None:
    script = (
        "trap 'echo INT; exit 3' INT; trap 'echo TERM; exit 3' TERM; echo up; while :; do sleep 0.1; done"
    )
    with subprocess.Popen(
        command(runtime, "demo", "--", "sh", "-c", script),
        cwd=folder,
        env=environment(cache, runtime),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "up\n"
            process.send_signal(number)
            assert process.stdout.read() == said
            assert process.wait() == 3
        finally:
            process.kill()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_standard_input_is_handed_on(cache: Cache, folder: Path, runtime: str) -> None:
    done = subprocess.run(
        command(runtime, "-i", "demo", "--", "cat"),
        cwd=folder,
        env=environment(cache, runtime),
        input=b"line\n" * 50_000,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, b"line\n" * 50_000)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_server_that_ends_at_once(cache: Cache, folder: Path, runtime: str) -> None:
    done = run(cache, folder, runtime, "demo", "serve", "--port", "0")
    assert done.returncode == 10
    assert "error: `demo:cpu` ended with status 127 before it was healthy\n" in done.stderr


@pytest.mark.parametrize("runtime", IN_ENGINES)
def test_no_container_stays(folder: Path, tmp_path: Path, runtime: str) -> None:
    own = Cache(tmp_path / "cache")
    small_image(Store(own.store), f"stays-{os.getpid()}")  # other tests run at the same time
    name = f"stays-{os.getpid()}:cpu"
    assert run(own, folder, runtime, name, "--", "sh", "-c", "exit 3").returncode == 3
    assert containers(runtime, f"{RUN_LABEL}={name}") == []


@pytest.mark.parametrize("runtime", IN_ENGINES)
def test_the_end_for_memory_is_named(cache: Cache, folder: Path, runtime: str) -> None:
    # A shell variable of 200 MB; the limit is below it.
    eat = "exec 2>/dev/null; x=$(while :; do echo 0123456789012345678901234567890123456789; done)"
    done = run(cache, folder, runtime, "--memory", "32m", "demo", "--", "sh", "-c", eat)
    assert done.returncode == 137
    assert "limit" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("runtime", IN_ENGINES)
def test_an_engine_that_dies_is_one_error(cache: Cache, folder: Path, runtime: str) -> None:
    engine, label = need_engine(runtime), f"dies-{os.getpid()}"
    script = f"echo up; sleep 60; : {label}"
    with (
        way_to(engine.host, folder) as way,
        subprocess.Popen(
            command(runtime, "demo", "--", "sh", "-c", script),
            cwd=folder,
            env={**environment(cache, runtime), "DOCKER_HOST": way.host},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "up\n"
        way.cut()
        lines = process.stderr.read().splitlines()
        assert process.wait() == 10
    assert lines[-2:] == [
        "error: lost the container: connection refused",
        "hint: does the engine still run?",
    ]
    end_containers(runtime, script)
    assert run(cache, folder, runtime, "demo", "--", "sh", "-c", "exit 3").returncode == 3


def end_containers(runtime: str, script: str) -> None:
    """Those that a dead daemon would have ended."""
    client = docker.from_env(environment=dict(need_engine(runtime).environ))
    try:
        for one in client.api.containers(all=True, filters={"label": f"{RUN_LABEL}=demo:cpu"}):
            with suppress(docker.errors.NotFound):
                if script in client.api.inspect_container(one["Id"])["Config"]["Cmd"]:
                    client.api.remove_container(one["Id"], force=True)
    finally:
        client.close()


def test_a_dry_run_says_what_would_be(cache: Cache, folder: Path) -> None:
    done = run(cache, folder, "sandbox", "--dry-run", "demo", "train")
    told = json.loads(done.stdout)
    assert (done.returncode, told["runtime"]) == (0, "sandbox")
    assert told["settings"]["command"] == ["/bin/entry", "train"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("no-such", "train"),
            "error: no image `no-such` in the store\nhint: build it: `mlimage build no-such`\n",
        ),
        (("demo", "train", "--data", "x=."), "error: the image reads no data `x`\n"),
        (("demo", "ls", "--models", "gone"), "error: --models: there is no folder `gone`\n"),
    ],
)
def test_what_cannot_be(cache: Cache, folder: Path, arguments: tuple[str, ...], error: str) -> None:
    done = run(cache, folder, "sandbox", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(error)


@contextmanager
def served(
    cache: Cache, project: Path, runtime: str, image: str, port: int
) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        command(runtime, image, "serve", "--port", str(port)),
        cwd=project,
        env=environment(cache, runtime),
        stderr=subprocess.PIPE,
        stdout=sys.stderr,
        text=True,
    ) as process:
        try:
            assert process.stderr
            lines = []
            for line in process.stderr:
                lines.append(line)
                if line.startswith("serving "):
                    break
            assert lines[-1:] == [
                f"serving {image}:cpu on http://127.0.0.1:{port}  (health /ping, Ctrl-C stops)\n"
            ], "".join(lines)
            yield process
        finally:
            process.kill()


ZERO = (
    (0, 0, 5, 13, 9, 1, 0, 0),
    (0, 0, 13, 15, 10, 15, 5, 0),
    (0, 3, 15, 2, 0, 11, 8, 0),
    (0, 4, 12, 0, 0, 8, 8, 0),
    (0, 5, 8, 0, 0, 9, 8, 0),
    (0, 4, 11, 0, 1, 12, 7, 0),
    (0, 2, 14, 5, 10, 12, 0, 0),
    (0, 0, 6, 13, 10, 0, 0, 0),
)
"""The first image of scikit-learn's digits; 16 is ink."""


def _shipped() -> Iterator[object]:
    """One image in every runtime, the others in one engine and in the sandbox."""
    for image in SHIPPED:
        [name] = image.values
        for runtime in RUNTIMES if name == IMAGE else (IN_ENGINES[0], SANDBOX):
            yield pytest.param(name, *runtime.values, marks=[*image.marks, *runtime.marks])


@pytest.mark.network
@pytest.mark.parametrize(("image", "runtime"), [*_shipped()])
def test_shipped_images_train_serve_and_predict(cache: Cache, folder: Path, image: str, runtime: str) -> None:
    project = project_at(folder / "project", image)
    build(project, cache, image=image)
    trained = run(cache, project, runtime, image, "train")
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((project / "models" / image / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.95
    assert f"accuracy {metrics['accuracy']:.4f}" in trained.stdout
    port = free_port().number
    flat = [pixel for row in ZERO for pixel in row]
    with served(cache, project, runtime, image, port) as process:
        status, answer = post(runtime, port, {"instances": [flat, ZERO]})
        assert status == 200
        assert [one["digit"] for one in answer["predictions"]] == [0, 0]
        assert post(runtime, port, {"instances": [flat[:63]]})[0] == 422
        process.send_signal(signal.SIGINT)
        assert process.stderr
        process.stderr.read()
        assert process.wait() == 0


POST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
connection.request("POST", "/invocations", sys.stdin.read(), headers={"Content-Type": "application/json"})
response = connection.getresponse()
print(response.status, response.read().decode())
"""


def post(runtime: str, port: int, value: object) -> tuple[int, dict[str, list[dict[str, float]]]]:
    """Ask from where the engine publishes its ports."""
    enter = () if runtime == "sandbox" else need_engine(runtime).enter
    said = subprocess.run(
        (*enter, sys.executable, "-c", POST, str(port)),
        input=json.dumps(value),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    status, _, answer = said.partition(" ")
    return int(status), json.loads(answer)
