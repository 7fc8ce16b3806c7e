"""The sandbox over a small root of this machine's own programs: as this user, and as an ordinary one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlimage.content.entry import arrange, file_of_bytes
from mlimage.content.unpack import write_entries
from mlimage.errors import RunError
from mlimage.host import inside
from mlimage.host.contract import User
from mlimage.host.health import status_of
from mlimage.host.outlet import Outlet, find_outlet, lacks_outlet
from mlimage.host.ports import Listener
from mlimage.host.reach import Server, dial
from mlimage.host.request import Health, Limits, Mount, Port, RunRequest
from mlimage.host.sandbox import NOT_ISOLATED, Machine, command, settings, started
from mlimage.host.session import supervise
from mlimage.platforms import LINUX_ARM64
from support.running import free_port, request, small_root

pytestmark = pytest.mark.namespaces

OWN = User(os.geteuid(), os.getegid())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o755)
    write_entries(small_root(), folder)
    return folder


def execute(asked: RunRequest, root: Path) -> int:
    said: list[str] = []
    with started(asked, root, say=said.append) as sandbox:
        status = supervise(sandbox, asked, say=said.append)
    isolation = NOT_ISOLATED if asked.network else NOT_ISOLATED.removeprefix("the network, ")
    assert said[0].startswith(f"sandbox: {isolation}")
    return status


def sh(script: str, **changes: Any) -> RunRequest:
    user = User(65532, 65532) if OWN.uid == 0 else OWN
    return request("/bin/sh", "-c", script, **{"user": user, **changes})


def test_output_and_status(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("echo out; echo err >&2; exit 7"), root) == 7
    assert capfd.readouterr() == ("out\n", "err\n")


def test_without_a_network_it_reaches_itself_alone(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("cat /proc/net/dev /proc/net/fib_trie", network=False), root) == 0
    devices, _, addresses = capfd.readouterr().out.partition("Main:")
    assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]
    assert "127.0.0.1" in addresses


SERVER = """
import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ping" else 404)
        self.end_headers()
    def log_message(self, *_): pass
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""


def serving(address: str, number: int, **changes: Any) -> RunRequest:
    """This machine's python, which serves there, whatever it is told."""
    folders = {"/lib": Path("/lib").resolve(), "/opt/python": Path(sys.base_prefix)}
    mounts = tuple(Mount(source=each, target=to, writable=False) for to, each in folders.items())
    command = ("/opt/python/bin/python3", "-IBc", SERVER, address, str(number))
    return request(
        *command,
        mounts=mounts,
        user=User(65532, 65532) if OWN.uid == 0 else OWN,
        health=Health(path="/ping", patience=20),
        **{"network": False, "port": Port(address="127.0.0.1", number=8000, inside=8000), **changes},
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104 - of the sandbox's own network
def test_a_server_in_a_network_of_its_own_has_the_port_that_it_likes(root: Path, address: str) -> None:
    asked, found = serving(address, 8000), list[int | str | None]()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        started(asked, root, say=lambda _: None) as sandbox,
    ):
        number = taken.getsockname()[1]  # of this machine's network, in which nothing of it is seen

        def ask(server: Server) -> None:
            assert server.url == "http://127.0.0.1:8000"
            found.extend([status_of(server, "/ping"), status_of(server, "/x"), sandbox.exposed()])
            found.append(sandbox.status_at(Listener("127.0.0.1", number), "/ping"))

        assert supervise(sandbox, asked, say=pytest.fail, meanwhile=ask) == 0
    assert found == [200, 404, None, None]


@pytest.mark.parametrize("shared", ["its own network", "this machine's network"])
def test_a_server_that_listens_elsewhere_is_found(root: Path, shared: str) -> None:
    number, other = free_port().number, free_port().number
    here = Port(address="127.0.0.1", number=number, inside=number)
    asked = serving("127.0.0.1", other, network=shared != "its own network", port=here)
    began = time.monotonic()
    with started(asked, root, say=lambda _: None) as sandbox, pytest.raises(RunError) as caught:
        supervise(sandbox, asked, say=pytest.fail)
    assert time.monotonic() - began < 10
    assert caught.value.message == (f"`demo:cpu` listens on 127.0.0.1:{other}, and not on port {number}")


