"""The NVIDIA driver of a machine, in its own words."""

from pathlib import Path

import pytest

from mlimage.host.driver import nvidia_driver
from mlimage.process import Command, Completed, Runner

OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root@x)\n"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"


def smi(text: str, status: int = 0) -> Runner:
    """A machine whose `nvidia-smi` says this."""
    return lambda command: Completed(command=command, status=status, stdout=text.encode(), stderr=b"")


@pytest.mark.parametrize(("text", "version"), [(OPEN, "580.95.05"), (CLOSED, "535.104.05")])
def test_the_kernel_says_it(text: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "version").write_text(text)
    assert nvidia_driver(smi("1.2"), kernel=tmp_path / "version") == version


@pytest.mark.parametrize(
    ("said", "status", "version"),
    [
        ("551.23\n551.23\n", 0, "551.23"),
        ("No devices were found\n", 0, None),
        ("", 0, None),
        ("551.23\n", 9, None),
    ],
)
def test_without_a_module_the_program_does(
    said: str, status: int, version: str | None, tmp_path: Path
) -> None:
    assert nvidia_driver(smi(said, status), kernel=tmp_path / "none") == version


def test_a_machine_without_both(tmp_path: Path) -> None:
    def absent(_: Command) -> Completed:
        raise FileNotFoundError

    assert nvidia_driver(absent, kernel=tmp_path / "none") is None
