import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Http, MissingError, NotWrittenError, Retry
from mlimage.lock.index import Indexes
from mlimage.lock.inputs import Inputs
from mlimage.lock.model import Deb, LockedPackage
from mlimage.mirrors import Location, Mirrors
from mlimage.progress import SILENT
from support.debs import control_of, deb_bytes, member
from support.webserver import Fault, WebServer, web_server
from support.wheels import make_wheel

POOL_VERSION = "12.2.0-14~deb12u1"
CONTENT = deb_bytes(
    [member("./usr/lib/library", b"deb" * 100)], control=control_of("libstdc++6", POOL_VERSION), packing=""
)
POOL = "pool/main/libs/libstdc++/libstdc++6_12.2.0-14~deb12u1_amd64.deb"
WHEEL = "demo-1.0-py3-none-any.whl"


class Recorder:
    """Counts bytes and keeps what is said."""

    task = SILENT.task

    def __init__(self) -> None:
        self.total = 0
        self.details: list[str] = []

    def advance(self, amount: int) -> None:
        self.total += amount

    def note(self, message: str) -> None:
        raise AssertionError(message)

    def warn(self, message: str) -> None:
        raise AssertionError(message)

    def detail(self, message: str) -> None:
        self.details.append(message)


def deb(content: bytes = CONTENT) -> Deb:
    return Deb(
        name="libstdc++6",
        version=POOL_VERSION,
        architecture="amd64",
        archive="debian",
        path=POOL,
        size=len(content),
        sha256=Digest.of(content),
    )


def package(content: bytes, index: str = "default") -> LockedPackage:
    return LockedPackage(
        name="demo",
        version=Version("1.0"),
        index=index,
        file=WHEEL,
        sha256=Digest.of(content),
        size=len(content),
        hashes=(Digest.of(content),),
        required_by=("-r dependencies",),
    )


@pytest.fixture
def said() -> Recorder:
    return Recorder()


@pytest.fixture
def first() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def second() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def make_inputs(cache: Path, http: Http, said: Recorder, *urls: str) -> Inputs:
    places = tuple(Location(url) for url in urls)
    mirrors = Mirrors(configured={"debian": places, "default": places})
    indexes = Indexes(http=http, cache=Cache(cache), mirrors=mirrors, progress=said)
    return Inputs(cache=Cache(cache), http=http, mirrors=mirrors, indexes=indexes, progress=said)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=Retry(attempts=2, sleep=lambda _: None), read_timeout=5) as client:
        yield client


@pytest.fixture
def debs(tmp_path: Path, http: Http, said: Recorder, first: WebServer, second: WebServer) -> Inputs:
    return make_inputs(tmp_path / "cache", http, said, first.origin, second.origin)


@pytest.fixture
def wheels(tmp_path: Path, http: Http, said: Recorder, first: WebServer, second: WebServer) -> Inputs:
    return make_inputs(tmp_path / "cache", http, said, first.index, second.index)


def test_a_deb_is_fetched_once(debs: Inputs, first: WebServer, said: Recorder) -> None:
    first.files[f"/{POOL}"] = CONTENT
    assert not debs.has(deb())
    path = debs.get(deb(), said)
    assert path.read_bytes() == CONTENT
    assert debs.get(deb(), said) == path
    assert debs.has(deb())
    assert (first.paths(), said.total) == ([f"/{POOL}"], len(CONTENT))


def test_the_cache_serves_another_run_without_network(
    debs: Inputs, first: WebServer, said: Recorder, tmp_path: Path, http: Http
) -> None:
    first.files[f"/{POOL}"] = CONTENT
    debs.get(deb(), said)
    again = make_inputs(tmp_path / "cache", http, said)
    assert again.get(deb(), said).read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [b"", b"x" * len(CONTENT), CONTENT[:-1]])
