"""The names of shared libraries, read from hand-made ones and from real ones in wheels."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.entry import Entry, Kind, directory, file_of_bytes, symlink
from mlimage.content.libraries import Library, libraries
from mlimage.content.wheel import wheel_entries
from mlimage.digest import Digest
from support.elf import elf_library, elf_program
from support.wheels import make_wheel

SITE = "opt/venv/lib/python3.11/site-packages"


def _names(path: str, content: bytes) -> list[str]:
    return [each.name for each in libraries([file_of_bytes(path, content, origin="demo 1.0")])]


def test_libraries_of_a_wheel(tmp_path: Path) -> None:
    cudart = elf_library("libcudart.so.13")
    wheel = make_wheel(
        tmp_path,
        "demo",
        "1.0",
        {
            "demo.libs/libcudart.faf08d9a.so.13": cudart,
            "demo/__init__.py": b"",
            "demo/_C.cpython-311-x86_64-linux-gnu.so": elf_library("_C.so", exports="PyInit__C"),
            "demo/lib.cpython-311-x86_64-linux-gnu.so": elf_library("", exports="PyInit_lib"),
            "demo/libgeos.abi3.so": elf_library("libgeos.so", exports="PyModExport_libgeos"),
            "demo/lib/libc10.so": elf_library("libc10.so", exports="PyInit_c10"),
            "demo/core.so": elf_library("libcore.so.2"),
            "demo/plugin.so": elf_library("", exports="start"),
            "demo/lib/libplain.so": elf_library(""),
            "demo/lib/libscript.so": b"INPUT(libplain.so)",
            "demo/lib/transport.so.3": elf_library("transport.so.3"),
        },
    )
    found = libraries(wheel_entries(wheel, python="3.11", origin="demo 1.0"))
    assert [(each.package, each.path, each.name) for each in found] == [
        ("demo", f"{SITE}/demo.libs/libcudart.faf08d9a.so.13", "libcudart.so.13"),
        ("demo", f"{SITE}/demo/core.so", "libcore.so.2"),
        ("demo", f"{SITE}/demo/lib/libc10.so", "libc10.so"),
        ("demo", f"{SITE}/demo/lib/libplain.so", "libplain.so"),
        ("demo", f"{SITE}/demo/lib/transport.so.3", "transport.so.3"),
    ]
    assert found[0].content == Digest.of(b"%d\0" % len(cudart) + cudart)


def test_a_large_one_is_known_by_its_file_and_read_but_a_little() -> None:
    class Counted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().read(size)

    asked: list[int | None] = []
    large = Entry(
        path="a/libtorch_cpu.so", kind=Kind.FILE, mode=0o644, origin="torch 2.13.0", size=400 << 20,
        open=lambda: Counted(elf_library("libother.so").ljust(2 << 20, b"\0")),
    )  # fmt: skip
    [found] = libraries([large])
    assert (found.package, found.name, asked) == ("torch", "libtorch_cpu.so", [1 << 20])
    module = replace(large, path="a/libx.abi3.so")
    assert libraries([module]) == ()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("lib/libx.so.txt.gz", b""),
        ("lib/libx.so", elf_program()),
        ("lib/libx.a", elf_library("libx.so")),
        ("lib/module.so", elf_library("", exports="PyInit_module")),
        ("lib/lib\u00fc.so", elf_library("lib\u00fc.so", exports="PyInitU_lib_joa")),
        ("lib/libx.so/inside", elf_library("libx.so")),
    ],
)
def test_what_is_none(path: str, content: bytes) -> None:
    assert _names(path, content) == []


def test_folders_and_links_are_none() -> None:
    assert libraries([directory("libx.so", origin="x 1"), symlink("liby.so", "libx.so", origin="x 1")]) == ()


@given(st.binary(max_size=400), st.integers(0, 300))
def test_any_bytes_have_a_name_or_none(noise: bytes, at: int) -> None:
    good = elf_library("libsample.so.1")
    for content in (noise, good[:at] + noise + good[at + len(noise) :]):
        for found in libraries([file_of_bytes("libsample.so.1", content, origin="demo 1.0")]):
            assert isinstance(found, Library)
            assert len(found.name) <= 4096
