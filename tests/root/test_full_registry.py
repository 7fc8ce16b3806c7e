"""Debian's own registry with its disk full: a push ends with status 9, and goes on when there is room."""

import os
import subprocess
from pathlib import Path

import pytest

from mlimage.errors import RegistryError
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.pushing import destination, pushed
from support.registries import own_registry

pytestmark = [pytest.mark.root, pytest.mark.engine]


def test_a_full_registry(tmp_path: Path, pushable: SealedImage, source: Store, quick: Http) -> None:
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system: run it as root")
    storage = tmp_path / "storage"
    storage.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", storage], check=True)
    try:
        with own_registry(tmp_path / "registry", storage=storage) as registry:
            to = destination(registry.host, quick)
            with pytest.raises(RegistryError) as caught:
                pushed(pushable, source, to)
            assert caught.value.exit_status == 9
            assert caught.value.message.startswith(f"`{registry.host}` fails at `team/demo@sha256:")
            assert caught.value.hint == "its disk may be full: ask its operator, and push again"
            assert registry.tags("team/demo") == []
            subprocess.run(["mount", "-o", "remount,size=20m", storage], check=True)
            pushed(pushable, source, to)
            assert len(registry.tags("team/demo")) == 1
    finally:
        subprocess.run(["umount", storage], check=True)
