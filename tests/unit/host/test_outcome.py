"""What `mlimage run --json` prints."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlimage.daemon.connect import Daemon
from mlimage.host.choose import Choice
from mlimage.host.contract import User
from mlimage.host.outcome import outcome
from mlimage.host.request import Mount
from support.running import FakeClient, facts, request

STARTED = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_a_role_in_the_sandbox() -> None:
    asked = request(
        "train",
        "--epochs",
        "3",
        mounts=(
            Mount(source=Path("/mnt/events"), target="/data/events", writable=False),
            Mount(source=Path("/home/me/models"), target="/models", writable=True),
        ),
        user=User(1000, 100),
    )
    ended = STARTED + timedelta(seconds=2, microseconds=345678)
    assert outcome(asked, Choice(daemon=None, why=""), status=3, started=STARTED, ended=ended) == {
        "image": "demo:cpu",
        "digest": asked.image.digest,
        "image_id": asked.image.image_id,
        "platform": "linux/amd64",
        "runtime": "sandbox",
        "daemon": None,
        "role": "train",
        "command": ["train", "--epochs", "3"],
        "user": "1000:100",
        "data": {"/data/events": "/mnt/events"},
        "models": "/home/me/models",
        "exit_status": 3,
        "started": "2026-05-04T03:02:01Z",
        "seconds": 2.346,
    }


def test_a_command_in_docker() -> None:
    daemon = Daemon(client=FakeClient(), facts=facts())
    said = outcome(
        request("ls", "-l"), Choice(daemon=daemon, why=""), status=0, started=STARTED, ended=STARTED
    )
    assert {key: said[key] for key in ("runtime", "daemon", "role", "data", "models", "seconds")} == {
        "runtime": "docker",
        "daemon": facts().address,
        "role": None,
        "data": {},
        "models": None,
        "seconds": 0.0,
    }