@pytest.mark.parametrize("shared", ["its own network", "this machine's network"])
def test_a_server_that_does_not_speak_http_is_where_it_should_be(root: Path, shared: str) -> None:
    """As one that speaks TLS."""
    number = free_port().number
    here = Port(address="127.0.0.1", number=number, inside=number)
    asked = replace(
        serving("0.0.0.0", number, network=shared != "its own network", port=here),  # noqa: S104 - of its own
        health=Health(path="/ping", patience=3),
    )
    closes = (
        "import socket, sys\nserver = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
        "while True:\n    with server.accept()[0] as peer:\n        peer.recv(1)\n"
    )
    words = (closes if word == SERVER else word for word in asked.arguments)
    asked = replace(asked, arguments=tuple(words))
    with started(asked, root, say=lambda _: None) as sandbox, pytest.raises(RunError) as caught:
        supervise(sandbox, asked, say=pytest.fail)
    assert caught.value.message.startswith("`demo:cpu` was not healthy after 3 s: ")
    assert "gave the connection broke (" in caught.value.message


def test_a_server_that_everybody_reaches_is_named(root: Path) -> None:
    number = free_port().number
    here = Port(address="127.0.0.1", number=number, inside=number)
    asked = serving("0.0.0.0", number, network=True, port=here)  # noqa: S104 - what is found
    found: list[str | None] = []
    lacking = lacks_outlet(root=OWN.uid == 0)
    with started(asked, root, say=lambda _: None) as sandbox:
        supervise(sandbox, asked, say=pytest.fail, meanwhile=lambda _: found.append(sandbox.exposed()))
    assert found == [
        (
            f"it listens on 0.0.0.0:{number}: who reaches this machine reaches it, too; let it listen on "
            "`MLIMAGE_HOST`"
            + (f", or {lacking}, by which the sandbox has a network of its own" if lacking else "")
        )
    ]


@pytest.mark.outlet
def test_a_server_with_an_outlet_is_published(root: Path) -> None:
    """As Docker does it: the port that was asked for leads to the server's own, at that address alone."""
    outlet = find_outlet(root=OWN.uid == 0)
    assert outlet
    number = free_port().number
    here = Port(address="127.0.0.1", number=number, inside=8000)
    asked = serving("0.0.0.0", 8000, network=True, port=here)  # noqa: S104 - of its own network
    said: list[str] = []
    found: list[int | str | None] = []
    with started(asked, root, say=said.append, outlet=outlet) as sandbox:

        def ask(server: Server) -> None:
            elsewhere = replace(server, connect=lambda seconds: dial("127.0.0.2", number, seconds))
            found.extend([server.url, status_of(server, "/ping"), status_of(elsewhere, "/ping")])
            found.extend(map(str, sandbox.strays()))

        assert supervise(sandbox, asked, say=pytest.fail, meanwhile=ask) == 0
    assert found == [f"http://127.0.0.1:{number}", 200, None]
    assert said == ["sandbox: the host's name and the kernel's calls are this machine's own"]


