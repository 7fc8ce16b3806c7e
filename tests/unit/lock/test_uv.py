"""uv as a resolver: what it is told, what is done with its answer, and what it must be."""

import sys
from functools import partial
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.content.interpreter import Interpreter, Target
from mlimage.errors import ResolveError, UsageError
from mlimage.lock.compile import PIP_COMPILE
from mlimage.lock.resolver import Pin, Question, UnresolvedError
from mlimage.lock.resolvers import resolver_for
from mlimage.lock.uv import Uv, find_uv, uv_platform
from mlimage.platforms import LINUX_AMD64, Platform
from mlimage.process import Command, Completed

UV = Uv(program="/opt/bin/uv")


class FakeUv:
    """Answers with these outcomes, one after the other: pins, or why there are none."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.commands: list[Command] = []
        self.held: list[str] = []

    def __call__(self, command: Command) -> Completed:
        self.commands.append(command)
        assert command.cwd is not None
        self.held.append((command.cwd / "held.txt").read_text())
        answer = self.answers.pop(0)
        failed = answer.startswith("error: ")
        if not failed:
            (command.cwd / "spec.txt").write_text(answer)
        return Completed(
            command=command, status=int(failed), stdout=b"", stderr=answer.encode() if failed else b""
        )


def question(
    scratch: Path, *, seeds: str = "", upgrade: tuple[str, ...] = (), constraints: str = ""
) -> Question:
    def versions(text: str) -> dict[str, Version]:
        return {name: Version(version) for name, _, version in (one.partition("==") for one in text.split())}

    return Question(
        interpreter=Interpreter(root=Path("/base"), python="3.11", platform=LINUX_AMD64),
        target=Target(markers={}, tags=(), version="3.11.2", glibc="2.36"),
        requirements=["app>=1", "lib"],
        index_url="http://127.0.0.1:1/secret/simple/",
        seeds=versions(seeds),
        constraints=versions(constraints),
        upgrade_packages=upgrade,
        scratch=scratch,
    )


def test_what_it_is_told(tmp_path: Path) -> None:
    run = FakeUv("# note\napp==1.2\n\nlib==2.0+cpu  # note\n")
    pins = UV.pins(question(tmp_path, seeds="app==1.1 lib==1.0", upgrade=("lib",), constraints="x==3"), run)
    assert pins == (
        Pin(name="app", version=Version("1.2")),
        Pin(name="lib", version=Version("2.0+cpu")),
    )
    assert run.commands == [
        Command(
            argv=(
                *("/opt/bin/uv", "pip", "compile", "--no-config", "--no-cache", "--no-header"),
                *("--no-progress", "--color", "never", "--no-annotate", "--only-binary", ":all:"),
                *("--no-python-downloads", "--python", sys.executable, "--python-version", "3.11.2"),
                *("--python-platform", "x86_64-manylinux_2_36"),
                *("--default-index", "http://127.0.0.1:1/secret/simple/"),
                *("--constraints", "held.txt", "--constraints", "constraints.txt"),
                *("--output-file", "spec.txt", "spec.in"),
            ),
            env={
                "HOME": str(tmp_path),
                "TMPDIR": str(tmp_path),
                "LANG": "C.UTF-8",
                "PATH": str(tmp_path),
                "UV_NO_WRAP": "1",
                "UV_HTTP_RETRIES": "0",
                "UV_HTTP_TIMEOUT": "600",
            },
            cwd=tmp_path,
        )
    ]
    assert run.held == ["app==1.1\n"]
    assert (tmp_path / "spec.in").read_text() == "app>=1\nlib\n"
    assert (tmp_path / "constraints.txt").read_text() == "x==3\n"


def test_versions_that_stand_in_the_way_are_let_go(tmp_path: Path) -> None:
    run = FakeUv("error: because app==2 depends on lib>=2 and lib==1.0, no solution", "app==2\nlib==2\n")
    pins = UV.pins(question(tmp_path, seeds="lib==1.0 other==1.0"), run)
    assert [pin.name for pin in pins] == ["app", "lib"]
    assert run.held == ["lib==1.0\nother==1.0\n", "other==1.0\n"]


def test_without_a_solution_every_version_was_let_go(tmp_path: Path) -> None:
    run = FakeUv("error: lib==1.0 is in the way", "error: you require nowhere")
    with pytest.raises(UnresolvedError) as caught:
        UV.pins(question(tmp_path, seeds="lib==1.0 other==1.0"), run)
    assert caught.value.output == "error: you require nowhere"
    assert run.held == ["lib==1.0\nother==1.0\n", "other==1.0\n"]


def test_what_is_no_pin(tmp_path: Path) -> None:
    with pytest.raises(ResolveError, match=r"^uv wrote `app>=1`, which is not a pinned package$"):
        UV.pins(question(tmp_path), FakeUv("app>=1\n"))


@pytest.mark.parametrize(
    ("platform", "glibc", "expected"),
    [
        (LINUX_AMD64, "2.36", "x86_64-manylinux_2_36"),
        (LINUX_AMD64, "2.29", "x86_64-manylinux_2_31"),
        (LINUX_AMD64, "2.41", "x86_64-manylinux_2_40"),
        (Platform.parse("linux/arm64"), "2.39", "aarch64-manylinux_2_39"),
    ],
)
def test_the_platform_is_never_older_than_the_target(platform: Platform, glibc: str, expected: str) -> None:
    assert uv_platform(platform, glibc) == expected


def says(text: str, status: int = 0) -> Completed:
    return Completed(command=Command(argv=()), status=status, stdout=text.encode(), stderr=b"")


def test_its_version_is_recorded() -> None:
    asked: list[Command] = []

    def run(command: Command) -> Completed:
        asked.append(command)
        return says("uv 0.13.8 (x86_64-unknown-linux-gnu)\n")

    assert UV.tools(run) == {"uv": "0.13.8"}
    assert asked == [Command(argv=("/opt/bin/uv", "--version"))]


@pytest.mark.parametrize(
    ("done", "message"),
    [
        (says("uv 0.11.33 (x)\n"), "`/opt/bin/uv` is uv 0.11.33"),
        (says("uv 0.14.0\n"), "`/opt/bin/uv` is uv 0.14.0"),
        (says("ultraviolet 1\n"), "`/opt/bin/uv` is no uv"),
        (says("uv\n"), "`/opt/bin/uv` is no uv"),
        (says("uv 0.13.8\n", status=1), "`/opt/bin/uv` is no uv"),
    ],
)
def test_a_version_that_is_not_tested(done: Completed, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        UV.tools(lambda _: done)
    assert str(caught.value) == f"{message}; tested are the versions from 0.12 to before 0.14"
    assert caught.value.hint == "`pip install 'mlimage-builder[uv]'` brings one that is"


def test_no_uv() -> None:
    def refuses(_: Command) -> Completed:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(UsageError) as caught:
        Uv(program=None).tools(refuses)
    assert str(caught.value) == "uv, which is to resolve packages, is not installed"
    assert caught.value.hint == "`pip install 'mlimage-builder[uv]'` brings it"
    with pytest.raises(UsageError, match=r"^`/opt/bin/uv` cannot be started: permission denied$"):
        UV.tools(refuses)


def test_where_it_is_found(tmp_path: Path) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_uv(str(tmp_path), beside=lambda: "/beside/uv") == "/beside/uv"
    assert find_uv(str(tmp_path), beside=lambda: None) == str(program)
    assert find_uv(None, beside=lambda: None) is None


def test_resolvers_have_names() -> None:
    chosen = partial(resolver_for, LINUX_AMD64, environ={})
    assert chosen(name="pip-compile", host=LINUX_AMD64) is PIP_COMPILE
    assert chosen(name="uv", host=LINUX_AMD64).name == "uv"
    for host in (Platform("linux", "arm64"), None):  # pip-compile is run by the image's own python
        assert chosen(name="pip-compile", host=host).name == "uv"
