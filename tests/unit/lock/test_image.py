"""Locking a base that is an image: one that is in no registry, with a python that nobody runs."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.errors import RegistryError, ResolveError
from mlimage.lock.image import resolve_image, reusable_image, unpacked_python
from mlimage.lock.images import FoundImage
from mlimage.lock.model import ImageBase, ImageLayer, Installation, Wanted
from mlimage.lock.sources import Sources
from mlimage.platforms import Platform
from mlimage.process import Command, Completed
from mlimage.progress import SILENT, Task
from mlimage.spec.load import parse_spec
from support import locks
from support.elf import elf_program

IMAGE = locks.image_base()
WANTED = locks.on_image(locks.lock(), IMAGE).wanted
PLACES = {"base.image": "images/x/mlimage.yaml:3:15", "libgomp1": "images/x/mlimage.yaml:4:3"}
GLIBC = "lib64/ld-linux-x86-64.so.2"
SPEC = b"""\
name: x
python: "3.11"
base: {image: 'python:3.11-slim'}
train: {command: python train.py}
"""
OS_RELEASE = """\
# comment
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
VERSION_CODENAME=bookworm
BROKEN="
ALSO='x\\
"""


@dataclass
class FakeImages:
    """One image, whose root file system has these files."""

    files: dict[str, bytes]
    env: tuple[tuple[str, str], ...] = IMAGE.env
    done: list[str] = field(default_factory=list)
    error: Exception | None = None

    def find(self, platform: Platform) -> FoundImage:
        self.done.append(f"find {platform}")
        if self.error:
            raise self.error
        return FoundImage(
            index=IMAGE.index, manifest=IMAGE.manifest, config=IMAGE.config, env=self.env, layers=IMAGE.layers
        )

    def fetch(self, layer: ImageLayer, task: Task) -> Path:
        self.done.append(f"fetch {layer.size}")
        task.advance(layer.size)
        return Path("/nowhere")

    def unpack(self, layers: Sequence[ImageLayer], folder: Path) -> None:
        self.done.append(f"unpack {len(layers)}")
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


@dataclass
class FakePython:
    """A runner for which python says this of itself, and apt that."""

    version: str = "3.11.9"
    implementation: str = "cpython"
    packages: str = "libgomp1\nlibsndfile1\n"
    uris: str = ""
    status: int = 0
    statuses: list[str] = field(default_factory=list)

    def __call__(self, command: Command) -> Completed:
        text = {"apt-cache": self.packages, "apt-get": self.uris}.get(command.argv[0])
        if command.argv[:2] == ("apt-get", "install"):
            assert command.cwd is not None
            self.statuses.append((command.cwd / "etc/status").read_text())
        if text is None:
            answer = {
                "markers": {"implementation_name": self.implementation}, "tags": [],
                "version": self.version, "glibc": "glibc 2.36",
            }  # fmt: skip
            text = json.dumps(answer)
        return Completed(
            command=command, status=self.status, stdout=text.encode(), stderr=b"Illegal instruction"
        )


FILES = {
    "usr/local/bin/python3.11": elf_program(),
    GLIBC: b"",
    "usr/local/lib/python3.11/os.py": b"",
    "usr/local/lib/python3.11/__pycache__/os.cpython-311.pyc": b"",
    "etc/os-release": OS_RELEASE.encode(),
    "var/lib/dpkg/status": b"Package: libc6\n",
    "usr/bin/dpkg": b"",
}


class Locking:
    """A machine on which one image is locked."""

    def __init__(self, cache: Cache) -> None:
        self.images = FakeImages(dict(FILES))
        self.python = FakePython()
        environ = {
            "MLIMAGE_MIRROR_DEBIAN": "http://mirror.example.com/debian",
            "MLIMAGE_MIRROR_DEBIAN_SECURITY": "http://mirror.example.com/debian-security",
        }
        self.sources = Sources(
            parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x"),
            "cpu",
            cache=cache,
            environ=environ,
            progress=SILENT,
            open_images=lambda *_, **__: self.images,
        )

    def resolve(self, wanted: Wanted = WANTED, *, previous: ImageBase | None = None) -> ImageBase:
        return resolve_image(
            wanted, previous=previous, places=lambda: PLACES, sources=self.sources, run=self.python
        )

    def refused(self, wanted: Wanted = WANTED) -> tuple[str | None, str, str | None]:
        with pytest.raises((ResolveError, RegistryError)) as caught:
            self.resolve(wanted)
        return caught.value.where, caught.value.message, caught.value.hint


@pytest.fixture
def locking(cache: Cache) -> Locking:
    return Locking(cache)


def test_an_image(locking: Locking) -> None:
    assert locking.resolve() == IMAGE
    assert locking.images.done == ["find linux/amd64", "fetch 1006", "fetch 1006", "unpack 2"]
    unpacked_python(IMAGE, locking.sources, locking.python)
    assert len(locking.images.done) == 4, "it is unpacked once"


def test_one_that_was_damaged_in_the_cache(locking: Locking) -> None:
    locking.resolve()
    [root] = locking.sources.cache.roots.iterdir()
    (root / "usr/local/bin/python3.11").unlink()
    assert locking.resolve() == IMAGE
    assert locking.images.done[-1] == "unpack 2"


def test_a_layer_that_fails_ends_the_others(locking: Locking) -> None:
    fetched: list[int] = []

    def fetch(layer: ImageLayer, task: Task) -> Path:
        if layer == IMAGE.layers[0]:
            raise RegistryError("gone")
        for _ in range(10_000):
            task.advance(1)
            time.sleep(0.001)
        fetched.append(1)
        return Path("/nowhere")

    locking.images.fetch = fetch  # type: ignore[method-assign]
    assert locking.refused()[1] == "gone"
    assert fetched == []


def test_the_first_python_of_its_path_counts(locking: Locking) -> None:
    locking.images.files["opt/py/bin/python3.11"] = elf_program()
    locking.images.env = (("PATH", "/opt/py/bin:/usr/local/bin"),)
    locking.images.files["opt/py/lib64/python3.11/os.py"] = b""
    assert locking.resolve().installation == Installation(
        version="3.11.9",
        program="opt/py/bin/python3.11",
        glibc="2.36",
        library="opt/py/lib64/python3.11",
        bytecode=False,
    )


def test_a_python_without_its_library(locking: Locking) -> None:
    del locking.images.files["usr/local/lib/python3.11/os.py"]
    assert locking.refused()[1] == (
        "the base image has `/usr/local/bin/python3.11`, and no standard library in "
        "`/usr/local/lib/python3.11`"
    )


def test_the_digest_of_the_lock_before_stays(locking: Locking) -> None:
    before = replace(IMAGE, manifest=locks.digest_of("before"))
    assert reusable_image(before, WANTED) == before
    assert locking.resolve(previous=before).manifest == before.manifest
    assert "find linux/amd64" not in locking.images.done
    assert reusable_image(before, replace(WANTED, python="3.12")) is None
    assert reusable_image(locks.base(), WANTED) is None
    assert reusable_image(before, locks.lock().wanted) is None


def test_where_the_spec_names_it(locking: Locking) -> None:
    locking.images.error = RegistryError("`docker.io` has no image `x`", hint="is it?")
    assert locking.refused() == ("images/x/mlimage.yaml:3:15", "`docker.io` has no image `x`", "is it?")


def test_an_image_without_python(locking: Locking) -> None:
    del locking.images.files["usr/local/bin/python3.11"]
    where, message, _ = locking.refused()
    assert (where, message) == ("images/x/mlimage.yaml:3:15", "the base image has no python")


@pytest.mark.parametrize(("version", "implementation"), [("3.12.1", "cpython"), ("3.11.9", "pypy")])
def test_a_python_that_is_another(version: str, implementation: str, locking: Locking) -> None:
    locking.python.version, locking.python.implementation = version, implementation
    assert locking.refused()[1] == (
        f'`/usr/local/bin/python3.11` of the base image is {implementation} {version}, the spec says "3.11"'
    )


def test_a_python_that_is_too_old(locking: Locking) -> None:
    assert locking.refused(replace(WANTED, python="3.9")) == (
        "images/x/mlimage.yaml:3:15",
        "python 3.9 is too old: what resolves packages needs python 3.10 or newer",
        'write `python: "3.10"` and `base: {image: python:3.10-slim}`, or a newer one',
    )
    assert locking.images.done == [], "nothing was pulled for it"


def test_a_python_that_does_not_run(locking: Locking) -> None:
    locking.python.status = 132
    assert locking.refused()[1] == "python 3.11 of the base does not run: Illegal instruction"


# ---------------------------------------------------------------- apt packages

ASKED = replace(WANTED, packages=("libgomp1",))
SHA = "51e4c1f1e3a29f7b52daa53a9be7c63452b21cb9b1ba2f592748475c4132f8b4"


def test_debs_that_the_image_lacks(locking: Locking) -> None:
    locking.python.uris = (
        "'http://mirror.example.com/debian/pool/main/g/gcc-12/libgomp1_12.2.0-14_amd64.deb' "
        f"libgomp1_12.2.0-14_amd64.deb 115 SHA256:{SHA}\n"
    )
    [deb] = locking.resolve(ASKED).debs
    assert (deb.name, deb.version, deb.path, deb.postinst) == (
        "libgomp1", "12.2.0-14", "pool/main/g/gcc-12/libgomp1_12.2.0-14_amd64.deb", None,
    )  # fmt: skip
    assert locking.python.statuses == ["Package: libc6\n"]


def test_debs_that_the_image_has(locking: Locking) -> None:
    base = locking.resolve(ASKED)
    assert (base.packages, base.debs) == (("libgomp1",), ())


def test_a_package_that_the_suite_does_not_have(locking: Locking) -> None:
    locking.python.packages = "libgomp2\n"
    assert locking.refused(ASKED) == (
        "images/x/mlimage.yaml:4:3",
        "Debian bookworm has no package `libgomp1`",
        "did you mean `libgomp2`?",
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('ID=ubuntu\nPRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_CODENAME=noble\n', "Ubuntu 24.04 LTS"),
        ("ID=debian\nVERSION_CODENAME=buster\n", "debian"),
        ("", "of a distribution that it does not name"),
    ],
)
def test_another_distribution(text: str, named: str, locking: Locking) -> None:
    locking.images.files["etc/os-release"] = text.encode()
    assert locking.refused(ASKED) == (
        "images/x/mlimage.yaml:3:15",
        f"the base image is {named}, and `base.packages` are of Debian's bookworm and trixie only",
        "take an image that has these packages in it",
    )
    assert locking.resolve().debs == (), "without packages any distribution will do"


@pytest.mark.parametrize("path", ["var/lib/dpkg/status", "usr/bin/dpkg"])
def test_no_dpkg(path: str, locking: Locking) -> None:
    del locking.images.files[path]
    assert locking.refused(ASKED)[1:] == (
        "the base image has no dpkg that could install `base.packages`",
        "take an image that has, or one with these packages in it",
    )


def test_sources_without_a_registry(cache: Cache) -> None:
    spec = parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x")
    sources = Sources(spec, "cpu", cache=cache, environ={}, progress=SILENT)
    with pytest.raises(ValueError, match=r"^a base that is an image needs a registry$"):
        resolve_image(WANTED, previous=None, places=dict, sources=sources, run=FakePython())
