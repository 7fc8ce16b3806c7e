import http.client
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.entry import file_of_bytes
from mlimage.daemon.loopback import Served, part, serving
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.sealing import sealed

LARGE = bytes(range(256)) * 20_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def image(store: Store) -> SealedImage:
    return sealed(store, app=[file_of_bytes("x", LARGE, origin="test")])


def ask(
    served: Served, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, bytes, dict[str, str]]:
    host, _, secret = served.repository.partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, path.replace("SECRET", secret), headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.headers)
    finally:
        connection.close()


def test_an_engine_gets_all_of_the_image(store: Store, image: SealedImage) -> None:
    told: list[int] = []
    with serving(image, store, advance=told.append) as served:
        assert ask(served, "/v2/")[0] == 200
        place = f"/v2/SECRET/manifests/{image.digest}"
        status, body, headers = ask(served, place, "HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", str(image.manifest.size))
        assert headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
        assert headers["Docker-Content-Digest"] == image.digest
        manifest = json.loads(ask(served, place)[1])
        for blob in [manifest["config"], *manifest["layers"]]:
            assert len(ask(served, f"/v2/SECRET/blobs/{blob['digest']}")[1]) == blob["size"]
    sizes = [image.manifest.size, image.config.size, *(layer.blob.size for layer in image.layers)]
    assert served.moved == sum(told) == sum(sizes)
    assert served.asked == len(sizes) + 1


@pytest.mark.parametrize(
    "path", ["/", "/v2/other/manifests/X", "/v2/SECRET/manifests/cpu", "/v2/SECRET/blobs/"]
)
def test_there_is_nothing_else(store: Store, image: SealedImage, path: str) -> None:
    with serving(image, store) as served:
        assert ask(served, path.replace("X", image.digest))[0] == 404
    assert (served.asked, served.moved) == (0, 0)


@pytest.mark.parametrize(("start", "end"), [(0, 10), (7, None), (300, 301), (0, None)])
def test_a_part_of_a_blob(store: Store, image: SealedImage, start: int, end: int | None) -> None:
    blob = image.layers[0].blob
    whole = store.blob(blob.digest).read_bytes()
    header = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
    with serving(image, store) as served:
        status, body, headers = ask(served, f"/v2/SECRET/blobs/{blob.digest}", headers=header)
    assert body == whole[start:end]
    if (start, end) != (0, None):
        assert (status, headers["Content-Range"]) == (
            206,
            f"bytes {start}-{(end or blob.size) - 1}/{blob.size}",
        )


@given(
    st.text(max_size=12) | st.from_regex(r"bytes=[0-9]{1,3}-[0-9]{0,3}", fullmatch=True), st.integers(1, 500)
)
def test_any_range_lies_in_the_blob(header: str, size: int) -> None:
    start, end = part(header, size)
    assert 0 <= start < end <= size


def test_tls_is_answered_in_http(store: Store, image: SealedImage) -> None:
    """Engines fall back to plain HTTP when this answer comes, and wait when none does."""
    with serving(image, store) as served:
        host, _, port = served.repository.partition("/")[0].partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"\x16\x03\x01\x00\xc4 no line ends here")
            assert connection.recv(100).startswith(b"HTTP/1.0 400 ")


def test_a_damaged_blob_is_never_whole(store: Store, image: SealedImage) -> None:
    blob = image.layers[0].blob
    path = store.blob(blob.digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with serving(image, store) as served:
        for _ in range(2):  # engines ask again, and find that it is there no more
            with pytest.raises(http.client.IncompleteRead):
                ask(served, f"/v2/SECRET/blobs/{blob.digest}")
    assert not path.exists()
    assert str(served.failure) == f"layer `app` in the store is damaged: {blob.digest}"


def test_nobody_answers_afterwards(store: Store, image: SealedImage) -> None:
    with serving(image, store) as served:
        pass
    with pytest.raises(ConnectionRefusedError):
        ask(served, "/v2/")
