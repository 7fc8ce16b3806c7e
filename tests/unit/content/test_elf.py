"""What a program says of itself."""

import io
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.content.elf import MACHINES, Program, read_program
from support.elf import elf_program

GOOD = elf_program()


@pytest.mark.parametrize("architecture", MACHINES)
@pytest.mark.parametrize("loader", ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", ""])
def test_a_program(architecture: str, loader: str) -> None:
    found = read_program(io.BytesIO(elf_program(loader, architecture=architecture)))
    assert found == Program(machine=MACHINES[architecture], loader=loader)


def test_the_python_of_the_tests() -> None:
    with Path(sys.executable).resolve().open("rb") as stream:
        found = read_program(stream)
    assert found is not None
    assert found.machine in MACHINES.values()
    assert "/ld-linux" in found.loader


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\n", GOOD[:63], b"\x7fELF" + bytes(60), GOOD[:4] + b"\x01" + GOOD[5:]]
)
def test_no_program(content: bytes) -> None:
    assert read_program(io.BytesIO(content)) is None


@given(st.binary(max_size=300), st.integers(0, len(GOOD)))
@example(b"\xff" * 300, 7)
def test_any_bytes_are_read(noise: bytes, at: int) -> None:
    read_program(io.BytesIO(noise))
    read_program(io.BytesIO(GOOD[:at] + noise + GOOD[at + len(noise) :]))
