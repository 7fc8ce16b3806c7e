"""Disks that are full or cannot be written: an error, never half an image, and the next run succeeds."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlimage.atomic import PARTIAL
from mlimage.cache import Cache
from mlimage.content.entry import directory, file_of_bytes
from mlimage.digest import Digest
from mlimage.oci.archive import write_output
from mlimage.oci.reference import resolve
from mlimage.oci.store import Store
from mlimage.oci.survey import size_of
from mlimage.oci.unpack import unpack_image, unpacked
from support.sealing import sealed

pytestmark = pytest.mark.root

LARGE = file_of_bytes("x", os.urandom(3_000_000), origin="test")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system: run it as root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def refused(number: int) -> "pytest.RaisesExc[OSError]":
    return pytest.raises(OSError, check=lambda error: error.errno == number)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    store = Store(small_disk / "store")
    small = sealed(store, image="small", app=[])
    with refused(errno.ENOSPC) as caught:
        sealed(store, image="large", app=[LARGE])
    assert caught.value.filename == str(store.blobs)
    assert store.images() == (small,)
    for path in store.blobs.iterdir():
        assert Digest.of_file(path).hex == path.name
    elsewhere = Store(tmp_path / "store")
    large = sealed(elsewhere, image="large", app=[LARGE])
    with refused(errno.ENOSPC) as caught:
        unpacked(large, elsewhere, Cache(small_disk))
    assert caught.value.filename == str(small_disk / "unpacked")
    for kind, place in (("docker-archive", small_disk / "out.tar"), ("oci", small_disk / "out")):
        with refused(errno.ENOSPC) as caught:
            write_output(large, elsewhere, f"{kind}:{place}")
        assert caught.value.filename == str(place)
    assert Store(small_disk / "out").images() == ()
    assert not [path for path in small_disk.rglob("*") if path.name.startswith(PARTIAL)]
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert sealed(store, image="large", app=[LARGE]) == large
    write_output(large, elsewhere, f"oci:{small_disk}/out")
    assert Store(small_disk / "out").images() == (large,)


def test_a_store_that_can_only_be_read(small_disk: Path) -> None:
    store = Store(small_disk / "store")
    image = sealed(store, app=[])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert resolve(store, "demo") == image
    assert b"".join(store.read(blob) for blob in (image.manifest, image.config))
    with refused(errno.EROFS):
        sealed(store, app=[LARGE])
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert sealed(store, image="other", app=[]) in store.images()


def test_what_only_its_owner_may_read_is_not_counted() -> None:
    if os.geteuid() != 0:
        pytest.fail("only root becomes another: run it as root")
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "seen").write_bytes(b"12")
        (folder / "hidden").mkdir(mode=0o700)
        (folder / "hidden" / "unseen").write_bytes(b"345")
        assert size_of(folder) == 5
        os.seteuid(65534)
        try:
            assert size_of(folder) == 2
        finally:
            os.seteuid(0)


def test_files_get_the_owners_that_the_image_says(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("only root gives files to others: run it as root")
    store = Store(tmp_path / "store")
    image = sealed(
        store,
        app=[
            directory("home/x", origin="t", uid=65532, gid=65533),
            file_of_bytes("home/x/y", b"1", origin="t", uid=65532, gid=65532, mode=0o4755),
        ],
    )
    root = tmp_path / "root"
    root.mkdir()
    unpack_image(image, store, root)
    assert [
        (s.st_uid, s.st_gid, oct(s.st_mode))
        for s in map(os.lstat, (root / "home", root / "home/x", root / "home/x/y"))
    ] == [
        (0, 0, "0o40755"),
        (65532, 65533, "0o40755"),
        (65532, 65532, "0o104755"),
    ]