def test_a_damaged_file_is_fetched_again(
    damage: bytes, debs: Inputs, first: WebServer, said: Recorder, tmp_path: Path
) -> None:
    first.files[f"/{POOL}"] = CONTENT
    path = Cache(tmp_path / "cache").input(deb().sha256)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    assert debs.get(deb(), said).read_bytes() == CONTENT
    assert said.details == ["`libstdc++6 12.2.0-14~deb12u1` was damaged in the cache and is fetched again"]


def test_the_next_mirror_is_tried(debs: Inputs, first: WebServer, second: WebServer, said: Recorder) -> None:
    first.files[f"/{POOL}"] = b"x" * len(CONTENT)
    url = f"{first.origin}/{POOL}"
    wrong = Digest.of(b"x" * len(CONTENT))
    second.files[f"/{POOL}"] = CONTENT
    assert debs.get(deb(), said).read_bytes() == CONTENT
    assert len(first.requests) == 2
    assert said.details == [
        f"`{Path(POOL).name}` from `{url}` has another hash: expected {deb().sha256}, got {wrong}"
    ]


def test_a_deb_that_debian_removed(debs: Inputs, first: WebServer, second: WebServer, said: Recorder) -> None:
    with pytest.raises(MissingError) as caught:
        debs.get(deb(), said)
    assert str(caught.value) == (
        "`libstdc++6 12.2.0-14~deb12u1` from archive `debian`: "
        f"`{first.origin}/{POOL}` cannot be fetched: it is not there (HTTP 404); "
        f"`{second.origin}/{POOL}` cannot be fetched: it is not there (HTTP 404)"
    )
    assert caught.value.hint == (
        "Debian removes a package from its mirrors when a newer one supersedes it; "
        "`mlimage lock --upgrade` takes the newer one"
    )


def test_a_mirror_that_is_a_folder(tmp_path: Path, http: Http, said: Recorder) -> None:
    file = tmp_path / "my archive" / POOL
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    inputs = make_inputs(tmp_path / "cache", http, said, (tmp_path / "my archive").as_uri())
    path = inputs.get(deb(), said)
    assert path.read_bytes() == CONTENT
    assert path != file
    file.write_bytes(b"x" * len(CONTENT))
    other = make_inputs(tmp_path / "other", http, said, (tmp_path / "my archive").as_uri())
    with pytest.raises(FetchError, match="has another hash"):
        other.get(deb(), said)


def test_a_wheel_is_found_by_its_hash(
    wheels: Inputs, first: WebServer, second: WebServer, said: Recorder, tmp_path: Path
) -> None:
    content = make_wheel(tmp_path, "demo", "1.0", {"demo.py": b""}).read_bytes()
    first.offer("demo", WHEEL, b"another build")
    second.offer("demo", WHEEL, content)
    assert wheels.get(package(content), said).read_bytes() == content


def test_a_wheel_that_no_mirror_has(
    wheels: Inputs, first: WebServer, second: WebServer, said: Recorder
) -> None:
    first.offer("demo", "demo-2.0-py3-none-any.whl", b"two")
    with pytest.raises(MissingError) as caught:
        wheels.get(package(b"one"), said)
    assert str(caught.value) == f"`demo 1.0` from index `default`: `{WHEEL}` is not in `{first.index}`"
    assert (
        caught.value.hint == "it was removed there; `mlimage lock --upgrade-package demo` takes another one"
    )


def test_a_project_that_no_mirror_has(wheels: Inputs, said: Recorder) -> None:
    with pytest.raises(MissingError) as caught:
        wheels.get(package(b"one"), said)
    assert str(caught.value) == "`demo 1.0` is not in index `default`"


def test_a_wheel_with_another_hash(
    wheels: Inputs, first: WebServer, second: WebServer, said: Recorder
) -> None:
    first.offer("demo", WHEEL, b"two")
    second.offer("demo", WHEEL, b"three", hashed=False)
    with pytest.raises(FetchError) as caught:
        wheels.get(package(b"one"), said)
    assert str(caught.value) == (
        f"`demo 1.0` from index `default`: `{WHEEL}` in `{first.index}` has another hash: "
        f"expected {Digest.of(b'one')}, offered {Digest.of(b'two')}; "
        f"`{WHEEL}` in `{second.index}` has another hash: expected {Digest.of(b'one')}, offered no hash"
    )


