"""The entry point as a process, laid out as in an image."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.content.entry import Kind
from mlimage.content.runtime import runtime_entries

PRINT = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"


@dataclass(frozen=True)
class Image:
    root: Path

    def run(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        main = (
            f"import sys; sys.path.insert(0, {str(self.root / 'opt/mlimage/lib')!r}); "
            "from mlimage.runtime.start import main; "
            f"main(sys.argv[1:], {str(self.root / 'roles.json')!r})"
        )
        return subprocess.run(
            [sys.executable, "-I", "-c", main, *arguments],
            env={"PATH": os.environ["PATH"], "HOME": str(self.root), **env},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def image(tmp_path: Path) -> Image:
    for entry in runtime_entries("3.11"):
        path = tmp_path / entry.path
        if entry.kind is Kind.DIRECTORY:
            path.mkdir()
        elif entry.kind is Kind.FILE and entry.open is not None:
            with entry.open() as stream:
                path.write_bytes(stream.read())
    roles = {
        "train": {"command": [sys.executable, "-c", PRINT], "env": {"A": "role"}},
        "serve": {"command": ["no-such-server"], "env": {}, "port": 8080, "health": "/ping"},
        "data": [],
        "determinism": {"profile": "fast", "seed": 5},
    }
    (tmp_path / "roles.json").write_text(json.dumps(roles))
    return Image(tmp_path)


def test_a_role_is_executed_with_its_environment(image: Image) -> None:
    done = image.run("train", "x", "--y")
    arguments, env = json.loads(done.stdout)
    assert (done.returncode, done.stderr, arguments) == (0, "", ["x", "--y"])
    assert (env["A"], env["MLIMAGE_ROLE"], env["MLIMAGE_SEED"]) == ("role", "train", "5")


def test_it_replaces_itself(image: Image) -> None:
    done = image.run("--", "sh", "-c", "exit 43")
    assert done.returncode == 43


def test_ignored_signals_are_not_inherited(image: Image) -> None:
    done = image.run("--", "sh", "-c", "grep SigIgn /proc/self/status")
    _, ignored = done.stdout.split()
    of_python = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))
    assert int(ignored, 16) & of_python == 0  # others may come ignored from whoever started the tests


def test_help_is_no_error(image: Image) -> None:
    done = image.run("help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("arguments of this image:\n")


def test_a_command_that_is_not_there(image: Image) -> None:
    done = image.run("trian")
    assert (done.returncode, done.stdout, done.stderr) == (
        127,
        "",
        (
            "mlimage: `trian` is no role of this image and no command in it; roles: `train`, `serve`, "
            "`shell`; did you mean `train`?\n"
        ),
    )


def test_a_role_whose_command_is_not_there(image: Image) -> None:
    done = image.run()
    assert (done.returncode, done.stderr) == (
        127,
        "mlimage: `no-such-server`, the command of `serve`, is not in this image\n",
    )


def test_a_file_that_cannot_be_executed(image: Image) -> None:
    script = image.root / "script"
    script.write_text("#!/bin/sh\n")
    done = image.run(str(script))
    assert (done.returncode, done.stderr) == (
        126,
        f"mlimage: `{script}` cannot be executed: Permission denied\n",
    )


def test_a_script_whose_interpreter_is_not_there(image: Image) -> None:
    script = image.root / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = image.run(str(script))
    assert (done.returncode, done.stderr) == (
        127,
        f"mlimage: `{script}` is not in this image, or what its first line asks for is not\n",
    )


def test_an_image_without_roles(image: Image) -> None:
    (image.root / "roles.json").unlink()
    done = image.run("train")
    assert (done.returncode, done.stderr) == (
        1,
        f"mlimage: cannot read {image.root}/roles.json: No such file or directory\n",
    )


def test_the_entry_point_finds_its_modules(image: Image) -> None:
    done = subprocess.run(
        [sys.executable, "-I", image.root / "opt/mlimage/entrypoint.py", "help"],
        capture_output=True,
        text=True,
        check=False,
    )
    # There is no image around it, which it can say only with its modules.
    assert done.stderr == "mlimage: cannot read /opt/mlimage/roles.json: No such file or directory\n"


@pytest.fixture
def demanding(image: Image) -> Image:
    """An image that asks for more processors than any machine has."""
    roles = json.loads((image.root / "roles.json").read_text())
    roles["determinism"] |= {"profile": "strict", "threads": 100_000}
    (image.root / "roles.json").write_text(json.dumps(roles))
    return image


PROMISE = (
    "the profile `strict` computes with 100000 threads (`determinism.threads`), and this container has {} "
    "CPU{}; give it more, for others would give other numbers; MLIMAGE_PROFILE=fast starts it without "
    "that promise"
)


def promise() -> str:
    has = len(os.sched_getaffinity(0))
    return PROMISE.format(has, "" if has == 1 else "s")


def test_a_role_does_not_start_where_its_profile_cannot_hold(demanding: Image) -> None:
    done = demanding.run("train")
    assert (done.returncode, done.stdout, done.stderr) == (78, "", f"mlimage: {promise()}\n")


def test_it_starts_without_the_promise_if_asked(demanding: Image) -> None:
    done = demanding.run("train", MLIMAGE_PROFILE="fast")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)[1]["MLIMAGE_PROFILE"] == "fast"


def test_another_command_starts_and_hears_of_it(demanding: Image) -> None:
    done = demanding.run("--", "sh", "-c", "echo $MLIMAGE_PROFILE")
    assert (done.returncode, done.stdout) == (0, "fast\n")
    assert done.stderr == f"mlimage: {promise()}; this starts with the profile `fast`\n"
