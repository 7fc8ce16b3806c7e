"""The command that runs an unpacked base's python, and how its answer is read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.interpreter import Interpreter
from mlimage.errors import BuildError
from mlimage.platforms import LINUX_AMD64, Platform, native_platform
from mlimage.process import Command, Completed

HOST = native_platform() or LINUX_AMD64
OTHER = {"amd64": Platform("linux", "arm64"), "arm64": Platform("linux", "amd64")}
LOADER = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """An interpreter whose files are there, though nobody could run them."""
    made = Interpreter(root=tmp_path, python="3.11", platform=HOST)
    for path in (made.loader, made.program):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return made


def test_the_command(interpreter: Interpreter, tmp_path: Path) -> None:
    platform = HOST
    libraries = tmp_path / "usr/lib" / platform.multiarch
    command = interpreter.command("-c", "pass", env={"PYTHONPATH": "/x", "TZ": "CET"}, stdin=b"in")
    assert command == Command(
        argv=(
            str(libraries / LOADER[platform.architecture]),
            "--inhibit-cache",
            "--library-path",
            f"{libraries}:{tmp_path}/usr/lib",
            "--argv0",
            f"{tmp_path}/usr/bin/python3.11",
            f"{tmp_path}/usr/bin/python3.11",
            "-S",
            "-s",
            "-B",
            "-c",
            "pass",
        ),
        env={
            "PYTHONHOME": f"{tmp_path}/usr",
            "PYTHONSAFEPATH": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONUTF8": "1",
            "LC_ALL": "C.UTF-8",
            "LOCPATH": f"{tmp_path}/usr/lib/locale",
            "GCONV_PATH": f"{libraries}/gconv",
            "OPENSSL_CONF": "/dev/null",
            "TZ": "CET",
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": "/x",
        },
        stdin=b"in",
    )
    assert not command.inherit


def test_what_it_imports_is_kept_compiled(interpreter: Interpreter, tmp_path: Path) -> None:
    plain = interpreter.command("-c", "pass")
    keeping = replace(interpreter, bytecode=tmp_path / "bytecode").command("-c", "pass")
    at = plain.argv.index("-B")
    assert keeping.argv == (
        *plain.argv[:at],
        *("-X", f"pycache_prefix={tmp_path}/bytecode"),
        *plain.argv[at + 1 :],
    )
    assert keeping.env == plain.env


def test_its_description(interpreter: Interpreter) -> None:
    answer = {
        "markers": {"python_version": "3.11", "platform_release": "6.1", "platform_version": "#1"},
        "tags": ["cp311-cp311-linux_x86_64"],
        "version": "3.11.2",
        "glibc": "glibc 2.36",
    }

    def run(command: Command) -> Completed:
        assert command.env["PYTHONPATH"]
        return Completed(command=command, status=0, stdout=json.dumps(answer).encode(), stderr=b"")

    target = interpreter.describe(run)
    assert target.markers == {"python_version": "3.11", "platform_release": "", "platform_version": ""}
    assert (target.tags, target.version, target.glibc) == (("cp311-cp311-linux_x86_64",), "3.11.2", "2.36")


def test_a_python_that_does_not_run(interpreter: Interpreter) -> None:
    def run(command: Command) -> Completed:
        return Completed(command=command, status=127, stdout=b"", stderr=b"x\nlibc.so.6: no such file\n")

    with pytest.raises(BuildError) as caught:
        interpreter.describe(run)
    assert str(caught.value) == "python 3.11 of the base does not run: libc.so.6: no such file"


def test_an_answer_that_is_none(interpreter: Interpreter) -> None:
    def run(command: Command) -> Completed:
        return Completed(command=command, status=0, stdout=b"hello\n", stderr=b"")

    with pytest.raises(BuildError) as caught:
        interpreter.describe(run)
    assert str(caught.value) == "python 3.11 of the base does not say what it is: hello"


def test_a_platform_that_this_machine_cannot_run(tmp_path: Path) -> None:
    other = OTHER[HOST.architecture]
    with pytest.raises(BuildError) as caught:
        Interpreter(root=tmp_path, python="3.11", platform=other).command()
    assert (str(caught.value), caught.value.hint) == (
        f"this machine cannot run python of `{other}`",
        f"build it on a {other.machine} machine with Linux, or write `bytecode: false`",
    )


def test_a_base_without_python(interpreter: Interpreter) -> None:
    interpreter.program.unlink()
    with pytest.raises(BuildError) as caught:
        interpreter.command()
    assert (str(caught.value), caught.value.hint) == (
        "the base has no `/usr/bin/python3.11`",
        "the python of the spec must be the one of the base's Debian suite",
    )
