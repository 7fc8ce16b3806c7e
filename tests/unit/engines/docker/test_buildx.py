"""The command that builds, whole, and what is shown of a build while it runs and when it fails."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mlimage.engines.docker.buildx import Build, command, run_build
from mlimage.errors import BuildError
from mlimage.process import Command, Completed
from mlimage.progress import SILENT, Progress, Task, Unit

STREAMS = Path(__file__).parent / "streams"
BUILD = Build(
    dockerfile=Path("/scratch/Dockerfile"),
    context=Path("/project"),
    contexts={"wheels": "/scratch/wheels", "base": "oci-layout:///cache/store@sha256:12"},
    arguments={"PIP_COMPILE": "0"},
    secrets=(("hub-token", "src=/home/me/token"), ("other", "env=OTHER")),
    output=Path("/scratch/output"),
    packs=False,
    cached=True,
    platform="linux/amd64",
)


def test_the_whole_command() -> None:
    made = command(BUILD, {"DOCKER_HOST": "unix:///x", "OTHER": "hunter2"})
    assert made == Command(
        argv=(
            "docker",
            "buildx",
            "build",
            "--progress=rawjson",
            "--provenance=false",
            "--sbom=false",
            "--platform=linux/amd64",
            "--file=/scratch/Dockerfile",
            "--output=type=oci,tar=false,compression=uncompressed,dest=/scratch/output",
            "--build-context=base=oci-layout:///cache/store@sha256:12",
            "--build-context=wheels=/scratch/wheels",
            "--build-arg=PIP_COMPILE=0",
            "--secret=id=hub-token,src=/home/me/token",
            "--secret=id=other,env=OTHER",
            "/project",
        ),
        env={"DOCKER_HOST": "unix:///x", "OTHER": "hunter2", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )
    assert "hunter2" not in str(made)


def test_without_buildkits_cache() -> None:
    with_it, without = command(BUILD, {}).argv, command(replace(BUILD, cached=False), {}).argv
    assert without == (*with_it[:-1], "--no-cache", with_it[-1])


def test_layers_may_come_packed() -> None:
    plain, packed = command(BUILD, {}).argv, command(replace(BUILD, packs=True), {}).argv
    assert [option for option in packed if option not in plain] == [
        "--output=type=oci,tar=false,compression=zstd,compression-level=1,dest=/scratch/output"
    ]


def test_odd_names_of_files_are_fields_of_csv() -> None:
    odd = replace(BUILD, output=Path('/a,b/"c"'), secrets=(("token", "src=/a,b"),))
    assert [option for option in command(odd, {}).argv if option.startswith(("--output", "--secret"))] == [
        '--output=type=oci,tar=false,compression=uncompressed,"dest=/a,b/""c"""',
        '--secret=id=token,"src=/a,b"',
    ]


@dataclass
class Playing:
    """Runs nothing: tells what it is given, and ends with a status."""

    says: tuple[bytes, ...] = ()
    status: int = 0
    ran: list[Command] = field(default_factory=list)

    def __call__(self, run: Command, told: Callable[[bytes], object]) -> Completed:
        self.ran.append(run)
        for piece in self.says:
            told(piece)
        return Completed(command=run, status=self.status, stdout=b"", stderr=b"")


@dataclass
class Shown:
    """A `Progress` that keeps all."""

    lines: list[str] = field(default_factory=list)

    @contextmanager
    def task(self, description: str, *, total: int | None = None, unit: Unit = "items") -> Iterator[Task]:
        self.lines.append(f"begin {description}")
        with SILENT.task(description, total=total, unit=unit) as task:
            yield task
        self.lines.append(f"end {description}")

    def note(self, message: str) -> None:
        self.lines.append(f"note {message}")

    def warn(self, message: str) -> None:
        raise AssertionError(message)

    def detail(self, message: str) -> None:
        self.lines.append(message)


def run(playing: Playing, progress: Progress = SILENT) -> None:
    run_build(BUILD, environ={"A": "b"}, progress=progress, streamer=playing)


def failure(playing: Playing, progress: Progress = SILENT) -> tuple[str, str | None]:
    with pytest.raises(BuildError) as caught:
        run(playing, progress)
    return caught.value.message, caught.value.hint


def said(**values: Any) -> bytes:
    return json.dumps(values).encode() + b"\n"


def test_steps_are_shown_while_they_run() -> None:
    shown = Shown()
    playing = Playing(says=((STREAMS / "docker-trixie-built").read_bytes(),))
    run(playing, shown)
    assert playing.ran == [command(BUILD, {"A": "b"})]
    second = "[packages 2/3] RUN rm -rf /opt/a && sleep 1 && echo slept"
    assert shown.lines[0] == "begin building with BuildKit"
    assert shown.lines[-1] == "end building with BuildKit"
    assert [each for each in shown.lines if "[packages 2/3]" in each] == [
        f"begin {second}",
        f"end {second}",
        f"{second}: as before",
    ]
    assert [each for each in shown.lines if "[internal]" in each or "exporting" in each] == []
    assert max(map(len, shown.lines)) <= 72 + len(": as before")


