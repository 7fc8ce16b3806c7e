from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.errors import FetchError
from mlimage.fetch import Http
from mlimage.lock.files import IndexFile
from mlimage.lock.index import Indexes
from mlimage.mirrors import load_mirrors
from mlimage.progress import SILENT

pytestmark = pytest.mark.network


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as client:
        yield client


@pytest.fixture
def indexes(http: Http, tmp_path: Path) -> Indexes:
    return Indexes(http=http, cache=Cache(tmp_path / "cache"), mirrors=load_mirrors())


def find(indexes: Indexes, project: str, filename: str) -> IndexFile:
    return next(file for file in indexes.files(project) if file.filename == filename)


def test_a_small_wheel_comes_whole(indexes: Indexes) -> None:
    file = find(indexes, "six", "six-1.16.0-py2.py3-none-any.whl")
    assert file.sha256 == "sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
    assert Digest.of_file(indexes.wheel(file)) == file.sha256


def test_the_metadata_of_a_big_wheel_comes_without_the_wheel(indexes: Indexes, tmp_path: Path) -> None:
    file = find(indexes, "scipy", "scipy-1.11.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    assert b"\nName: scipy\nVersion: 1.11.4\n" in indexes.metadata(file)
    assert not (tmp_path / "cache" / "inputs").exists()


def test_a_project_that_nobody_has(indexes: Indexes) -> None:
    assert indexes.files("mlimage-tests-no-such-project") == ()


@pytest.mark.parametrize("archive", ["debian", "debian-security"])
def test_the_archives_of_apt_answer(archive: str, http: Http) -> None:
    suite = "stable" if archive == "debian" else "stable-security"
    for place in load_mirrors().archive(archive):
        assert http.get(place.join(f"dists/{suite}/Release")).status == 200


def test_a_file_of_the_real_archive_that_is_not_what_was_locked(http: Http, tmp_path: Path) -> None:
    place = load_mirrors().archive("debian")[0]
    with SILENT.task("") as task, pytest.raises(FetchError, match="has another hash"):
        http.download(
            place.join("dists/stable/Release"),
            tmp_path / "file",
            digest=Digest("sha256:" + "0" * 64),
            size=None,
            task=task,
        )
    assert list(tmp_path.iterdir()) == []