def test_an_index_that_lies_about_its_file(wheels: Inputs, first: WebServer, said: Recorder) -> None:
    first.offer("demo", WHEEL, b"bad", claimed_sha256=Digest.of(b"one").hex)
    with pytest.raises(FetchError) as caught:
        wheels.get(package(b"one"), said)
    assert str(caught.value) == (
        f"`demo 1.0` from index `default`: `{WHEEL}` from `{first.origin}/files/{WHEEL}` has another hash: "
        f"expected {Digest.of(b'one')}, got {Digest.of(b'bad')}"
    )


def test_an_unreachable_index(wheels: Inputs, first: WebServer, second: WebServer, said: Recorder) -> None:
    first.spoil("/simple/", Fault(status=502))
    second.spoil("/simple/", Fault(status=403))
    with pytest.raises(FetchError) as caught:
        wheels.get(package(b"one"), said)
    assert str(caught.value) == (
        "`demo 1.0` from index `default`: "
        f"`{first.index}/demo/` cannot be fetched: tried 2 times: HTTP 502; "
        f"`{second.index}/demo/` cannot be fetched: access is refused (HTTP 403)"
    )
    assert caught.value.hint == ("write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc")


def test_another_mirror_is_no_help_for_a_cache_that_cannot_be_written(
    debs: Inputs, first: WebServer, second: WebServer, said: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_bytes(b"a file where the cache should be")
    first.files[f"/{POOL}"] = second.files[f"/{POOL}"] = CONTENT
    with pytest.raises(NotWrittenError, match="cannot be written: not a directory"):
        debs.get(deb(), said)
    assert second.requests == []


def test_threads_fetch_a_file_once(debs: Inputs, first: WebServer, said: Recorder) -> None:
    first.files[f"/{POOL}"] = CONTENT
    threads = [threading.Thread(target=debs.get, args=(deb(), said)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.paths() == [f"/{POOL}"]


ONE_PROCESS = """
import sys
from pathlib import Path
from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch import Http, fetch_input
from mlimage.progress import SILENT

cache, url, digest = sys.argv[1:]
sys.stdin.read()
with Http() as http, SILENT.task("") as task:
    path = fetch_input(http, Cache(Path(cache)), url, digest=Digest(digest), size=None, task=task)
    sys.exit(Digest.of_file(path) != digest)
"""


def test_processes_do_not_disturb_each_other(first: WebServer, tmp_path: Path) -> None:
    first.files[f"/{POOL}"] = CONTENT
    arguments = [sys.executable, "-c", ONE_PROCESS, str(tmp_path), f"{first.origin}/{POOL}", deb().sha256]
    with ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(arguments, stdin=subprocess.PIPE)) for _ in range(3)]
        for process in running:
            process.communicate(b"")
        assert [process.wait(60) for process in running] == [0, 0, 0]
    assert [path.name for path in (tmp_path / "inputs").rglob("*") if path.is_file()] == [deb().sha256.hex]


def test_what_is_at_hand_is_given_without_a_request(
    tmp_path: Path, wheels: Inputs, http: Http, said: Recorder, first: WebServer, second: WebServer
) -> None:
    path = make_wheel(tmp_path / "folder", "demo", "1.0", {})
    wheel = package(path.read_bytes())
    assert wheels.at_hand(wheel) is None
    assert (first.requests, second.requests) == ([], [])
    folder = make_inputs(tmp_path / "cache", http, said, first.index, path.parent.as_uri())
    assert folder.at_hand(wheel) == path
    assert first.requests == []
    kept = Cache(tmp_path / "cache").input(wheel.sha256)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"damaged")
    assert folder.at_hand(wheel) == path
    kept.write_bytes(path.read_bytes())
    assert wheels.at_hand(wheel) == kept
    path.write_bytes(b"another")
    kept.unlink()
    assert folder.at_hand(wheel) is None
