from pathlib import Path

import pytest

from mlimage.daemon.connect import connect
from mlimage.errors import RunError


@pytest.mark.parametrize("address", ["unix:///no/such/docker.sock", "tcp://127.0.0.1:9"])
def test_a_daemon_that_does_not_answer(address: str) -> None:
    with pytest.raises(RunError) as caught:
        connect({"DOCKER_HOST": address})
    why = "no such file or directory" if address.startswith("unix") else "connection refused"
    assert str(caught.value) == f"no Docker daemon answers at {address}: {why}"
    assert caught.value.hint == "start it, or set DOCKER_HOST; on Linux `--runtime sandbox` needs none"


def test_a_daemon_of_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib
    import json

    folder = tmp_path / "contexts/meta" / hashlib.sha256(b"mine").hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": "unix:///no/such/mine.sock"}}}
    (folder / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(RunError) as caught:
        connect({"DOCKER_CONFIG": str(tmp_path)})
    assert str(caught.value) == (
        "no Docker daemon answers at unix:///no/such/mine.sock: no such file or directory"
    )
