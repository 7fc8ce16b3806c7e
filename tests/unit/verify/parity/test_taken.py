"""The golden record out of an image's layer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.entry import arrange, directory, file_of_bytes
from mlimage.errors import VerificationError
from mlimage.oci.layer import pack
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.plan.golden import FOLDER, NAME
from mlimage.plan.model import Compression
from mlimage.runtime.golden.record import files_of
from mlimage.verify.parity.taken import taken_record
from support.running import small_image
from support.verifying import golden


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def frozen(store: Store, files: Mapping[str, bytes]) -> SealedImage:
    """The small image with these files as its record, and a model."""
    entries = arrange(
        [
            directory("models", origin="test"),
            file_of_bytes("models/model.npz", b"model", origin="test"),
            *(file_of_bytes(f"{FOLDER}/{path}", content, origin="test") for path, content in files.items()),
        ]
    )
    layer = pack(entries, name=NAME, compression=Compression.GZIP, store=store, advance=lambda _: None)
    image = small_image(store)
    return replace(image, layers=(*image.layers, layer))


def test_the_record_comes_and_the_model_stays(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "record"
    folder.mkdir()
    assert taken_record(frozen(store, files_of(golden())), store, folder) == golden()
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "cases"}


def test_an_image_without_one(store: Store, tmp_path: Path) -> None:
    assert taken_record(small_image(store), store, tmp_path) is None


def test_a_newer_one_and_a_damaged_one(store: Store, tmp_path: Path) -> None:
    files = files_of(golden())
    newer = {**files, "manifest.json": files["manifest.json"].replace(b'"format": 1', b'"format": 2')}
    damaged = {**files, "cases/0002/raw.bin": b"another request"}
    for number, (changed, why) in enumerate(
        (
            (newer, "manifest.json: it has format 2, and this version of mlimage reads format 1"),
            (
                damaged,
                "cases/0002/raw.bin: it is not what was recorded: its SHA-256 differs from the manifest's",
            ),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(VerificationError) as caught:
            taken_record(frozen(store, changed), store, folder)
        assert caught.value.message == f"the golden record of `demo:cpu` cannot be used: {why}"


def test_one_that_is_larger_than_records_are(store: Store, tmp_path: Path) -> None:
    files = files_of(golden())
    image, size = frozen(store, files), sum(map(len, files.values()))

    def taken(folder: str, **limits: int) -> object:
        (tmp_path / folder).mkdir()
        return taken_record(image, store, tmp_path / folder, **limits)

    assert taken("whole", most=len(files), largest=size) == golden()
    for limits, why in (
        ({"most": len(files) - 1}, f"it has more than {len(files) - 1} files"),
        ({"largest": size - 1}, f"it is larger than {size - 1:,} bytes"),
    ):
        with pytest.raises(VerificationError) as caught:
            taken(next(iter(limits)), **limits)
        assert caught.value.message == f"the golden record of `demo:cpu` cannot be used: {why}"
