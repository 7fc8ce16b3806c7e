import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Http, Retry
from mlimage.lock.files import IndexFile
from mlimage.lock.index import Indexes
from mlimage.lock.projects import Projects
from mlimage.mirrors import Location, Mirrors
from support.notes import Notes
from support.webserver import LOGIN_PAGE, Fault, web_server
from support.wheels import make_wheel, metadata_of

WHEEL = "demo-1.0-py3-none-any.whl"
METADATA = metadata_of("demo", "1.0")


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=Retry(attempts=2, sleep=lambda _: None), read_timeout=2) as client:
        yield client


@pytest.fixture
def wheel(tmp_path: Path) -> bytes:
    # Noise, so that the wheel is larger than the tail that is read first.
    return make_wheel(tmp_path / "wheel", "demo", "1.0", {"demo.bin": os.urandom(200_000)}).read_bytes()


@pytest.fixture
def notes() -> Notes:
    return Notes()


def indexes(http: Http, folder: Path, notes: Notes, *places: str | Path, **more: str) -> Indexes:
    urls = [place.as_uri() if isinstance(place, Path) else place for place in places]
    configured = {"default": tuple(Location(url) for url in urls)}
    return Indexes(
        http=http,
        cache=Cache(folder / "cache"),
        mirrors=Mirrors(configured=configured | {name: (Location(url),) for name, url in more.items()}),
        bound={"Bound.Package": "own"},
        progress=notes,
    )


