"""Shared libraries that cannot be in one image."""

import tomllib
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, file_of_bytes
from mlimage.digest import Digest
from mlimage.engines.libraries import Libraries
from mlimage.errors import BuildError
from support.elf import elf_library

SITE = "opt/venv/lib/python3.11/site-packages"
DIFFERENT = (
    "a program gets the one that is loaded first: remove one of the two packages from the spec, or take "
    "releases of which one alone has it"
)


def _entry(package: str, path: str, soname: str = "", *, filling: bytes = b"") -> Entry:
    content = elf_library(soname or path.rpartition("/")[2], filling=filling)
    return file_of_bytes(f"{SITE}/{path}", content, origin=f"{package} 1.0")


def _check(folder: Path, *entries: Entry, accelerator: str = "cuda") -> None:
    """Each entry is in a layer of its own."""
    noted = Libraries(folder)
    keys = [Digest.of(str(number).encode()) for number in range(len(entries))]
    for key, entry in zip(keys, entries, strict=True):
        noted.put(key, [entry])
        assert noted.has(key)
    noted.check(keys, accelerator=accelerator)


def _refusal(folder: Path, *entries: Entry, accelerator: str = "cuda") -> BuildError:
    for _ in range(2):
        with pytest.raises(BuildError) as error:
            _check(folder, *entries, accelerator=accelerator)
    return error.value


def test_one_library_of_two_packages(tmp_path: Path) -> None:
    error = _refusal(
        tmp_path,
        _entry("one", "one/lib/libomp.so.5"),
        _entry("two", "two/libomp.so", "libomp.so.5", filling=b"another build"),
    )
    assert str(error) == (
        "`one` and `two` both have the shared library `libomp.so.5`, with different content: "
        f"`/{SITE}/one/lib/libomp.so.5` and `/{SITE}/two/libomp.so`"
    )
    assert error.hint == DIFFERENT


def test_in_one_layer_too(tmp_path: Path) -> None:
    noted = Libraries(tmp_path)
    key = Digest.of(b"bin")
    noted.put(key, [_entry("one", "one/libx.so"), _entry("two", "two/libx.so", filling=b"2")])
    with pytest.raises(BuildError, match=r"^`one` and `two` both have the shared library `libx\.so`, "):
        noted.check([key], accelerator="cuda")


def test_copies_of_one_package_or_with_equal_bytes(tmp_path: Path) -> None:
    _check(
        tmp_path,
        _entry("one", "one/libx.so"),
        _entry("one", "one/more/libx.so", filling=b"more"),
        _entry("two", "two/libx.so"),
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sklearn.libs/libgomp-a34b3233.so.1.0.0", "torch/lib/libgomp.so.1"),
        ("torchvision.libs/libjpeg.5980e1e3.so.8", "pillow.libs/libjpeg-1c2b3a4d.so.8"),
        ("nvidia/cuda_cupti/lib/libcupti.so.12", "triton/backends/nvidia/lib/cupti/libcupti.so.12"),
    ],
)
def test_vendored_ones_and_those_that_stand_apart(tmp_path: Path, first: str, second: str) -> None:
    soname = first.rpartition("/")[2].replace("-a34b3233", "").replace(".5980e1e3", "")
    _check(tmp_path, _entry("one", first, soname), _entry("two", second, soname, filling=b"2"))


def test_cuda_in_an_image_for_the_cpu(tmp_path: Path) -> None:
    entries = (
        _entry("nvidia-cudnn-cu13", "nvidia/cudnn/lib/libcudnn.so.9"),
        _entry("torchvision", "torchvision.libs/libcudart.faf08d9a.so.13", "libcudart.so.13"),
        _entry("numpy", "numpy.libs/libscipy_openblas64_-fdde5778.so"),
    )
    _check(tmp_path, *entries)
    error = _refusal(tmp_path, *entries, accelerator="cpu")
    assert str(error) == (
        "an image for the CPU has no libraries of CUDA, and `nvidia-cudnn-cu13` has `libcudnn.so.9`, "
        "`torchvision` has `libcudart.so.13`"
    )
    assert error.hint == (
        "take what is built for the CPU: from an index of such builds (`indexes:`, as for torch), without an "
        "extra (`tensorflow`, not `tensorflow[and-cuda]`) or under another name (`xgboost-cpu`); or set "
        "`accelerator: cuda` in the variant"
    )


def test_much_cuda_in_an_image_for_the_cpu(tmp_path: Path) -> None:
    names = ("a", "a", "b", "c", "d", "e")
    entries = [_entry(name, f"{name}/{number}/libcublas.so.{number}") for number, name in enumerate(names)]
    assert str(_refusal(tmp_path, *entries, accelerator="cpu")) == (
        "an image for the CPU has no libraries of CUDA, and `a` has `libcublas.so.0` and 1 more, `b` has "
        "`libcublas.so.2`, `c` has `libcublas.so.3`, and 2 more packages"
    )


def test_two_cudas(tmp_path: Path) -> None:
    error = _refusal(
        tmp_path,
        _entry("nvidia-cuda-runtime", "nvidia/cu13/lib/libcudart.so.13"),
        _entry("torchvision", "torchvision.libs/libcudart.faf08d9a.so.12", "libcudart.so.12"),
    )
    assert str(error) == (
        "an image has one CUDA: `torchvision` has `libcudart.so.12`, and `nvidia-cuda-runtime` has "
        "`libcudart.so.13`"
    )
    assert error.hint == "lock builds of these packages for one CUDA, or give each an image of its own"


def test_what_was_found_good_is_not_read_again(tmp_path: Path) -> None:
    entry = _entry("one", "one/libx.so")
    _check(tmp_path, entry)
    [noted] = tmp_path.glob("*.sonames")
    noted.write_bytes(b"damaged")
    Libraries(tmp_path).check([Digest.of(b"0")], accelerator="cuda")


@pytest.mark.parametrize("content", [b"", b"[{}]", b'[{"package": 1}]', b"{", b"[1]", b"\xff"])
def test_a_damaged_note_is_removed_and_said(tmp_path: Path, content: bytes) -> None:
    noted = Libraries(tmp_path)
    key = Digest.of(b"0")
    noted.put(key, [_entry("one", "one/libx.so")])
    [path] = tmp_path.glob("*.sonames")
    path.write_bytes(content)
    with pytest.raises(BuildError) as error:
        noted.check([key], accelerator="cuda")
    assert error.value.message == f"a list of libraries in the cache was damaged and is removed: `{path}`"
    assert error.value.hint == "build again"
    assert not noted.has(key)


def test_the_table() -> None:
    path = Path(__file__).parents[3] / "builder/mlimage/engines/libraries.toml"
    table = tomllib.loads(path.read_text())
    assert table.keys() == {"cuda", "apart"}
    assert all(name.startswith("lib") and not set(".-") & set(name) for name in table["cuda"])
    assert len(set(table["cuda"])) == len(table["cuda"])
    assert all("/" in pattern and not pattern.startswith(("/", "*")) for pattern in table["apart"])
