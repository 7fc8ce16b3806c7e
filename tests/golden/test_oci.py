"""Bytes of tars, JSON and archives: what they are today they are for ever, or the seal version changes."""

import json
from collections.abc import Callable
from pathlib import Path

from mlimage.content.entry import directory, file_of_bytes, symlink
from mlimage.oci.archive import docker_archive_stream, oci_archive_stream
from mlimage.oci.store import Store
from support.sealing import sealed
from support.tars import ODD, written

Golden = Callable[[str, bytes | str], None]

FILES = (
    directory("app", origin="app"),
    file_of_bytes("app/train.py", b"print('train')\n", origin="app"),
    file_of_bytes("opt/venv/bin/tool", b"#!/opt/venv/bin/python\n", origin="tool", mode=0o755),
    symlink("opt/venv/bin/python", "/usr/bin/python3.11", origin="venv"),
    directory("home/nonroot", origin="base", mode=0o700, uid=65532, gid=65532),
)


def test_a_tar_with_every_kind_of_header(golden: Golden) -> None:
    golden("oci/odd.tar", written(ODD))


def test_an_image(tmp_path: Path, golden: Golden) -> None:
    store = Store(tmp_path)
    image = sealed(store, base=FILES, app=[file_of_bytes("app/serve.py", b"", origin="app")])
    golden("oci/config.json", store.read(image.config))
    golden("oci/manifest.json", store.read(image.manifest))
    golden("oci/index.json", (store.folder / "index.json").read_bytes())
    golden("oci/image.oci.tar", b"".join(oci_archive_stream(image, store)))
    golden("oci/image.docker.tar", b"".join(docker_archive_stream(image, store)))
    assert json.loads(store.read(image.config))["rootfs"]["diff_ids"] == [
        layer.diff_id for layer in image.layers
    ]
