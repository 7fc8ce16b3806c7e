import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.daemon.connect import Daemon
from mlimage.errors import RunError
from mlimage.host.cgroup import files, limited, parent_for
from mlimage.host.choose import Choice, choose
from mlimage.host.contract import User
from mlimage.host.inside.settings import Bind, Settings
from mlimage.host.request import Limits, Mount, Port
from mlimage.host.sandbox import NOT_ISOLATED, Machine, caveats, command, explain_refusal, settings
from mlimage.process import Command, Completed
from support.running import FakeClient, facts, request

ROOT = Machine(privileged=True, own_cgroup="0::/\n", python="/usr/bin/python3")
PERSON = Machine(privileged=False, own_cgroup="0::/user\n", python="/usr/bin/python3")


def test_the_command_of_root_and_of_a_person() -> None:
    given_to_root = command(ROOT, 3, 4).argv
    assert given_to_root[:8] == (
        "unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--",
    )  # fmt: skip
    assert given_to_root[8:12] == ("/usr/bin/python3", "-I", "-S", "-B")
    assert given_to_root[12].endswith("/mlimage/host/inside")
    assert given_to_root[13:] == ("3", "4")
    assert command(PERSON, 3, 4).argv == ("unshare", "--user", "--map-root-user", *given_to_root[1:])
    alone = command(ROOT, 3, 4, 5).argv
    assert alone == (*given_to_root[:5], "--net", *given_to_root[5:], "5")


def test_everything_that_the_sandbox_is_told() -> None:
    asked = request(
        "train",
        env=(("A", "1"),),
        mounts=(Mount(source=Path("/mnt/events"), target="/data/events", writable=False),),
        port=Port(address="127.0.0.1", number=9000, inside=8080),
        limits=Limits(memory=2 << 30, cpus=1.5, shm=5),
        user=User(1000, 100),
    )
    told = settings(asked, PERSON, root=Path("/root/of/image"), scratch=None, cgroup=None)
    assert told.binds[-1] == Bind(source="/mnt/events", target="/data/events", writable=False)
    assert told.as_dict() | {"binds": ()} == {
        "root": "/root/of/image",
        "scratch": None,
        "binds": (),
        "shm": 5,
        "command": ("train",),
        "env": {
            "PATH": "/usr/bin:/bin",
            "MLIMAGE_HOST": "127.0.0.1",
            "MLIMAGE_PORT": "9000",
            "PORT": "9000",
            "A": "1",
        },
        "directory": "/",
        "uid": 1000,
        "gid": 100,
        "mapped": True,
        "cgroup": None,
        "data_limit": 2 << 30,
        "processors": 2,
        "foreground": False,
        "network": True,
    }


def test_a_control_group_limits_instead() -> None:
    asked = request("train", limits=Limits(memory=2 << 30, cpus=1.5))
    told = settings(asked, ROOT, root=Path("/r"), scratch=Path("/s"), cgroup=Path("/g"))
    assert (told.cgroup, told.data_limit, told.processors, told.scratch) == ("/g", None, None, "/s")


@given(
    texts=st.dictionaries(st.text(min_size=1), st.text()),
    uid=st.integers(min_value=0, max_value=2**32),
)
def test_settings_come_through_json(texts: dict[str, str], uid: int) -> None:
    told = settings(request("train"), ROOT, root=Path("/r"), scratch=None, cgroup=None)
    sent = Settings(**{**told.as_dict(), "binds": told.binds, "env": texts, "uid": uid})
    line = sent.to_json()
    assert line.count(b"\n") == 1
    assert Settings.from_json(line) == sent
    assert json.loads(line)["env"] == texts


def test_what_it_does_not_isolate_is_said() -> None:
    limited = request("train", limits=Limits(memory=1, cpus=1))
    assert caveats(request("train"), None) == f"sandbox: {NOT_ISOLATED}"
    alone = request("verify", network=False)
    assert caveats(alone, None) == "sandbox: the host's name and the kernel's calls are this machine's own"
    assert not settings(alone, ROOT, root=Path("/"), scratch=None, cgroup=None).network
    assert caveats(request("shell", tty=True), None) == f"sandbox: {NOT_ISOLATED}; so is the terminal"
    assert caveats(limited, Path("/g")) == f"sandbox: {NOT_ISOLATED}"
    assert caveats(limited, None) == (
        f"sandbox: {NOT_ISOLATED}; memory is limited for each process on its own, for no control group can "
        "be made; --cpus is rounded up to whole processors"
    )


