import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from docker.errors import APIError

from mlimage.cache import Cache
from mlimage.daemon.connect import Daemon
from mlimage.errors import RunError
from mlimage.host.choose import Choice
from mlimage.host.contract import User
from mlimage.host.docker import Output, creation, started
from mlimage.host.launch import launch
from mlimage.host.ports import Listener
from mlimage.host.request import Limits, Mount, Port
from mlimage.host.session import Ended, supervise
from mlimage.oci.store import Store
from mlimage.progress import SILENT
from support.misbehaving import echoes, serving
from support.running import CONTRACT, FakeClient, FakeContainer, facts, request


def test_everything_that_docker_is_told() -> None:
    asked = request(
        "train",
        "--epochs",
        "3",
        env=(("A", "1"),),
        mounts=(
            Mount(source=Path("/mnt/events"), target="/data/events", writable=False),
            Mount(source=Path("/home/me/models"), target="/models", writable=True),
        ),
        port=Port(address="127.0.0.1", number=9000, inside=8080),
        limits=Limits(memory=2 << 30, cpus=1.5, shm=1 << 30),
        user=User(1000, 100),
        interactive=True,
    )
    assert creation(asked, image="sha256:1", rootless=False) == {
        "command": ["train", "--epochs", "3"],
        "environment": {"A": "1"},
        "image": "sha256:1",
        "init": True,
        "labels": {"dev.mlimage.run": "demo:cpu"},
        "mem_limit": 2 << 30,
        "memswap_limit": 2 << 30,
        "mounts": [
            {"Type": "bind", "Source": "/mnt/events", "Target": "/data/events", "ReadOnly": True},
            {"Type": "bind", "Source": "/home/me/models", "Target": "/models", "ReadOnly": False},
        ],
        "nano_cpus": 1_500_000_000,
        "ports": {"8080/tcp": ("127.0.0.1", 9000)},
        "read_only": True,
        "security_opt": ["no-new-privileges"],
        "shm_size": 1 << 30,
        "stdin_open": True,
        "tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108
        "tty": False,
        "user": "1000:100",
    }


def test_what_computes_alone_has_no_network() -> None:
    assert creation(request("verify", network=False), image="i", rootless=False)["network_mode"] == "none"
    server = request("serve", network=False, port=Port(address="127.0.0.1", number=9000, inside=8080))
    assert "network_mode" not in creation(server, image="i", rootless=False)


def test_files_belong_to_the_person_of_a_rootless_daemon() -> None:
    person = request("train", user=User(1000, 1000), as_person=True)
    named = request("train", user=User(65532, 65532))
    assert creation(person, image="i", rootless=True)["user"] == "0:0"
    assert creation(named, image="i", rootless=True)["user"] == "65532:65532"


def outputs() -> Output:
    return Output(stdout=io.BytesIO(), stderr=io.BytesIO())


def daemon(container: FakeContainer) -> Daemon:
    return Daemon(client=FakeClient(container=container), facts=facts())


def test_a_server_on_another_machine_is_refused(tmp_path: Path) -> None:
    address = "tcp://gpu-box:2376"
    there = Daemon(client=FakeClient(), facts=facts(address=address))
    asked = request("serve", port=Port(address="127.0.0.1", number=9000, inside=8080))
    choice, cache = Choice(daemon=there, why=""), Cache(tmp_path)
    with pytest.raises(RunError) as caught:
        launch(asked, choice, store=Store(cache.store), cache=cache, progress=SILENT, say=pytest.fail)
    assert str(caught.value) == (
        f"the Docker daemon at {address} is on another machine, as the server would be"
    )


def text_of(stream: object) -> bytes:
    assert isinstance(stream, io.BytesIO)
    return stream.getvalue()


def test_a_run_from_start_to_end() -> None:
    container = FakeContainer(says=((1, b"out\n"), (2, b"err\n"), (1, b"more")), status=3)
    output = outputs()
    asked = request("train")
    with started(asked, daemon(container), "id", output) as running:
        assert supervise(running, asked, say=pytest.fail) == 3
    assert (text_of(output.stdout), text_of(output.stderr)) == (b"out\nmore", b"err\n")
    assert container.done == ["attach stdin=0", "start", "reload", "remove force=True v=True"]


def test_an_end_for_memory_is_explained() -> None:
    container = FakeContainer(status=137, oom=True)
    asked = request("train", limits=Limits(memory=64 << 20))
    with started(asked, daemon(container), "id", outputs()) as running:
        assert running.wait() == Ended(
            status=137,
            reason="killed by the kernel (status 137): it used more memory than its limit of 64m; "
            "give it more with --memory",
        )


def test_the_container_is_removed_when_it_is_left_by_an_error() -> None:
    container = FakeContainer()
    with pytest.raises(KeyboardInterrupt), started(request("train"), daemon(container), "id", outputs()):
        raise KeyboardInterrupt
    assert container.done[-1] == "remove force=True v=True"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            "driver failed: Bind for 127.0.0.1:9000 failed: port is already allocated",
            "port 9000 is taken",
            "choose another with --port NUMBER, or any with --port 0",
        ),
        (
            "Mounts denied: /mnt/x",
            "cannot start the container: Mounts denied: /mnt/x",
            "share the folder in Docker Desktop's settings, Resources, File sharing",
        ),
        (
            "no space left on device",
            "cannot start the container: the disk of the engine is full",
            "`docker system df` shows what takes the space, `docker system prune` frees some",
        ),
    ],
)
def test_docker_refuses_to_start(said: str, message: str, hint: str | None) -> None:
    container = FakeContainer(start_error=APIError("500 Server Error", explanation=said))
    asked = request("serve", port=Port(address="127.0.0.1", number=9000, inside=8080))
    with pytest.raises(RunError) as caught, started(asked, daemon(container), "id", outputs()):
        pytest.fail("it started")
    assert (str(caught.value), caught.value.hint) == (message, hint)
    assert container.done[-1] == "remove force=True v=True"


def test_where_a_server_in_a_container_listens() -> None:
    """The script runs here in place of the container, whose python it is written for."""

    def runs(argv: list[str]) -> tuple[int, bytes]:
        done = subprocess.run([sys.executable, *argv[1:]], capture_output=True, check=False)
        return done.returncode, done.stdout

    contract = replace(CONTRACT, entrypoint=("/opt/venv/bin/python", "-I", "/entry"))
    with serving(echoes) as (server, _):
        connected = server.connect(1)
        here = Listener(*connected.getpeername())
        connected.close()
        asked = request(
            "serve",
            contract=contract,
            port=Port(address="127.0.0.1", number=here.port, inside=here.port),
        )
        with started(asked, daemon(FakeContainer(runs=runs)), "id", outputs()) as running:
            assert here in running.strays()  # the loopback of a container is reached by nobody else
            assert running.is_lost(here)
            assert running.status_at(here, "/ping") == 200
            running.connect(1).close()
        with started(asked, daemon(FakeContainer()), "id", outputs()) as running:
            assert (running.strays(), running.status_at(here, "/ping")) == ((), None)


def test_a_signal_to_what_has_ended_is_nothing() -> None:
    class Ended409(FakeContainer):
        def kill(self, signal: int) -> None:
            import requests

            response = requests.Response()
            response.status_code = 409
            raise APIError("conflict", response=response, explanation="is not running")

    with started(request("train"), daemon(Ended409()), "id", outputs()) as running:
        running.signal(15)
        running.kill()
