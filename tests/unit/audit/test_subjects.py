"""What is in an image, by the names that advisories know."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.audit.model import Gap
from mlimage.audit.subjects import Gathering, debian_subject, debs_of, suite_of
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch import Http, Retry
from mlimage.lock.index import Indexes
from mlimage.lock.inputs import Inputs
from mlimage.lock.model import Deb, ImageBase
from mlimage.lock.root import root_folder
from mlimage.mirrors import Location, Mirrors
from mlimage.progress import SILENT
from support.advisories import debian, python
from support.debs import control_of, deb_bytes
from support.locks import base, image_base, lock, on_image, package
from support.unfit import watchdog

STATUS = """\
Package: libc6
Status: install ok installed
Source: glibc
Version: 2.36-9+deb12u10
Description: GNU C Library
 Source: not a field

Package: bsdutils
Status: install ok installed
Source: util-linux (2.38.1-5+deb12u3)
Version: 1:2.38.1-5+deb12u3

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: bash
Status: install ok installed
Version: 5.2.15-2+b8
"""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def inputs(cache: Cache, tmp_path: Path) -> Iterator[Inputs]:
    (tmp_path / "archive").mkdir()
    mirrors = Mirrors(configured={"debian": (Location((tmp_path / "archive").as_uri()),)})
    with Http(retry=Retry(attempts=1)) as http:
        indexes = Indexes(http=http, cache=cache, mirrors=mirrors)
        yield Inputs(cache=cache, http=http, mirrors=mirrors, indexes=indexes)


def put(cache: Cache, deb: Deb, **fields: str) -> Deb:
    """The deb, in the cache."""
    content = deb_bytes(control=control_of(deb.name, deb.version, **fields))
    found = replace(deb, sha256=Digest.of(content), size=len(content))
    cache.input(found.sha256).parent.mkdir(parents=True, exist_ok=True)
    cache.input(found.sha256).write_bytes(content)
    return found


def test_a_lock(cache: Cache, inputs: Inputs) -> None:
    libc, zlib = base("libc6", "zlib1g").debs
    debs = (put(cache, libc, Source="glibc (2.36-9)"), put(cache, zlib, Source="zlib"))
    first = replace(
        lock([package("torch", "2.13.0+cpu"), package("numpy", "2.1")]),
        base=replace(base(), debs=debs),
    )
    second = replace(lock([package("torch", "2.13.0")]), base=replace(base(), debs=debs[:1]))
    gathering = Gathering(cache=cache, progress=SILENT)
    gathering.add(first, "a:cpu", inputs)
    gathering.add(second, "a:cuda", inputs)
    found = gathering.found
    assert found.images == {
        python("torch", "2.13.0"): {"a:cpu", "a:cuda"},
        python("numpy", "2.1"): {"a:cpu"},
        debian("glibc", "2.36-9"): {"a:cpu", "a:cuda"},
        debian("zlib", "1.0-1"): {"a:cpu"},
    }
    assert found.packages[debian("glibc", "2.36-9")] == {"libc6"}
    assert found.gaps == ()


def test_debs_that_cannot_be_had(cache: Cache, inputs: Inputs, tmp_path: Path) -> None:
    gathering = Gathering(cache=cache, progress=SILENT)
    gathering.add(replace(lock([package("numpy")]), base=base("zlib1g")), "a:cpu", inputs)
    [gap] = gathering.found.gaps
    assert gap.what == "the Debian packages of `a:cpu`"
    assert gap.why.startswith("`zlib1g 1.0-1` from archive `debian`: ")
    assert set(gathering.found.images) == {python("numpy", "1.0")}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("", debian("libc6", "2.36-9+b1")),
        ("glibc", debian("glibc", "2.36-9+b1")),
        ("glibc (2.36-9)", debian("glibc", "2.36-9")),
        ("util-linux (2.38.1-5)", debian("util-linux", "2.38.1-5")),
    ],
)
def test_sources_have_versions_of_their_own(source: str, wanted: object) -> None:
    assert debian_subject("libc6", "2.36-9+b1", source, "bookworm") == wanted


def unpacked(cache: Cache, base: ImageBase, system: str) -> Path:
    root = root_folder(cache, base)
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(STATUS)
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text(system)
    site = root / base.installation.library / "site-packages"
    for name in ("pip-24.0.dist-info", "Some_Thing-1.2.dist-info", "odd-x.dist-info", "plain"):
        (site / name).mkdir(parents=True)
    return root


def test_a_base_image_that_is_unpacked(cache: Cache, inputs: Inputs) -> None:
    own = replace(image_base(debs=["zlib1g"]), debs=(put(cache, base("zlib1g").debs[0], Source="zlib"),))
    root = unpacked(cache, own, 'PRETTY_NAME="Debian"\nVERSION_CODENAME=bookworm\nID=debian\n')
    gathering = Gathering(cache=cache, progress=SILENT)
    gathering.add(on_image(lock([package("numpy", "2.1")]), own), "a:cpu", inputs)
    assert set(gathering.found.images) == {
        python("numpy", "2.1"),
        python("pip", "24.0"),
        python("some-thing", "1.2"),
        debian("glibc", "2.36-9+deb12u10"),
        debian("util-linux", "2.38.1-5+deb12u3"),
        debian("bash", "5.2.15-2+b8"),
        debian("zlib", "1.0-1"),
    }
    assert gathering.found.gaps == ()
    # As distroless images have it.
    (root / "var/lib/dpkg/status").unlink()
    (root / "var/lib/dpkg/status.d").mkdir()
    (root / "var/lib/dpkg/status.d/tzdata").write_text("Package: tzdata\nVersion: 2025b-0+deb12u1\n")
    (root / "var/lib/dpkg/status.d/tzdata.md5sums").write_text("Package: no\nVersion: 1\n")
    assert list(debs_of(root, "bookworm")) == [("tzdata", debian("tzdata", "2025b-0+deb12u1"))]


def test_a_base_image_that_cannot_be_looked_at(cache: Cache, inputs: Inputs) -> None:
    own = image_base()
    gathering = Gathering(cache=cache, progress=SILENT)
    gathering.add(on_image(lock(), own), "digits:cpu", inputs)
    assert gathering.found.gaps == (
        Gap(
            what="the base image `library/python:3.11-slim` of `digits:cpu`",
            why="it is not unpacked on this machine, and no lock says what is in it",
            hint="`mlimage build digits` brings it",
        ),
    )
    unpacked(cache, own, "ID=ubuntu\nVERSION_CODENAME=noble\n")
    gathering = Gathering(cache=cache, progress=SILENT)
    gathering.add(on_image(lock(), own), "digits:cpu", inputs)
    assert gathering.found.gaps == (
        Gap(
            what="the packages of the base image `library/python:3.11-slim` of `digits:cpu`",
            why="it is `ubuntu`, of which no source is known here",
        ),
    )


@pytest.mark.parametrize(
    ("text", "suite"),
    [
        ('ID="debian"\nVERSION_CODENAME="trixie"\n', "trixie"),
        ("ID=debian\n", "debian"),
        ("ID=alpine\n", "alpine"),
        ("", "unknown"),
    ],
)
def test_what_a_base_is(tmp_path: Path, text: str, suite: str) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text(text)
    assert suite_of(tmp_path) == suite


def test_a_base_image_whose_links_lead_to_files_of_this_machine(tmp_path: Path) -> None:
    """They are of the image: `/dev/zero` of this machine has no end."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "usr/lib").mkdir(parents=True)
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "etc/os-release").symlink_to("/dev/zero")
    (root / "usr/lib/os-release").symlink_to("/etc/os-release")
    (root / "var/lib/dpkg/status").symlink_to("/dev/zero")
    (root / "var/lib/dpkg/status.d").symlink_to("/var/lib/dpkg")
    with watchdog():
        assert suite_of(root) == "unknown"
        assert list(debs_of(root, "bookworm")) == []
    (root / "etc/os-release").unlink()
    (root / "etc/os-release").symlink_to("/usr/lib/debian")
    (root / "usr/lib/debian").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    assert suite_of(root) == "bookworm"