@pytest.mark.outlet
def test_an_outlet_leaves_the_sandbox_a_network(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outlet = find_outlet(root=OWN.uid == 0)
    assert outlet
    asked = sh("cat /etc/resolv.conf /proc/net/route", port=free_port())
    with started(asked, root, say=lambda _: None, outlet=outlet) as sandbox:
        assert supervise(sandbox, asked, say=pytest.fail) == 0
    found = capfd.readouterr().out
    assert found.startswith(f"nameserver {outlet.nameserver}\n")
    assert any(line.split()[1] == "00000000" for line in found.splitlines() if "\t" in line)


@pytest.mark.parametrize("name", ["pasta", "slirp4netns"])
def test_an_outlet_that_cannot_be_had_is_named(root: Path, tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.write_text("#!/bin/sh\necho 'no template interface' >&2\nexit 1\n")
    program.chmod(0o755)
    asked = sh("true", port=free_port())
    outlet = Outlet(program=str(program), nameserver="192.0.2.1")
    with pytest.raises(RunError) as caught, started(asked, root, say=lambda _: None, outlet=outlet):
        pytest.fail("it started")
    assert caught.value.message == f"`{name}` cannot connect the sandbox's network: no template interface"
    assert caught.value.hint == (
        f"--runtime docker does without; where {name} is not on PATH, the sandbox shares this machine's "
        "network"
    )


def test_a_run_whose_time_is_over(root: Path) -> None:
    asked = sh("sleep 60", seconds=0.5)
    with pytest.raises(RunError) as caught:
        execute(asked, root)
    assert caught.value.message == "`demo:cpu` did not end within 0.5 s, and was ended"
    assert caught.value.hint == "does it wait for something? --timeout SECONDS gives it more time"


def test_who_it_is(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("id -u; id -g", user=User(1234, 5678)), root) == 0
    assert capfd.readouterr().out == "1234\n5678\n"


def test_it_is_alone(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("cd /proc; ls -d [0-9]*"), root) == 0
    # The sandbox's first process, and the shell or what it became.
    assert capfd.readouterr().out.split()[:2] == ["1", "2"]


def test_its_environment_is_the_images(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("env", env=(("A", "ä\n b"),)), root) == 0
    lines = capfd.readouterr().out
    assert sorted(lines.split("\n")) == sorted(["A=ä", " b", "PATH=/usr/bin:/bin", "PWD=/", ""])


@pytest.mark.parametrize(
    ("path", "status"),
    [("/x", 1), ("/usr/bin/sh", 1), ("/etc/hosts", 1), ("/dev/x", 1), ("/tmp/x", 0), ("/dev/shm/x", 0)],  # noqa: S108
)
def test_what_can_be_written(root: Path, path: str, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh(f"touch {path}"), root) == status
    capfd.readouterr()


def test_even_root_cannot_change_the_machine(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = "echo 1 > /proc/sys/kernel/panic; echo 1 > /proc/sysrq-trigger; touch /sys/x; echo done"
    assert execute(sh(script, user=User(0, 0)), root) == 0
    found = capfd.readouterr()
    assert found.out == "done\n"
    assert found.err.count("\n") == 3


def test_devices(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = "ls /dev; head -c 3 /dev/zero > /dev/null && head -c 8 /dev/urandom > /tmp/r && echo fine"
    assert execute(sh(script), root) == 0
    words = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero fine"
    assert capfd.readouterr().out.split() == words.split()


def test_mounts(root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, models = tmp_path / "data", tmp_path / "models"
    data.mkdir()
    models.mkdir()
    (data / "f").write_text("content\n")
    models.chmod(0o777)
    mounts = (
        Mount(source=data, target="/data/events", writable=False),
        Mount(source=models, target="/models", writable=True),
    )
    script = "cat /data/events/f; touch /data/events/g || echo refused; echo trained > /models/m"
    assert execute(sh(script, mounts=mounts), root) == 0
    assert capfd.readouterr().out == "content\nrefused\n"
    assert (models / "m").read_text() == "trained\n"
    assert [path.name for path in data.iterdir()] == ["f"]
    assert list((root / "data").iterdir()) == []


def test_a_writable_image_keeps_nothing(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = sh("touch /app/x && ls /app", user=User(0, 0), read_only=False)
    for _ in range(2):
        assert execute(asked, root) == 0
        assert capfd.readouterr().out == "x\n"
    assert list((root / "app").iterdir()) == []


def test_the_size_of_shared_memory(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = "head -c 2000000 /dev/zero > /dev/shm/x || echo full"
    assert execute(sh(script, limits=Limits(shm=1 << 20)), root) == 0
    assert capfd.readouterr().out == "full\n"


def test_limits_without_a_control_group(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(sh("nproc", limits=Limits(cpus=0.5)), root) == 0
    assert capfd.readouterr().out == "1\n"


def test_a_signal_is_passed_on(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = sh("trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.1; done")
    with started(asked, root, say=lambda _: None) as sandbox:
        threading.Timer(1.0, lambda: sandbox.signal(signal.SIGTERM)).start()
        assert sandbox.wait().status == 3
    assert capfd.readouterr().out == "ready\ngot\n"


def test_the_end_by_a_signal_is_told_as_shells_do(root: Path) -> None:
    assert execute(sh("kill -KILL $$"), root) == 137


def test_what_it_left_behind_ends_with_it(root: Path) -> None:
    mark = f"31{os.getpid() % 1000:03}.25"
    assert execute(sh(f"sleep {mark} & sleep {mark} & exit 0"), root) == 0
    assert soon(lambda: not running(mark))


def test_killing_ends_everything(root: Path) -> None:
    mark = f"32{os.getpid() % 1000:03}.25"
    with started(sh(f"trap '' TERM; sleep {mark} & sleep {mark}"), root, say=lambda _: None) as sandbox:
        threading.Timer(1.0, sandbox.kill).start()
        assert sandbox.wait().status == 137
    assert soon(lambda: not running(mark))


def test_the_end_of_mlimage_ends_it(root: Path) -> None:
    mark = f"33{os.getpid() % 1000:03}.25"
    program = (
        "import sys; from pathlib import Path; from support.running import request; "
        "from mlimage.host.sandbox import started; "
        f"asked = request('/bin/sh', '-c', 'echo up; sleep {mark}'); "
        f"context = started(asked, Path({str(root)!r}), say=lambda _: None); context.__enter__().wait()"
    )
    folders = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": folders}
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            assert soon(lambda: running(mark))
        finally:
            process.kill()
    assert soon(lambda: not running(mark))


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def running(mark: str) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", mark.encode()]:
            return True
    return False


def test_no_mount_stays(root: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    execute(sh("exit 0"), root)
    assert Path("/proc/self/mountinfo").read_text() == before


def test_a_program_that_is_not_there(root: Path) -> None:
    with pytest.raises(RunError) as caught:
        execute(request("/no/such", user=OWN), root)
    assert str(caught.value) == "cannot start in the sandbox: /no/such: no such file or directory"


def test_a_program_for_another_platform(root: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir(mode=0o755)
    foreign = file_of_bytes("usr/bin/foreign", b"\x7fELF and more", origin="test", mode=0o755)
    write_entries(arrange([*small_root(), foreign]), image)
    asked = request("/usr/bin/foreign", user=OWN)
    asked = replace(asked, image=replace(asked.image, platform=LINUX_ARM64))
    with pytest.raises(RunError) as caught:
        execute(asked, image)
    assert str(caught.value) == "cannot start in the sandbox: /usr/bin/foreign: exec format error"
    assert caught.value.hint == (
        "the image is for linux/arm64; an emulator lets this machine run it (Debian: apt-get install "
        "qemu-user-static), or build it for this one with `platforms:`"
    )


@pytest.mark.parametrize("path", ["models", "data"])
def test_a_mount_point_that_leads_out_of_the_image_is_refused(root: Path, tmp_path: Path, path: str) -> None:
    outside, image = tmp_path / "outside", tmp_path / "image"
    outside.mkdir()
    image.mkdir(mode=0o755)
    write_entries([entry for entry in small_root() if entry.path != path], image)
    (image / path).symlink_to(outside)
    target = {"models": "/models", "data": "/data/events"}[path]
    mounts = (Mount(source=tmp_path, target=target, writable=True),)
    with pytest.raises(RunError) as caught:
        execute(sh("exit 0", mounts=mounts), image)
    assert str(caught.value) == f"cannot start in the sandbox: /{path}: it is no folder in this image"
    assert list(outside.iterdir()) == []


@pytest.fixture
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of an ordinary user, 4242, who can read what the tests need."""
    if OWN.uid != 0:
        pytest.fail("only root can become an ordinary user; all tests above ran as one")
    folder = Path(f"/tmp/mlimage-ordinary-{os.getpid()}")  # noqa: S108 - pytest's own folders are root's alone
    folder.mkdir(mode=0o755)
    os.chown(folder, 4242, 4242)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.root
@pytest.mark.parametrize(
    ("writable", "said", "status"), [(False, "4242\nrefused\n", 1), (True, "4242\nwritable\n", 0)]
)
def test_an_ordinary_user(
    ordinary: Path,
    root: Path,
    writable: bool,  # noqa: FBT001 - a table
    said: str,
    status: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A user without rights, over files that are theirs."""
    image, models, scratch, own = (ordinary / name for name in ("image", "models", "scratch", "own"))
    shutil.copytree(root, image, symlinks=True)
    shutil.copytree(Path(inside.__file__).parents[2], own / "mlimage")  # where this user can read it
    models.mkdir()
    scratch.mkdir()
    subprocess.run(["chown", "-R", "4242:4242", ordinary], check=True)
    person = Machine(privileged=False, own_cgroup="", python="/usr/bin/python3")
    asked = sh(
        "id -u; touch /x || echo refused; touch /tmp/x /models/m; touch /app/x && echo writable",
        user=User(4242, 4242),
        mounts=(Mount(source=models, target="/models", writable=True),),
    )
    if writable:
        asked = replace(asked, arguments=("/bin/sh", "-c", "id -u; touch /app/x /models/m && echo writable"))
    told = settings(asked, person, root=image, scratch=scratch if writable else None, cgroup=None)
    theirs_control, control = os.pipe()
    found, theirs_status = os.pipe()
    argv = [
        word.replace(str(Path(inside.__file__).parents[2]), str(own / "mlimage"))
        for word in command(person, theirs_control, theirs_status).argv
    ]
    with subprocess.Popen(
        argv, user=4242, group=4242, extra_groups=[], pass_fds=(theirs_control, theirs_status)
    ):
        os.close(theirs_control)
        os.close(theirs_status)
        with os.fdopen(control, "wb") as orders, os.fdopen(found) as stream:
            orders.write(told.to_json())
            orders.flush()
            assert json.load(stream) == {"status": status}
    assert capfd.readouterr().out == said
    assert (models / "m").stat().st_uid == 4242
    assert list((image / "app").iterdir()) == []
