"""The names of shared libraries, read from hand-made ones and from real ones in wheels."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.entry import Entry, directory, file_of_bytes, symlink
from mlimage.content.libraries import Linked, is_shared, read_linked, stem_of
from mlimage.content.wheel import wheel_entries
from support.elf import elf_library, elf_program
from support.wheels import make_wheel

SITE = "opt/venv/lib/python3.11/site-packages"


def _linked(path: str, content: bytes) -> Linked | None:
    return read_linked(file_of_bytes(path, content, origin="demo 1.0"))


def test_libraries_of_a_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "demo",
        "1.0",
        {
            "demo.libs/libcudart.faf08d9a.so.13": elf_library("libcudart.so.13", needed=["libc.so.6"]),
            "demo/__init__.py": b"",
            "demo/_C.cpython-311-x86_64-linux-gnu.so": elf_library(
                "_C.so", exports="PyInit__C", needed=["libcore.so.2", "libc.so.6"]
            ),
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
    found = {
        entry.path.removeprefix(f"{SITE}/"): (linked.name, linked.needed)
        for entry in wheel_entries(wheel, python="3.11", origin="demo 1.0")
        if (linked := read_linked(entry))
    }
    assert found == {
        "demo.libs/libcudart.faf08d9a.so.13": ("libcudart.so.13", ("libc.so.6",)),
        "demo/_C.cpython-311-x86_64-linux-gnu.so": ("", ("libcore.so.2", "libc.so.6")),
        "demo/core.so": ("libcore.so.2", ()),
        "demo/lib.cpython-311-x86_64-linux-gnu.so": ("", ()),
        "demo/lib/libc10.so": ("libc10.so", ()),
        "demo/lib/libplain.so": ("libplain.so", ()),
        "demo/lib/transport.so.3": ("transport.so.3", ()),
        "demo/libgeos.abi3.so": ("", ()),
        "demo/plugin.so": ("", ()),
    }


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("torch/lib/libgomp.so.1", "libgomp"),
        ("a/libomp.so", "libomp"),
        ("a/transport.so.3", "transport"),
        ("a/_C.abi3.so", ""),
        ("a/lib.cpython-311-x86_64-linux-gnu.so", "lib.cpython-311-x86_64-linux-gnu"),
        ("lib/libx.so.txt.gz", "libx"),
        ("lib/libx.a", ""),
        ("libx.so/inside", ""),
    ],
)
def test_stems(path: str, stem: str) -> None:
    assert stem_of(path) == stem


@pytest.mark.parametrize("path", ["a/libx.so", "a/libx.so.1", "a/_C.abi3.so"])
def test_names_of_what_is_loaded(path: str) -> None:
    assert is_shared(path)
    assert not is_shared(f"{path}/inside")


class _Counted(io.BytesIO):
    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        _Counted.asked += len(content)
        return content


@pytest.mark.parametrize("needed", [[], ["libc.so.6", "libm.so.6"]])
def test_of_a_large_one_no_more_is_unpacked_than_it_takes(needed: Sequence[str]) -> None:
    content = elf_library("libtorch_cpu.so", needed=needed).ljust(400 << 10, b"\0")
    small = file_of_bytes("a/libtorch_cpu.so", content, origin="torch 2.13.0")
    large = replace(small, size=400 << 20, open=lambda: _Counted(content))
    _Counted.asked = 0
    assert read_linked(large) == read_linked(small) == Linked(name="libtorch_cpu.so", needed=tuple(needed))
    assert _Counted.asked <= 3 << 16


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("lib/libx.so", b"INPUT(liby.so)"),
        ("lib/libx.so", elf_program()),
        ("lib/libx.so", b""),
    ],
)
def test_what_is_nothing_for_the_loader(path: str, content: bytes) -> None:
    assert _linked(path, content) is None


@pytest.mark.parametrize(
    ("path", "hook"),
    [
        ("lib/module.so", "PyInit_module"),
        ("lib/module.abi3.so", "PyModExport_module"),
        ("lib/lib\u00fc.so", "PyInitU_lib_joa"),
    ],
)
def test_modules_have_no_name(path: str, hook: str) -> None:
    assert _linked(path, elf_library("libany.so", exports=hook)) == Linked(name="", needed=())


def test_folders_and_links_are_none() -> None:
    assert read_linked(directory("libx.so", origin="x 1")) is None
    assert read_linked(symlink("liby.so", "libx.so", origin="x 1")) is None


@given(st.binary(max_size=400), st.integers(0, 300), st.booleans())
def test_any_bytes_have_a_name_or_none(noise: bytes, at: int, large: bool) -> None:  # noqa: FBT001
    good = elf_library("libsample.so.1", needed=["libc.so.6"])
    for content in (noise, good[:at] + noise + good[at + len(noise) :]):
        entry: Entry = file_of_bytes("libsample.so.1", content, origin="demo 1.0")
        if large:
            entry = replace(entry, size=17 << 20)
        found = read_linked(entry)
        assert found is None or len(found.name) <= 4096