def test_files_of_a_control_group() -> None:
    assert files(Limits()) == {}
    assert files(Limits(memory=1000, cpus=1.5)) == {
        "memory.max": "1000",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "150000 100000",
    }


@pytest.mark.parametrize(
    ("enabled", "own", "limits", "found"),
    [
        ({"": "cpu memory"}, "0::/\n", Limits(memory=1), ""),
        ({"": "cpu memory", "a": "cpu memory", "a/b": "memory"}, "0::/a/b/c\n", Limits(memory=1), "a/b"),
        ({"": "cpu memory", "a": "cpu memory", "a/b": "memory"}, "0::/a/b/c\n", Limits(cpus=1), "a"),
        ({"": "pids"}, "0::/a\n", Limits(cpus=1), None),
        ({"": "cpu memory"}, "0::/\n", Limits(), None),
        ({"": "cpu memory"}, "4:memory:/\n", Limits(memory=1), None),
    ],
)
def test_where_a_control_group_can_be(
    tmp_path: Path, enabled: dict[str, str], own: str, limits: Limits, found: str | None
) -> None:
    for name, controllers in enabled.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "cgroup.subtree_control").write_text(controllers)
        (tmp_path / name / "cgroup.procs").touch()
    assert parent_for(limits, own, tmp_path) == (None if found is None else tmp_path / found)


def daemon(_environ: object) -> Daemon:
    return Daemon(client=FakeClient(), facts=facts())


def no_daemon(_environ: object) -> Daemon:
    raise RunError("no Docker daemon answers at x: refused", hint="start it")


def test_docker_where_a_daemon_answers() -> None:
    found = choose("auto", {}, connect=daemon, refusal=lambda: pytest.fail("asked"))
    assert found.daemon
    assert found.why == "docker: Docker 28.5.2 answers at unix:///run/docker.sock"


def test_the_sandbox_where_none_does() -> None:
    assert choose("auto", {}, connect=no_daemon, refusal=lambda: None) == Choice(
        daemon=None, why="sandbox: no Docker daemon answers at x: refused"
    )


def test_the_sandbox_when_it_is_asked_for() -> None:
    assert choose("sandbox", {}, connect=daemon, refusal=lambda: None) == Choice(
        daemon=None, why="sandbox: it was asked for"
    )


def test_neither() -> None:
    with pytest.raises(RunError) as caught:
        choose("auto", {}, connect=no_daemon, refusal=lambda: "not permitted")
    assert str(caught.value) == (
        "no sandbox can be made here: not permitted; and no Docker daemon answers at x: refused"
    )
    with pytest.raises(RunError) as caught:
        choose("docker", {}, connect=no_daemon, refusal=lambda: None)
    assert str(caught.value) == "no Docker daemon answers at x: refused"
    assert caught.value.hint == "start it; on Linux `--runtime sandbox` needs none"


def test_why_a_machine_refuses() -> None:
    def runner(asked: Command) -> Completed:
        assert asked.argv[-2:] == ("--", "true")
        return Completed(
            command=asked, status=1, stdout=b"", stderr=b"unshare: unshare failed: not permitted\n"
        )

    def missing(asked: Command) -> Completed:
        raise FileNotFoundError(asked.argv[0])

    assert explain_refusal(PERSON, runner) == "unshare: unshare failed: not permitted"
    assert explain_refusal(PERSON, missing) == "`unshare` (util-linux) is not on this machine"


def test_groups_of_killed_processes_go(tmp_path: Path) -> None:
    own = f"mlimage-{os.getpid()}-1"
    for name in ("mlimage-4194305-1", own, "mlimage-tests", "other"):  # above the kernel's largest number
        (tmp_path / name).mkdir()
    with limited(Limits(), tmp_path) as group:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [group.name, own, "mlimage-tests", "other"]
        )
