import hashlib
import http.server
import json
import threading
from pathlib import Path

import pytest
from docker.errors import APIError

from mlimage.daemon.connect import _no_answer, connect, translated
from mlimage.errors import RunError


@pytest.mark.parametrize("address", ["unix:///no/such/docker.sock", "tcp://127.0.0.1:9"])
def test_a_daemon_that_does_not_answer(address: str) -> None:
    with pytest.raises(RunError) as caught:
        connect({"DOCKER_HOST": address})
    why = "no such file or directory" if address.startswith("unix") else "connection refused"
    assert str(caught.value) == f"no Docker daemon answers at {address}: {why}"
    assert caught.value.hint == (
        "start it (`sudo systemctl start docker`), or let DOCKER_HOST say where one is"
    )


class Answers(http.server.BaseHTTPRequestHandler):
    """An engine of long ago."""

    api = "1.40"

    def do_GET(self) -> None:
        body = json.dumps({"Version": "19.03.15", "ApiVersion": self.api, "Os": "linux", "Arch": "amd64"})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_daemon_that_is_too_old() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_port}"
        with pytest.raises(RunError) as caught:
            connect({"DOCKER_HOST": address})
        server.shutdown()
    assert str(caught.value) == f"Docker 19.03.15 at {address} is too old"
    assert caught.value.hint == "mlimage needs Docker 20.10 or Podman 4"


def test_a_socket_of_others(tmp_path: Path) -> None:
    refused = _no_answer(f"unix://{tmp_path}/docker.sock", PermissionError(13, "Permission denied"))
    assert str(refused) == f"you may not use the Docker daemon at unix://{tmp_path}/docker.sock"
    assert refused.hint == (
        "`sudo usermod -aG docker $USER`, then log in anew; who is in that group can become root"
    )


def test_a_full_disk_is_named() -> None:
    said = "write /var/lib/docker/x: no space left on device"
    with pytest.raises(RunError) as caught, translated("cannot load `demo:cpu`"):
        raise APIError("500 Server Error", explanation=said)
    assert str(caught.value) == "cannot load `demo:cpu`: the disk of the engine is full"


def test_a_daemon_of_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
