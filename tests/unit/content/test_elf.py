"""What a program says of itself."""

import io
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.content.elf import MACHINES, Program, defines, read_library, read_program
from support.elf import elf_library, elf_program

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


MODULE = elf_library("libsample.so.1", exports="PyInit_sample")


def test_symbols_in_the_older_table_of_hashes() -> None:
    found = read_library(io.BytesIO(MODULE))
    assert found is not None
    assert found.soname == "libsample.so.1"
    asked = ("PyInit_sample", "PyInit_sampl", "PyInit_sample2", "", "libsample.so.1")
    assert [defines(io.BytesIO(MODULE), name) for name in asked] == [True, False, False, False, False]
    assert not defines(io.BytesIO(elf_library("libsample.so.1")), "PyInit_sample")


def test_symbols_of_pythons_own_modules() -> None:
    """What a linker of today writes: the table is glibc's."""
    modules = sorted(Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so"))
    assert len(modules) > 20
    for path in modules:
        with path.open("rb") as stream:
            assert defines(stream, f"PyInit_{path.name.partition('.')[0]}"), path
            stream.seek(0)
            assert not defines(stream, "PyInit_"), path
            stream.seek(0)
            assert not defines(stream, "PyLong_FromLong"), path  # which it asks for, and does not define


@given(st.binary(max_size=300), st.integers(0, len(MODULE)))
@example(b"\xff" * 300, 7)
def test_symbols_of_any_bytes(noise: bytes, at: int) -> None:
    for content in (noise, MODULE[:at] + noise + MODULE[at + len(noise) :]):
        assert defines(io.BytesIO(content), "PyInit_sample") in {True, False}


def test_a_circle_of_symbols_ends() -> None:
    at = MODULE.rindex(bytes(8) + MODULE[-len("\0libsample.so.1\0PyInit_sample\0") :])
    circle = MODULE[: at + 4] + (1).to_bytes(4, "little") + MODULE[at + 8 :]
    assert defines(io.BytesIO(circle), "PyInit_sample")
    assert not defines(io.BytesIO(circle), "PyInit_other")
