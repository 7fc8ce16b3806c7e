"""Words whose answer is none, in the sandbox: programs of a small image that stand for them."""

import json
import os
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.errors import MlimageError, RunError, VerificationError
from mlimage.host.ask import Answer, ask
from mlimage.host.choose import Choice
from mlimage.host.contract import User, read_contract
from mlimage.host.request import RunRequest
from mlimage.oci.store import Store
from mlimage.progress import SILENT
from support.running import small_image

pytestmark = pytest.mark.namespaces


def answer(folder: Path, script: str) -> Answer:
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    cache = Cache(folder / "cache")
    cache.root.mkdir(mode=0o755)
    store = Store(cache.store)
    image = small_image(store, programs={"probe": script})
    own = User(os.geteuid(), os.getegid())
    request = RunRequest(
        image=image,
        contract=read_contract(image, store),
        arguments=("probe", "--save", "-"),
        user=User(65532, 65532) if own.uid == 0 else own,
    )
    choice = Choice(daemon=None, why="")
    return ask(request, choice, store=store, cache=cache, progress=SILENT, say=lambda _: None, seconds=5)


@pytest.mark.parametrize("status", [0, 8])
def test_an_answer(status: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    value = {"a": [1, "é"]}
    found = answer(tmp_path, f"echo '{json.dumps(value)}'; echo aside >&2; exit {status}")
    assert found == Answer(status=status, said=value, emulated=False)
    assert capfd.readouterr() == ("", "aside\n")


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ("exit 3", RunError, "the probe of `demo:cpu` ended with status 3"),
        ("echo hello", RunError, "the probe of `demo:cpu` gave no JSON"),
        ("echo [1]", RunError, "the probe of `demo:cpu` gave no JSON"),
        ("cat /dev/zero", RunError, "the probe of `demo:cpu` wrote more than 64 MiB to standard output"),
        ("sleep 60", RunError, "`demo:cpu` did not end within 5 s, and was ended"),
        (
            "kill -ILL $$",
            VerificationError,
            "this machine cannot compute it: probe of `demo:cpu` was killed by SIGILL",
        ),
    ],
)
def test_no_answer(script: str, kind: type[MlimageError], message: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        answer(tmp_path, script)
    assert caught.value.message == message
