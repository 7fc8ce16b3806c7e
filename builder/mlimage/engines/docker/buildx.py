"""`docker buildx build`: the command as a value, and running it with its progress shown as ours."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mlimage.engines.docker.progress import Begun, Ended, Event, ProgressReader, Said
from mlimage.errors import BuildError
from mlimage.process import Command, Completed, stream
from mlimage.progress import Progress

_LINES: Final = 30
"""Lines of a failed step's output that are shown."""
_TAIL: Final = 2000
"""Letters at the end of what a step wrote in which its reason is looked for."""
_WIDTH: Final = 72
"""Letters of a step that are shown while it runs."""
_NAMED: Final = 200
"""Letters of a step that failed."""
_STATUS: Final = re.compile(r"did not complete successfully: exit code: (\d+)\Z")
"""What BuildKit writes behind the command that ended so."""
_FOREIGN: Final = "exec format error"
_FULL: Final = "no space left on device"
_PLAIN: Final = "compression=uncompressed"
_PACKED: Final = "compression=zstd,compression-level=1"
_NUMBERED: Final = re.compile(r"\[\S+ \d+/\d+\] ")

Streamer = Callable[[Command, Callable[[bytes], object]], Completed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One build.

    Attributes:
        dockerfile: the file; `<file>.dockerignore` lies beside it.
        context: the project.
        contexts: what is handed over, by the name that the Dockerfile has for it: a folder, or
            `oci-layout://FOLDER@DIGEST`.
        arguments: build arguments.
        secrets: (name, `src=FILE` or `env=NAME`).
        output: folder for the OCI layout, which must not exist.
        packs: whether layers come in zstd; their bytes are waited for several times on their way here.
        cached: whether BuildKit may use what it built before.
        platform: `os/architecture`.
    """

    dockerfile: Path
    context: Path
    contexts: Mapping[str, str]
    arguments: Mapping[str, str]
    secrets: Sequence[tuple[str, str]]
    output: Path
    packs: bool
    cached: bool
    platform: str


def command(build: Build, environ: Mapping[str, str]) -> Command:
    """What is run. Pure; no secret's value is in it."""
    options = [
        "--progress=rawjson",
        "--provenance=false",  # it would make the result another one each time
        "--sbom=false",
        f"--platform={build.platform}",
        f"--file={build.dockerfile}",
        # However packed: the layers are cut anew, and packed as all others. A folder takes no time to read.
        f"--output=type=oci,tar=false,{_PACKED if build.packs else _PLAIN},{_field(f'dest={build.output}')}",
        *(f"--build-context={name}={place}" for name, place in sorted(build.contexts.items())),
        *(f"--build-arg={name}={value}" for name, value in sorted(build.arguments.items())),
        *(f"--secret=id={name},{_field(source)}" for name, source in build.secrets),
        *([] if build.cached else ["--no-cache"]),
    ]
    # buildx would hand the caller's own date to the steps, in place of the lock's.
    env = {name: value for name, value in environ.items() if name != "SOURCE_DATE_EPOCH"}
    return Command(
        argv=("docker", "buildx", "build", *options, str(build.context)),
        env={**env, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )


def _field(text: str) -> str:
    """A field of an option, which buildx reads as CSV (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def run_build(
    build: Build, *, environ: Mapping[str, str], progress: Progress, streamer: Streamer = stream
) -> None:
    """Build, and show each step as it ends.

    Raises:
        BuildError: a step failed, with the end of what it wrote; or BuildKit cannot build it.
    """
    reader = ProgressReader()
    with _Shown(progress) as shown:

        def told(piece: bytes) -> None:
            for event in reader.feed(piece):
                shown.show(event)

        try:
            done = streamer(command(build, environ), told)
        except FileNotFoundError:
            raise BuildError(
                "there is no program `docker` here, through which BuildKit is reached",
                hint="install Docker with its plugin buildx; `--engine direct` needs neither",
            ) from None
    reader.finish()
    if done.status != 0:
        raise _failed(reader, done.status, build.platform)


class _Shown:
    """Each step of a Dockerfile as a task while it runs, and what it writes as details."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, ExitStack] = {}
        self._whole = ExitStack()

    def __enter__(self) -> Self:
        self._whole.enter_context(self._progress.task("building with BuildKit"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.close()
        self._whole.close()

    def show(self, event: Event) -> None:
        name = " ".join(event.name.split())
        if not _NUMBERED.match(name):
            return  # BuildKit's own: loading definitions, contexts
        match event:
            case Begun():
                stack = self._tasks[name] = ExitStack()
                stack.enter_context(self._progress.task(_short(name)))
            case Ended(cached=cached):
                self._tasks.pop(name, ExitStack()).close()
                self._progress.detail(f"{_short(name)}: {'as before' if cached else 'done'}")
            case Said(text=text):
                for line in text.splitlines():
                    self._progress.detail(f"{name.partition(']')[0]}] {line}")


def _short(name: str, width: int = _WIDTH) -> str:
    text = " ".join(name.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _failed(reader: ProgressReader, status: int, platform: str) -> BuildError:
    failure = reader.failure()
    if _FULL in reader.other or (failure and _FULL in f"{failure.error}{failure.output[-_TAIL:]}"):
        where = f" while it ran `{_short(failure.name, _NAMED)}`" if failure else ""
        return BuildError(
            f"the disk of the Docker engine is full{where}",
            hint="`docker system df` shows what takes it, `docker builder prune` frees BuildKit's cache",
        )
    if failure is None:
        said = reader.other.strip().removeprefix("ERROR: ")
        return BuildError(
            f"`docker buildx build` ended with status {status}: {said or 'it said nothing'}",
            hint="does the Docker daemon still run? `docker buildx ls` shows the builders",
        )
    lines = failure.output.rstrip().splitlines()
    shown = "".join(f"\n  | {line}" for line in lines[-_LINES:])
    status_of_step = _STATUS.search(failure.error)
    how = f"ended with status {status_of_step[1]}" if status_of_step else f"failed: {failure.error}"
    hint = None
    if _FOREIGN in failure.output[-_TAIL:]:
        hint = (
            f"the image is for {platform}, and the machine of the Docker engine cannot run its programs: "
            "install an emulator there (Debian: apt-get install qemu-user-static); `--engine direct` needs "
            "none"
        )
    return BuildError(f"`{_short(failure.name, _NAMED)}` {how}{shown}", hint=hint)