@pytest.mark.parametrize("style", ["json", "html"])
def test_the_files_of_a_project(style: str, http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server(style=style) as web:
        web.offer("Demo", WHEEL, wheel, requires_python=">=3.9", yanked="broken")
        found = indexes(http, tmp_path, notes, web.index).files("DEMO")
        assert found == (
            IndexFile(
                index="default",
                project="demo",  # type: ignore[arg-type]  # it is normalized
                filename=WHEEL,
                url=f"{web.origin}/files/{WHEEL}",
                sha256=Digest.of(wheel),
                size=len(wheel) if style == "json" else None,
                yanked="broken",
                requires_python=">=3.9",
            ),
        )
        assert web.paths() == ["/simple/demo/"]


def test_a_page_is_asked_for_once(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel)
        found = indexes(http, tmp_path, notes, web.index)
        assert found.files("demo") == found.files("Demo")
        assert found.files("nothing") == ()
        assert found.files("nothing") == ()
        assert web.paths() == ["/simple/demo/", "/simple/nothing/"]


def test_a_page_is_asked_for_once_by_all(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel)
        mirrors = Mirrors(configured={name: (Location(web.index),) for name in ("default", "other")})
        projects = Projects(http, notes)
        one, two, three = (
            Indexes(http=http, cache=Cache(tmp_path), mirrors=mirrors, bound=bound, projects=projects)
            for bound in ({}, {}, {"demo": "other"})
        )
        assert one.files("demo") is two.files("demo")
        assert web.paths() == ["/simple/demo/"]
        assert [file.index for file in three.files("demo")] == ["other"]


def test_a_bound_package_comes_from_its_index_only(
    http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    with web_server() as default, web_server() as own:
        default.offer("bound-package", "bound_package-9.0-py3-none-any.whl", b"evil")
        own.offer("other", "other-9.0-py3-none-any.whl", b"evil")
        found = indexes(http, tmp_path, notes, default.index, own=own.index)
        assert found.files("bound.package") == ()
        assert found.files("other") == ()
        assert found.index_of("BOUND_package") == "own"
        assert (default.paths(), own.paths()) == (["/simple/other/"], ["/simple/bound-package/"])


def test_the_next_mirror_is_asked_and_the_broken_one_no_more(
    http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    with web_server() as first, web_server() as second:
        first.spoil("/simple/", Fault(status=500))
        second.offer("demo", WHEEL, wheel)
        second.offer("other", "other-1.0-py3-none-any.whl", wheel)
        found = indexes(http, tmp_path, notes, first.index, second.index)
        assert [file.url for file in found.files("demo")] == [f"{second.origin}/files/{WHEEL}"]
        assert [file.filename for file in found.files("other")] == ["other-1.0-py3-none-any.whl"]
        assert len(first.requests) == 2
        with pytest.raises(FetchError, match="HTTP 500"):
            found.files("nothing")  # the broken one might have it
        assert notes.details[0] == (
            f"index `default`: `{first.index}/demo/` cannot be fetched: tried 2 times: HTTP 500"
        )


def test_all_mirrors_are_named_when_none_answers(http: Http, tmp_path: Path, notes: Notes) -> None:
    with web_server() as first, web_server() as second:
        first.spoil("/simple/", Fault(status=503))
        second.spoil("/simple/", LOGIN_PAGE)
        with pytest.raises(FetchError) as caught:
            indexes(http, tmp_path, notes, first.index, second.index).files("demo")
        assert str(caught.value) == (
            f"index `default`: `{first.index}/demo/` cannot be fetched: tried 2 times: HTTP 503; "
            f"`{second.index}/demo/` answers with a web page (`Sign in`) that is no index page "
            "(asked for `demo`)"
        )
        assert caught.value.hint == "is a login, or a proxy, in between? open the URL in a browser"


def test_plain_http_is_warned_about_once(http: Http, tmp_path: Path, notes: Notes) -> None:
    with web_server() as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", proxy.origin)
        found = indexes(http, tmp_path, notes, "http://index.example.com/simple")
        found.files("demo")
        found.files("other")
    assert notes.notes == ["index `default` is read without encryption: whoever is in between can change it"]


def only(found: Indexes) -> IndexFile:
    (file,) = found.files("demo")
    return file


def test_metadata_by_its_own_file(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel, metadata=METADATA)
        found = indexes(http, tmp_path, notes, web.index)
        assert found.metadata(only(found)) == METADATA
        assert web.paths() == ["/simple/demo/", f"/files/{WHEEL}.metadata"]
        again = indexes(http, tmp_path, notes, web.index)
        assert again.metadata(only(again)) == METADATA
        assert web.paths()[2:] == ["/simple/demo/"]


def test_damaged_metadata_in_the_cache_is_fetched_again(
    http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel, metadata=METADATA)
        found = indexes(http, tmp_path, notes, web.index)
        found.metadata(only(found))
        (kept,) = (path for path in (tmp_path / "cache" / "metadata").rglob("*") if path.is_file())
        kept.write_bytes(kept.read_bytes().replace(b"1.0", b"2.0"))
        assert found.metadata(only(found)) == METADATA
        assert web.paths().count(f"/files/{WHEEL}.metadata") == 2


def test_metadata_with_another_hash(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel, metadata=METADATA, metadata_sha256="0" * 64)
        found = indexes(http, tmp_path, notes, web.index)
        with pytest.raises(FetchError) as caught:
            found.metadata(only(found))
        assert str(caught.value) == (
            f"the metadata of `{WHEEL}` from index `default` has another hash: "
            f"expected sha256:{'0' * 64}, got {Digest.of(METADATA)}"
        )


def test_metadata_by_ranges(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server(style="html") as web:
        web.offer("demo", WHEEL, wheel)
        found = indexes(http, tmp_path, notes, web.index)
        assert found.metadata(only(found)) == METADATA
        assert [request.headers.get("Range") for request in web.requests] == [None, "bytes=-65536"]
        assert not (tmp_path / "cache" / "inputs").exists()


def test_promised_metadata_that_is_not_there(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel, metadata=METADATA)
        del web.files[f"/files/{WHEEL}.metadata"]
        found = indexes(http, tmp_path, notes, web.index)
        assert found.metadata(only(found)) == METADATA
        assert notes.details == [f"`{WHEEL}`: the metadata that `default` promises is not there"]


@pytest.mark.parametrize("ranges", ["ignored", "refused"])
def test_metadata_by_the_whole_wheel(
    ranges: str, http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    with web_server(style="html", ranges=ranges) as web:
        web.offer("demo", WHEEL, wheel)
        found = indexes(http, tmp_path, notes, web.index)
        assert found.metadata(only(found)) == METADATA
        assert Cache(tmp_path / "cache").input(Digest.of(wheel)).read_bytes() == wheel
        assert notes.details == [
            f"`{web.origin}/files/{WHEEL}` comes only as a whole: the whole wheel is fetched for its metadata"
        ]


def test_the_whole_wheel_is_verified(http: Http, tmp_path: Path, notes: Notes, wheel: bytes) -> None:
    with web_server(style="html", ranges="refused") as web:
        web.offer("demo", WHEEL, wheel, claimed_sha256="0" * 64)
        found = indexes(http, tmp_path, notes, web.index)
        with pytest.raises(FetchError, match=f"expected sha256:{'0' * 64}, got {Digest.of(wheel)}"):
            found.metadata(only(found))


def test_a_file_without_a_hash_has_metadata_but_no_wheel(
    http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    with web_server() as web:
        web.offer("demo", WHEEL, wheel, hashed=False)
        found = indexes(http, tmp_path, notes, web.index)
        assert only(found).sha256 is None
        assert found.metadata(only(found)) == METADATA
        with pytest.raises(FetchError) as caught:
            found.wheel(only(found))
        assert str(caught.value) == (f"index `default` gives no sha256 for `{WHEEL}`, so it cannot be locked")


def test_a_folder_of_wheels(http: Http, tmp_path: Path, notes: Notes) -> None:
    folder = tmp_path / "wheels"
    path = make_wheel(folder, "demo", "1.0", {"demo.py": b""})
    other = make_wheel(folder, "demo", "1.1", {"demo.py": b""})
    make_wheel(folder, "other", "1.0", {"other.py": b""})
    (folder / "demo-1.2.tar.gz").write_bytes(b"source")
    (folder / "notes.txt").write_bytes(b"")
    (folder / "bad.whl").write_bytes(b"")
    found = indexes(http, tmp_path, notes, folder)
    assert [(file.filename, file.size) for file in found.files("demo")] == [
        (WHEEL, path.stat().st_size),
        ("demo-1.1-py3-none-any.whl", other.stat().st_size),
        ("demo-1.2.tar.gz", 6),
    ]
    first = found.files("demo")[0]
    assert (first.sha256, first.url) == (Digest.of_file(path), path.as_uri())
    assert found.metadata(first) == METADATA
    assert found.wheel(first).read_bytes() == path.read_bytes()
    assert found.files("nothing") == ()


@pytest.mark.parametrize("below", ["", "simple/"])
def test_a_folder_with_pages(below: str, http: Http, tmp_path: Path, notes: Notes) -> None:
    folder = tmp_path / "index"
    path = make_wheel(folder / "files", "demo", "1.0", {"demo.py": b""})
    up = "../" * (2 if below else 1)
    page = folder / below / "demo" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="{up}files/{path.name}#sha256={Digest.of_file(path).hex}">x</a>')
    found = indexes(http, tmp_path, notes, folder)
    assert [file.url for file in found.files("demo")] == [path.as_uri()]
    assert found.metadata(only(found)) == METADATA


def test_a_wheel_that_left_its_folder(http: Http, tmp_path: Path, notes: Notes) -> None:
    path = make_wheel(tmp_path / "wheels", "demo", "1.0", {"demo.py": b""})
    found = indexes(http, tmp_path, notes, tmp_path / "wheels")
    file = only(found)
    path.unlink()
    with pytest.raises(FetchError) as caught:
        found.metadata(file)
    assert str(caught.value) == f"`{path}` cannot be read: no such file or directory"


def test_a_mirror_that_is_a_folder_comes_first(
    http: Http, tmp_path: Path, notes: Notes, wheel: bytes
) -> None:
    make_wheel(tmp_path / "wheels", "demo", "0.9", {"demo.py": b""})
    with web_server() as web:
        web.offer("demo", WHEEL, wheel)
        web.offer("other", "other-1.0-py3-none-any.whl", wheel)
        found = indexes(http, tmp_path, notes, tmp_path / "wheels", web.index)
        assert [file.filename for file in found.files("demo")] == ["demo-0.9-py3-none-any.whl"]
        assert [file.filename for file in found.files("other")] == ["other-1.0-py3-none-any.whl"]
