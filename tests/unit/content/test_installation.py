"""Which python an image has, and why it cannot be a base."""

from pathlib import Path

import pytest

from mlimage.content.installation import find_python, library_folders, loader_of, read_versions
from mlimage.errors import ResolveError
from mlimage.platforms import LINUX_AMD64
from support.elf import elf_program

GLIBC = "/lib64/ld-linux-x86-64.so.2"
PATH = "/usr/local/bin:/usr/bin:/bin"


class Root:
    """An unpacked image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", b"")
        self.link("lib64", "/usr/lib/x86_64-linux-gnu")

    def file(self, path: str, content: bytes | None = None) -> "Root":
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(elf_program() if content is None else content)
        return self

    def link(self, path: str, target: str) -> "Root":
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).symlink_to(target)
        return self

    def find(self, python: str = "3.11", path: str = PATH) -> str:
        return find_python(self.folder, python, path=path, platform=LINUX_AMD64)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


def test_the_first_of_the_path_counts(root: Root) -> None:
    root.file("usr/bin/python3.11").file("usr/local/bin/python3.11").file("opt/py/bin/python3.11")
    assert root.find() == "usr/local/bin/python3.11"
    assert root.find(path="/opt/py/bin:/usr/bin") == "opt/py/bin/python3.11"
    assert root.find(path="/nowhere:relative::/usr/bin") == "usr/bin/python3.11"


def test_places_that_the_path_does_not_name(root: Root) -> None:
    assert root.file("opt/conda/bin/python3.11").find(path="/bin") == "opt/conda/bin/python3.11"


BANNER = b"\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\nCopyright\0"


def test_versions_are_read_from_the_files(root: Root) -> None:
    root.file("usr/bin/python3.11", b"\x7fELF\x003.11.2\x00")
    root.file("usr/lib/x86_64-linux-gnu/libc.so.6", BANNER)
    assert read_versions(root.folder, "usr/bin/python3.11", "3.11", LINUX_AMD64) == ("3.11.2", "2.36")


def test_the_version_is_in_the_shared_library(root: Root) -> None:
    root.file("usr/local/bin/python3.11", b"\x003.11\x003.1.2\x00")
    root.file("usr/local/lib/libpython3.11.so.1.0", b"\x003.11.9+\x00").file("lib/libc.so.6", BANNER)
    assert read_versions(root.folder, "usr/local/bin/python3.11", "3.11", LINUX_AMD64) == ("3.11.9+", "2.36")


def test_versions_that_nothing_tells(root: Root) -> None:
    root.file("usr/bin/python3.11", b"\x003.11.2\x003.11.3\x00").file("lib/libc.so.6", BANNER)
    with pytest.raises(ResolveError) as caught:
        read_versions(root.folder, "usr/bin/python3.11", "3.11", LINUX_AMD64)
    assert str(caught.value) == (
        "the base image does not tell which python `/usr/bin/python3.11` is, and this machine cannot run it"
    )
    assert caught.value.hint == "lock it on a x86_64 machine"


def test_links_are_followed(root: Root) -> None:
    root.file("opt/python/3.11/bin/python3.11").link(
        "usr/local/bin/python3.11", "/opt/python/3.11/bin/python3.11"
    )
    assert root.find() == "opt/python/3.11/bin/python3.11"


def test_where_its_libraries_are(root: Root) -> None:
    root.file("usr/local/bin/python3.11").file("usr/local/lib/libpython3.11.so.1.0", b"")
    folder = root.folder
    program = folder / root.find()
    assert loader_of(folder, program) == folder / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert library_folders(folder, program, LINUX_AMD64) == (
        folder / "usr/local/lib",
        folder / "usr/lib/x86_64-linux-gnu",
        folder / "usr/lib",
    )


def refusal(root: Root, python: str = "3.11") -> tuple[str, str | None]:
    with pytest.raises(ResolveError) as caught:
        root.find(python)
    return caught.value.message, caught.value.hint


def test_another_python(root: Root) -> None:
    root.file("usr/local/bin/python3.12")
    assert refusal(root) == (
        'the base image has python 3.12 (`/usr/local/bin/python3.12`), the spec says "3.11"',
        'write `python: "3.12"`, or take an image with python 3.11',
    )


def test_other_pythons(root: Root) -> None:
    root.file("usr/bin/python3.9").file("usr/local/bin/python3.12").file("usr/local/bin/python3.12-config")
    assert refusal(root) == (
        (
            "the base image has python 3.9 (`/usr/bin/python3.9`) and 3.12 (`/usr/local/bin/python3.12`), "
            'the spec says "3.11"'
        ),
        'write `python: "3.12"`, or take an image with python 3.11',
    )


def test_no_python(root: Root) -> None:
    assert refusal(root) == (
        "the base image has no python",
        (
            "take one that has, as `python:3.11-slim`, or let mlimage put a base together: "
            "`base: {debian: bookworm}`"
        ),
    )


MUSL = (
    "the base image has the C library musl (`/lib/ld-musl-x86_64.so.1`), and wheels are made for glibc",
    "take one of a distribution with glibc, as the tags `-slim` and `-bookworm` of `python` are",
)


def test_musl(root: Root) -> None:
    root.file("lib/ld-musl-x86_64.so.1", b"")
    assert refusal(root) == MUSL
    root.file("usr/bin/python3.11", elf_program("/lib/ld-musl-x86_64.so.1"))
    assert refusal(root) == MUSL


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", elf_program(""), b""])
def test_no_program_that_loads_libraries(root: Root, content: bytes) -> None:
    root.file("usr/bin/python3.11", content)
    assert refusal(root) == (
        "`/usr/bin/python3.11` of the base image is no program that loads shared libraries",
        "take an image with a python of its distribution, or an official one of python's",
    )


def test_another_architecture(root: Root) -> None:
    root.file("usr/bin/python3.11", elf_program(architecture="arm64"))
    assert refusal(root) == ("`/usr/bin/python3.11` of the base image is not for linux/amd64", None)


def test_a_loader_that_is_not_there(root: Root) -> None:
    root.file("usr/bin/python3.11", elf_program("/nix/store/ld.so"))
    assert refusal(root) == (
        "the base image has no `/nix/store/ld.so`, which `/usr/bin/python3.11` starts with",
        None,
    )


def test_a_place_that_is_no_installation(root: Root) -> None:
    root.file("opt/python3.11").link("usr/bin/python3.11", "/opt/python3.11")
    assert refusal(root) == (
        (
            "`/usr/bin/python3.11` of the base image is `/opt/python3.11`, which is in no folder `bin` of an "
            "installation"
        ),
        None,
    )


@pytest.mark.parametrize("place", ["opt/venv", "opt/mlimage"])
def test_what_mlimage_itself_puts_there(root: Root, place: str) -> None:
    root.file("usr/bin/python3.11")
    (root.folder / place).mkdir(parents=True)
    assert root.find() == "usr/bin/python3.11"
    root.file(f"{place}/x", b"")
    assert refusal(root) == (
        f"the base image has `/{place}` already, where mlimage puts its own files",
        "take the image that this one was made from",
    )
