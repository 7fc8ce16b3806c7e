"""Two packages and one path."""

import gzip
import io
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, arrange, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.engines.collisions import Listings
from mlimage.errors import BuildError
from mlimage.oci.layer import pack
from mlimage.oci.model import LayerBlob
from mlimage.oci.store import Store
from mlimage.plan.model import Compression


class _Layers:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        self.listings = Listings(folder / "layers")
        self.made: list[tuple[Digest, LayerBlob]] = []

    def add(self, name: str, *entries: Entry) -> None:
        key = Digest.of(name.encode())
        arranged = arrange(entries)
        blob = pack(
            arranged, name=name, compression=Compression.GZIP, store=self.store, advance=lambda _: None
        )
        self.listings.put(key, arranged)
        self.made.append((key, blob))

    def check(self) -> None:
        self.listings.check(self.made, self.store)


@pytest.fixture
def layers(tmp_path: Path) -> _Layers:
    return _Layers(tmp_path)


def test_packages_that_share_folders_only(layers: _Layers) -> None:
    layers.add("one", file_of_bytes("site/one/a.py", b"1", origin="one"))
    layers.add("two", file_of_bytes("site/two/a.py", b"2", origin="two"))
    layers.check()


def test_the_same_file_twice(layers: _Layers) -> None:
    for name in ("one", "two"):
        layers.add(name, file_of_bytes("site/nvidia/__init__.py", b"", origin=name))
    layers.check()


def test_different_files_at_one_path(layers: _Layers) -> None:
    layers.add("one", file_of_bytes("site/shared.py", b"1", origin="one"))
    layers.add("two", file_of_bytes("site/shared.py", b"2", origin="two"))
    with pytest.raises(BuildError) as error:
        layers.check()
    assert str(error.value) == "`one` and `two` both write `/site/shared.py`, with different content"


def test_of_a_module_the_source_is_named(layers: _Layers) -> None:
    for name in ("one", "two"):
        cached = file_of_bytes("site/__pycache__/z.pyc", name.encode(), origin=name)
        layers.add(name, cached, file_of_bytes("site/z.py", name.encode(), origin=name))
    with pytest.raises(BuildError) as error:
        layers.check()
    assert str(error.value) == "`one` and `two` both write `/site/z.py`, with different content"


def test_a_file_and_a_link_at_one_path(layers: _Layers) -> None:
    layers.add("one", file_of_bytes("site/shared", b"", origin="one"))
    layers.add("two", symlink("site/shared", "elsewhere", origin="two"))
    with pytest.raises(BuildError):
        layers.check()


def test_a_file_of_one_is_a_folder_of_the_other(layers: _Layers) -> None:
    layers.add("one", file_of_bytes("site/deep/shared", b"", origin="one"))
    layers.add("two", file_of_bytes("site/deep/shared/a/b.py", b"", origin="two"))
    for _ in range(2):
        with pytest.raises(BuildError) as error:
            layers.check()
        assert str(error.value) == (
            "`one` writes the file `/site/deep/shared`, and `two` writes `/site/deep/shared/a/b.py` below it"
        )


def test_a_layer_that_is_no_tar(layers: _Layers) -> None:
    for name in ("one", "two"):
        layers.add(name, file_of_bytes("site/shared.py", b"1", origin=name))
    path = layers.store.blob(layers.made[0][1].blob.digest)
    path.write_bytes(gzip.compress(b"x" * 600))
    with pytest.raises(BuildError, match=r"^layer `one` in the store is damaged: sha256:"):
        layers.check()


def test_a_list_that_is_gone(layers: _Layers, tmp_path: Path) -> None:
    layers.add("one", file_of_bytes("site/one.py", b"1", origin="one"))
    [path] = (tmp_path / "layers").glob("*.paths")
    path.unlink()
    with pytest.raises(BuildError, match=r"^a list of files in the cache was damaged and is removed: `"):
        layers.check()


def test_a_damaged_list_is_removed_and_said(layers: _Layers, tmp_path: Path) -> None:
    layers.add("one", file_of_bytes("site/one.py", b"1", origin="one"))
    [path] = (tmp_path / "layers").glob("*.paths")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(BuildError) as error:
        layers.check()
    assert error.value.message == f"a list of files in the cache was damaged and is removed: `{path}`"
    assert not path.exists()


def test_copies_within_one_layer() -> None:
    again = file_of_bytes("a", b"same", origin="two")
    kept = arrange([file_of_bytes("a", b"same", origin="one"), again])
    assert [entry.origin for entry in kept] == ["one"]
    with pytest.raises(BuildError) as error:
        arrange([file_of_bytes("a", b"one", origin="one"), file_of_bytes("a", b"two", origin="two")])
    assert str(error.value) == "`one` and `two` both write `/a`, with different content"


def test_a_stream_that_gives_a_little_at_a_time_is_still_equal() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1 if size else 0)

    slow = Entry(
        path="a", kind=file_of_bytes("a", b"", origin="").kind, mode=0o644, origin="two", size=4,
        open=lambda: Slow(b"same"),
    )  # fmt: skip
    assert len(arrange([file_of_bytes("a", b"same", origin="one"), slow])) == 1
