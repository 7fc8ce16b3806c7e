from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.errors import BuildError
from mlimage.oci.contents import Package, image_contents, layer_contents
from mlimage.oci.found import in_store
from mlimage.oci.store import Store
from mlimage.progress import NOTHING
from support.sealing import foreign, sealed

SITE = "opt/venv/lib/python3.11/site-packages"
METADATA = (
    b"Metadata-Version: 2.1\r\nName: Scikit-Learn\r\nVersion: 1.7.2\r\n\r\nName: not this\nVersion: 0\n"
)


def test_packages_of_wheels_and_debs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = sealed(
        store,
        base=[
            file_of_bytes(
                "var/lib/dpkg/status.d/libc6", b"Package: libc6\nVersion: 2.36-9\nDepends: x\n", origin="t"
            ),
            file_of_bytes("var/lib/dpkg/status.d/libc6.md5sums", b"Package: no\nVersion: 1\n", origin="t"),
            file_of_bytes("usr/share/doc/libc6/copyright", b"", origin="t"),
        ],
        packages=[
            file_of_bytes(f"{SITE}/scikit_learn-1.7.2.dist-info/METADATA", METADATA, origin="t"),
            file_of_bytes(f"{SITE}/numpy-2.dist-info/METADATA", b"Name: numpy\nVersion: 2\n", origin="t"),
            file_of_bytes(
                f"{SITE}/setuptools/_vendor/x-1.dist-info/METADATA", b"Name: x\nVersion: 1\n", origin="t"
            ),
            file_of_bytes(f"{SITE}/empty-1.dist-info/METADATA", b"", origin="t"),
        ],
    )
    base, packages = image_contents(in_store(image, store), NOTHING.advance)
    assert base.packages == (Package(type="deb", name="libc6", version="2.36-9"),)
    assert base.files == 3
    assert packages.packages == (
        Package(type="python", name="Scikit-Learn", version="1.7.2"),
        Package(type="python", name="numpy", version="2"),
    )


def test_the_status_file_of_an_ordinary_debian(tmp_path: Path) -> None:
    store = Store(tmp_path)
    status = (
        b"Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n Package: no\n\n"
        b"Package: b\nStatus: deinstall ok config-files\nVersion: 2\n\nPackage: c\nVersion: 3\n"
    )
    image = sealed(store, base=[file_of_bytes("var/lib/dpkg/status", status, origin="t")])
    assert [package.name for package in layer_contents(in_store(image, store).layers[0]).packages] == [
        "a",
        "c",
    ]


def test_a_damaged_layer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = sealed(store, base=[file_of_bytes("x", bytes(9999), origin="t")])
    layer = image.layers[0]
    store.blob(layer.blob.digest).write_bytes(b"")
    with pytest.raises(BuildError) as caught:
        layer_contents(in_store(image, store).layers[0])
    assert str(caught.value) == f"layer `base` in the store is damaged: {layer.blob.digest}"


def test_no_tar(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(BuildError) as caught:
        image_contents(in_store(foreign(store, b"x" * 512), store), NOTHING.advance)
    assert str(caught.value).startswith("layer `layer-0` cannot be read: no octal number")
