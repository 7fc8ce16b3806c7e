"""Signs of emulation."""

from pathlib import Path

import pytest

from mlimage.runtime.cpu import read_cpu

ZEN = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nflags\t\t: avx2 fma\n"


def machine(root: Path, cpuinfo: str = ZEN, shown: str = "/usr/bin/python3", real: str = "") -> str:
    for which, target in (("self", shown), ("thread-self", real or shown)):
        (root / "proc" / which).mkdir(parents=True)
        (root / "proc" / which / "exe").symlink_to(target)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    return str(root)


def test_a_real_cpu(tmp_path: Path) -> None:
    assert not read_cpu(machine(tmp_path), "x86_64").emulated
    assert not read_cpu().emulated


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("/usr/bin/python3.11", "/usr/bin/qemu-x86_64-static"),
        ("/usr/bin/python3.11", "/usr/bin/FEXInterpreter"),
        ("/run/rosetta/rosetta", "/run/rosetta/rosetta"),
    ],
)
def test_another_program_runs_this_one(tmp_path: Path, shown: str, real: str) -> None:
    assert read_cpu(machine(tmp_path, shown=shown, real=real), "x86_64").emulated


@pytest.mark.parametrize(
    "cpuinfo",
    [
        "vendor_id\t: VirtualApple\nmodel name\t: VirtualApple @ 2.50GHz\n",
        "vendor_id\t: AuthenticAMD\nmodel name\t: QEMU TCG CPU version 2.5+\n",
    ],
)
def test_a_cpu_that_says_so(tmp_path: Path, cpuinfo: str) -> None:
    assert read_cpu(machine(tmp_path, cpuinfo), "x86_64").emulated