def test_what_a_step_writes_is_a_detail() -> None:
    shown = Shown()
    step = {"digest": "sha256:1", "name": "[packages  2/3]  RUN x"}
    log = {"vertex": "sha256:1", "data": "b25lCnR3bwo="}
    says = (said(vertexes=[{**step, "started": "1"}]), said(logs=[log]))
    run(Playing(says=(*says, said(vertexes=[{**step, "completed": "2"}]))), shown)
    assert shown.lines == [
        "begin building with BuildKit",
        "begin [packages 2/3] RUN x",
        "[packages 2/3] one",
        "[packages 2/3] two",
        "end [packages 2/3] RUN x",
        "[packages 2/3] RUN x: done",
        "end building with BuildKit",
    ]


@pytest.mark.parametrize("stream", ["docker-trixie-failed", "docker-sid-failed"])
def test_the_step_that_failed_and_what_it_wrote(stream: str) -> None:
    message, hint = failure(Playing(says=((STREAMS / stream).read_bytes(),), status=1))
    first, *lines = message.splitlines()
    assert first == "`[packages 3/3] RUN echo before && echo oops >&2 && exit 3` ended with status 3"
    assert sorted(lines) == ["  | before", "  | oops"]  # two streams, which race
    assert hint is None


def test_a_platform_that_the_engine_cannot_run() -> None:
    step = {
        "digest": "sha256:1",
        "name": "[packages 1/2] RUN x",
        "error": "process x did not complete successfully: exit code: 1",
    }
    log = {"vertex": "sha256:1", "data": "exec /bin/sh: exec format error\n"}
    playing = Playing(says=(said(vertexes=[step]), said(logs=[log])), status=1)
    with pytest.raises(BuildError) as caught:
        run_build(replace(BUILD, platform="linux/arm64"), environ={}, progress=SILENT, streamer=playing)
    assert str(caught.value) == (
        "`[packages 1/2] RUN x` ended with status 1\n  | exec /bin/sh: exec format error"
    )
    assert caught.value.hint == (
        "the image is for linux/arm64, and the machine of the Docker engine cannot run its programs: "
        "install an emulator there (Debian: apt-get install qemu-user-static); `--engine direct` needs none"
    )


def test_of_a_long_output_the_last_lines_are_shown() -> None:
    step = {"digest": "sha256:1", "name": "[packages 2/3] RUN x", "error": "executor failed running: x"}
    text = "".join(f"{number}\n" for number in range(100))
    message, _ = failure(
        Playing(says=(said(vertexes=[step]), said(logs=[{"vertex": "sha256:1", "data": text}])), status=1)
    )
    shown = "".join(f"\n  | {number}" for number in range(70, 100))
    assert message == f"`[packages 2/3] RUN x` failed: executor failed running: x{shown}"


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ((), "it said nothing"),
        ((b"ERROR: Cannot connect to the Docker daemon\n",), "Cannot connect to the Docker daemon"),
        ((said(vertexes=[{"digest": "sha256:1", "name": "x", "started": "1"}]), b'{"vert'), '{"vert'),
    ],
)
def test_when_no_step_failed(says: tuple[bytes, ...], what: str) -> None:
    assert failure(Playing(says=says, status=-9)) == (
        f"`docker buildx build` ended with status -9: {what}",
        "does the Docker daemon still run? `docker buildx ls` shows the builders",
    )


def test_without_the_program() -> None:
    def missing(run: Command, told: Callable[[bytes], object]) -> Completed:
        raise FileNotFoundError(run.argv[0])

    with pytest.raises(BuildError) as caught:
        run_build(BUILD, environ={}, progress=SILENT, streamer=missing)
    assert (caught.value.message, caught.value.hint) == (
        "there is no program `docker` here, through which BuildKit is reached",
        "install Docker with its plugin buildx; `--engine direct` needs neither",
    )


def test_an_interruption_ends_what_is_shown() -> None:
    shown = Shown()

    def interrupted(run: Command, told: Callable[[bytes], object]) -> Completed:
        told(said(vertexes=[{"digest": "sha256:1", "name": "[a 1/1] RUN x", "started": "1"}]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(BUILD, environ={}, progress=shown, streamer=interrupted)
    assert shown.lines == [
        "begin building with BuildKit",
        "begin [a 1/1] RUN x",
        "end [a 1/1] RUN x",
        "end building with BuildKit",
    ]
