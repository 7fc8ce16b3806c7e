"""What an image hands back is taken only where it is a record, and that of what was asked."""

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlimage.errors import RunError
from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import Record, write_golden
from mlimage.spec.golden import Golden
from mlimage.verify.models import need_models, take_model
from mlimage.verify.requests import Request
from mlimage.verify.returned import returned_record
from support.records import small_record
from support.unfit import put, watchdog

GOLDEN = Golden(preprocess="features:transform", predict="model:scores", model="model.npz")
REQUESTS = (Request(name="one.json", content=b"1"),)
RECORD = small_record()
HINT = (
    "something in the image writes there in place of mlimage: look at what its code does when it is "
    "imported, and build again"
)


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog():
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handed/record").mkdir(parents=True)
    write_golden(RECORD, str(tmp_path / "handed/record"))
    return tmp_path / "handed"


def returned(folder: Path) -> Record:
    return returned_record(folder, "record", GOLDEN, REQUESTS, image="x:cpu")


def refused(folder: Path) -> str:
    with pytest.raises(RunError) as caught:
        returned(folder)
    assert caught.value.hint == HINT
    return caught.value.message.removeprefix("the golden record that `x:cpu` wrote cannot be used: ")


def test_a_record(folder: Path) -> None:
    (folder / "record/more.txt").touch()
    assert returned(folder) == RECORD


def test_a_disk_that_cannot_take_the_copy_is_named(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as a full disk
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            returned(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    place = Path(str(caught.value.filename))
    assert (place.parent, place.name[:15]) == (Path(tempfile.gettempdir()), "mlimage-golden-")
    assert not place.exists()


@pytest.mark.parametrize("path", ["record/manifest.json", "record/cases/0001/raw.bin"])
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("endless", "it is a symbolic link, not a regular file"),
        ("link", "it is a symbolic link, not a regular file"),
        ("pipe", "it is a named pipe, not a regular file"),
        ("sparse", None),
    ],
)
def test_what_lies_in_place_of_a_file(kind: str, why: str | None, path: str, folder: Path) -> None:
    put(kind, folder / path)
    if why is None:
        assert refused(folder) == "`record`: it is larger than 512 MiB"
        os.truncate(folder / path, 300 << 20)
        why = "it is larger than 256 MiB"
    assert refused(folder) == f"`{path}`: {why}"


def test_a_folder_in_place_of_the_manifest(folder: Path) -> None:
    put("folder", folder / "record/manifest.json")
    assert refused(folder) == "manifest.json: there is no golden record"


def test_a_link_in_place_of_the_record(folder: Path, tmp_path: Path) -> None:
    (folder / "record").rename(tmp_path / "elsewhere")
    (folder / "record").symlink_to(tmp_path / "elsewhere")
    assert refused(folder) == "`record`: it is a symbolic link, not a folder"


def test_no_record(folder: Path) -> None:
    shutil.rmtree(folder / "record")
    assert refused(folder) == "`record`: no such file or directory"


def test_more_bytes_than_a_record_has(folder: Path) -> None:
    for number in range(3):
        put("sparse", folder / "record" / str(number))
        os.truncate(folder / "record" / str(number), 200 << 20)
    assert refused(folder) == "`record`: it is larger than 512 MiB"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda record: record._replace(calls={**record.calls, "predict": "os:system"}),
            "it is of `predict: os:system`, and mlimage.yaml has `predict: model:scores`",
        ),
        (
            lambda record: record._replace(tolerance={**TIERS, "outputs": {"float64": 0.99}}),
            "it allows 0.99 in outputs of float64, and no record allows more than 4e-10 there",
        ),
        (
            lambda record: record._replace(model={"../../.ssh/id_rsa": "a" * 64}),
            "manifest.json: it is damaged (ValueError: a path that leads out)",
        ),
        (
            lambda record: record._replace(model={"other.npz": "a" * 64}),
            "it is of `model: other.npz`, which mlimage.yaml does not name",
        ),
        (
            lambda record: record._replace(cases=(record.cases[0]._replace(raw=b"2"),)),
            "its cases are not the requests that it was given",
        ),
        (
            lambda record: record._replace(cases=record.cases * 2),
            "it has two cases named `one.json`",
        ),
        (
            lambda record: record._replace(cases=(record.cases[0]._replace(name="two.json"),)),
            "its cases are not the requests that it was given",
        ),
    ],
)
def test_a_record_of_something_else(change: Callable[[Record], Record], why: str, folder: Path) -> None:
    shutil.rmtree(folder / "record")
    (folder / "record").mkdir()
    write_golden(change(RECORD), str(folder / "record"))
    assert refused(folder) == why


MODEL_HINT = "a model is regular files in the folder of models: remove it, or train again"


@pytest.mark.parametrize("named", ["model.npz", "model"])
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("endless", "it is a link out of the folder"),
        ("link", "it is a link out of the folder"),
        ("pipe", "it is a named pipe, not a regular file"),
    ],
)
def test_a_model_that_is_no_file(kind: str, why: str, named: str, tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = models / named if named == "model.npz" else models / named / "part"
    if named == "model":
        put(kind, models / "deep" / "x")  # is not frozen
    put(kind, path)
    if kind == "link":
        path.unlink()
        path.symlink_to(tmp_path / "secret")
        (tmp_path / "secret").touch()
    golden = GOLDEN.model_copy(update={"model": named})
    with pytest.raises(RunError) as caught:
        need_models(models, golden)
    assert (caught.value.message, caught.value.hint) == (f"`{path}` cannot be frozen: {why}", MODEL_HINT)
    with pytest.raises(RunError) as caught:
        take_model(models, path.relative_to(models).as_posix(), tmp_path / "taken", "a" * 64)
    assert (caught.value.message, caught.value.hint) == (f"`{path}` cannot be frozen: {why}", MODEL_HINT)
    assert not (tmp_path / "taken").exists()


def test_models(tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "run-2").mkdir(parents=True)
    (models / "run-2/model.npz").write_bytes(b"model")
    (models / "model.npz").symlink_to("run-2/model.npz")
    (models / "latest").symlink_to("run-2")
    for named in ("model.npz", "latest", "run-2", "latest/model.npz", ".", "not-there"):
        need_models(models, GOLDEN.model_copy(update={"model": named}))
    sha256 = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"
    take_model(models, "latest/model.npz", tmp_path / "taken/model.npz", sha256)
    assert (tmp_path / "taken/model.npz").read_bytes() == b"model"
    with pytest.raises(RunError) as caught:
        take_model(models, "model.npz", tmp_path / "taken/model.npz", "a" * 64)
    assert (caught.value.message, caught.value.hint) == (
        "`model.npz` has changed while it was recorded",
        "end the training first",
    )
