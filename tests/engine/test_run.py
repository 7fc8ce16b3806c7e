"""`mlimage run` as a user has it: a small image in every engine and in the sandbox."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import docker
import docker.errors
import pytest

from mlimage.cache import Cache
from mlimage.host.docker import RUN_LABEL
from mlimage.oci.store import Store
from support.cutting import way_to
from support.machine import DOCKERS, need_engine
from support.running import small_image
from support.runs import IN_ENGINES, RUNTIMES, command, environment, run

NODE = {"path": "/dev/nvidiactl", "hostPath": "/dev/null", "type": "c", "major": 1, "minor": 3}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    found = Cache(tmp_path_factory.mktemp("cache"))
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


DESCRIBED = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [
        {"name": name, "containerEdits": {"env": [f"GPU={name}"], "deviceNodes": [NODE]}}
        for name in ("all", "0")
    ],
}


@pytest.mark.engine
@pytest.mark.parametrize("runtime", DOCKERS)
def test_gpus_as_they_are_described(cache: Cache, folder: Path, runtime: str) -> None:
    """Another device stands for a GPU."""
    engine = need_engine(runtime)
    description = Path(engine.environ["DOCKER_CONFIG"]) / "cdi" / "gpus.json"
    script = "echo gpu=$GPU; test ! -e /dev/nvidiactl || echo device"

    def said(*options: str) -> tuple[int, str, str]:
        done = run(cache, folder, runtime, *options, "demo", "--", "sh", "-c", script)
        return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else ""

    auto = ("-e", "NVIDIA_VISIBLE_DEVICES=all")  # as images for CUDA have it
    assert said(*auto)[:2] == (0, "gpu=\n")
    status, _, hint = said("--gpus", "all")
    assert (status, hint.startswith("hint: install `nvidia-container-toolkit`")) == (10, True)
    description.write_text(json.dumps(DESCRIBED))
    try:
        assert said(*auto)[:2] == (0, "gpu=all\ndevice\n")
        assert said()[:2] == (0, "gpu=\n")
        assert said("--gpus", "0")[:2] == (0, "gpu=0\ndevice\n")
        assert said(*auto, "--gpus", "none")[:2] == (0, "gpu=\n")
        status, _, error = said("--gpus", "7")
        assert status == 10
        assert "nvidia.com/gpu=7" in error
    finally:
        description.unlink()


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
