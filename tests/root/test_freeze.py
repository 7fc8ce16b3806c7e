"""A program of an image that leaves something else than a golden record, in the sandbox."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.errors import RunError
from mlimage.host.ask import shut_in
from mlimage.host.choose import Choice
from mlimage.host.contract import User, read_contract
from mlimage.host.launch import launch
from mlimage.host.request import RunRequest
from mlimage.oci.store import Store
from mlimage.progress import SILENT
from mlimage.spec.golden import Golden
from mlimage.verify.freeze import freeze
from mlimage.verify.requests import Request
from support.running import small_image
from support.unfit import watchdog

pytestmark = pytest.mark.namespaces

GOLDEN = Golden(preprocess="features:transform", predict="model:scores", model="model.npz")
PLACE = "/data/golden/record"


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog(60):
        yield


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            f"ln -s /dev/zero {PLACE}/manifest.json",
            "`record/manifest.json`: it is a symbolic link, not a regular file",
        ),
        (f"mkfifo {PLACE}/manifest.json", "`record/manifest.json`: it is a named pipe, not a regular file"),
        (
            f"truncate -s 1T {PLACE}/manifest.json",
            "`record`: it is larger than 512 MiB",
        ),
        (f"ln -s /etc {PLACE}/cases", "`record/cases`: it is a symbolic link, not a regular file"),
        ("true", "manifest.json: there is no golden record"),
    ],
)
def test_what_it_leaves_is_looked_at(script: str, why: str, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path.parent):
        folder.chmod(0o755)
    cache = Cache(tmp_path / "cache")
    cache.root.mkdir(mode=0o755)
    store = Store(cache.store)
    image = small_image(store, programs={"record": script})
    own = User(os.geteuid(), os.getegid())
    request = RunRequest(
        image=image,
        contract=read_contract(image, store),
        arguments=("record",),
        user=User(65532, 65532) if own.uid == 0 else own,
    )

    def run(each: RunRequest) -> int:
        return launch(
            shut_in(each, 30),
            Choice(daemon=None, why=""),
            store=store,
            cache=cache,
            progress=SILENT,
            say=lambda _: None,
        )

    with pytest.raises(RunError) as caught:
        freeze(request, GOLDEN, (Request(name="one.json", content=b"1"),), run=run)
    assert caught.value.message == f"the golden record that `demo:cpu` wrote cannot be used: {why}"
