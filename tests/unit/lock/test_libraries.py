"""Shared libraries that cannot be in one image."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.content.libraries import Linked, read_linked
from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.lock.contents import AbsentError, Contents
from mlimage.lock.libraries import RULES, refuse_cuda, rivals
from mlimage.lock.model import LockedPackage
from support.elf import elf_library
from support.locks import package

SITE = "opt/venv/lib/python3.11/site-packages"


@dataclass
class _Contents(Contents):
    """Packages with these files; those of `absent` packages are listed, and cannot be looked into."""

    of: Mapping[str, Mapping[str, bytes]]
    absent: tuple[str, ...] = ()
    read: list[str] = field(default_factory=list)

    def files(self, package: LockedPackage) -> Mapping[str, str]:
        return {f"{SITE}/{path}": Digest.of(content) for path, content in self.of[package.name].items()}

    def linked(self, package: LockedPackage, paths: Iterable[str]) -> Mapping[str, Linked]:
        if package.name in self.absent:
            raise AbsentError(package.name)
        found = {}
        for path in paths:
            content = self.of[package.name][path.removeprefix(f"{SITE}/")]
            self.read.append(path.removeprefix(f"{SITE}/"))
            linked = read_linked(file_of_bytes(path, content, origin=package.name))
            if linked:
                found[path] = linked
        return found

    @property
    def packages(self) -> list[LockedPackage]:
        return [package(name) for name in self.of]

    def said(self) -> list[str]:
        found, _ = rivals({each: self.files(each) for each in self.packages}, self)
        return [
            f"{each.first.name} {each.paths[0]}, {each.second.name} {each.paths[1]}: {each.name} for "
            f"{each.needed_by}".replace(f"{SITE}/", "")
            for each in found
        ]


def _module(*needed: str) -> bytes:
    return elf_library("", exports="PyInit__C", needed=needed)


def _library(soname: str, filling: bytes = b"", *needed: str) -> bytes:
    return elf_library(soname, filling=filling, needed=needed)


def test_a_library_that_a_module_needs_and_another_package_has_too() -> None:
    contents = _Contents({
        "one": {
            "one/lib/libomp.so.5": _library("libomp.so.5"),
            "one/_C.so": _module("libomp.so.5", "libc.so.6"),
        },
        "two": {"two/libomp.so": _library("libomp.so.5", b"another build")},
    })  # fmt: skip
    assert contents.said() == ["one one/lib/libomp.so.5, two two/libomp.so: libomp.so.5 for one/_C.so"]


def test_the_one_that_needs_it_may_be_of_another_package() -> None:
    contents = _Contents({
        "one": {"one/libx.so.1": _library("libx.so.1")},
        "two": {"two/libx.so.1": _library("libx.so.1", b"2")},
        "user": {"user/_C.so": _module("libx.so.1")},
    })  # fmt: skip
    assert contents.said() == ["one one/libx.so.1, two two/libx.so.1: libx.so.1 for user/_C.so"]


def test_what_nobody_needs_is_opened_by_its_path() -> None:
    contents = _Contents({
        "one": {"one/libllama.so": _library("libllama.so"), "one/_C.so": _module("libc.so.6")},
        "two": {"two/libllama.so": _library("libllama.so", b"2")},
    })  # fmt: skip
    assert contents.said() == []


def test_modules_are_no_libraries_whatever_they_are_called() -> None:
    name = "lib.cpython-311-x86_64-linux-gnu.so"

    def module(package: str) -> bytes:
        return elf_library("", exports="PyInit_lib", filling=package.encode(), needed=["libz.so.1"])

    contents = _Contents({
        each: {f"{each}/{name}": module(each)} for each in ("pandas", "pyarrow", "shapely")
    })  # fmt: skip
    assert contents.said() == []


def test_copies_of_one_package_or_with_equal_bytes() -> None:
    contents = _Contents({
        "one": {"one/libx.so": _library("libx.so"), "one/more/libx.so": _library("libx.so", b"more")},
        "two": {"two/_C.so": _module("libx.so")},
    })  # fmt: skip
    assert contents.said() == []
    contents = _Contents({
        each: {f"{each}/libx.so": _library("libx.so"), f"{each}/_C.so": _module("libx.so")}
        for each in ("one", "two")
    })  # fmt: skip
    assert contents.said() == []


def test_two_files_at_one_path_are_no_matter_of_libraries() -> None:
    contents = _Contents({
        each: {"cv2/libx.so": _library("libx.so", each.encode()), f"{each}/_C.so": _module("libx.so")}
        for each in ("one", "two")
    })  # fmt: skip
    assert contents.said() == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sklearn.libs/libgomp-a34b3233.so.1.0.0", "torch/lib/libgomp.so.1"),
        ("torchvision.libs/libjpeg.5980e1e3.so.8", "pillow.libs/libjpeg-1c2b3a4d.so.8"),
        ("a.libs/libopenblasp-r0-59ffcd50.3.15.so", "b.libs/libopenblasp-r0-59ffcd50.3.15.so"),
        ("nvidia/cuda_cupti/lib/libcupti.so.12", "triton/backends/nvidia/lib/cupti/libcupti.so.12"),
    ],
)
def test_vendored_ones_and_those_that_stand_apart(first: str, second: str) -> None:
    contents = _Contents({
        "one": {first: _library("libsame.so.1"), "one/_C.so": _module("libsame.so.1")},
        "two": {second: _library("libsame.so.1", b"2"), "two/_C.so": _module("libsame.so.1")},
    })  # fmt: skip
    assert contents.said() == []


def test_no_more_is_read_than_what_is_called_alike() -> None:
    contents = _Contents({
        "one": {"one/libx.so": _library("libx.so"), "one/_C.so": _module("libx.so")},
        "two": {"two/liby.so": _library("liby.so"), "two/_C.so": _module("liby.so")},
    })  # fmt: skip
    assert contents.said() == []
    assert contents.read == []


def test_what_cannot_be_looked_into_is_not_judged() -> None:
    of = {
        "one": {"one/libx.so": _library("libx.so")},
        "two": {"two/libx.so": _library("libx.so", b"2")},
        "user": {"user/_C.so": _module("libx.so")},
    }
    for absent in of:
        contents = _Contents(of, absent=(absent,))
        files = {each: contents.files(each) for each in contents.packages}
        assert rivals(files, contents) == ((), False)


def _refuse(contents: _Contents, accelerator: str) -> BuildError:
    with pytest.raises(BuildError) as error:
        refuse_cuda(contents.packages, contents, accelerator=accelerator)
    return error.value


def test_cuda_in_an_image_for_the_cpu() -> None:
    contents = _Contents({
        "nvidia-cudnn-cu13": {"nvidia/cudnn/lib/libcudnn.so.9": _library("libcudnn.so.9")},
        "torchvision": {"torchvision.libs/libcudart.faf08d9a.so.13": _library("libcudart.so.13")},
        "numpy": {"numpy.libs/libscipy_openblas64_-fdde5778.so": _library("libscipy_openblas64_.so")},
        "text": {"text/libcudart.so": b"INPUT(libcudart.so.13)"},
    })  # fmt: skip
    refuse_cuda(contents.packages, contents, accelerator="cuda")
    error = _refuse(contents, "cpu")
    assert str(error) == (
        "an image for the CPU has no libraries of CUDA, and `nvidia-cudnn-cu13` has `libcudnn.so.9`, "
        "`torchvision` has `libcudart.faf08d9a.so.13`"
    )
    assert error.hint == (
        "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
        "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
        "`accelerator: cuda` in the variant"
    )
    absent = _Contents(contents.of, absent=("nvidia-cudnn-cu13", "torchvision"))
    refuse_cuda(absent.packages, absent, accelerator="cpu")


def test_much_cuda_in_an_image_for_the_cpu() -> None:
    contents = _Contents({
        "a": {f"a/{number}/libcublas.so.{number}": _library(f"libcublas.so.{number}") for number in range(2)},
        **{name: {f"{name}/libcublas.so.9": _library("libcublas.so.9")} for name in ("b", "c", "d", "e")},
    })  # fmt: skip
    assert str(_refuse(contents, "cpu")) == (
        "an image for the CPU has no libraries of CUDA, and `a` has `libcublas.so.0` and 1 more, `b` has "
        "`libcublas.so.9`, `c` has `libcublas.so.9`, and 2 more packages"
    )


def test_two_cudas() -> None:
    contents = _Contents({
        "nvidia-cuda-runtime": {"nvidia/cu13/lib/libcudart.so.13": _library("libcudart.so.13")},
        "torchvision": {"torchvision.libs/libcudart.faf08d9a.so.12": _library("libcudart.so.12")},
    })  # fmt: skip
    error = _refuse(contents, "cuda")
    assert str(error) == (
        "an image has one CUDA: `torchvision` has `libcudart.faf08d9a.so.12`, and `nvidia-cuda-runtime` has "
        "`libcudart.so.13`"
    )
    assert error.hint == "lock builds of these packages for one CUDA, or give each an image of its own"


def test_the_table() -> None:
    table = tomllib.loads(RULES.read_text())
    assert Path(RULES).name == "libraries.toml"
    assert table.keys() == {"cuda", "apart"}
    assert all(name.startswith("lib") and not set(".-") & set(name) for name in table["cuda"])
    assert len(set(table["cuda"])) == len(table["cuda"])
    assert all("/" in pattern and not pattern.startswith(("/", "*")) for pattern in table["apart"])
