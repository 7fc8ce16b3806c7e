"""What of a golden record goes into an image: all of it, as it was recorded, or nothing."""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.engines.golden import golden_files, trained_since
from mlimage.errors import BuildError
from mlimage.plan.decide import plan
from mlimage.plan.model import BuildPlan, GoldenLayer
from mlimage.runtime.golden.record import write_golden
from mlimage.spec.frozen import DIGEST, digest_line, read_manifest
from mlimage.spec.load import LoadedSpec, parse_spec
from support.locks import lock
from support.records import small_record
from support.unfit import put, watchdog

SPEC = b"""
name: x
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
serve: {command: python serve.py}
golden: {preprocess: 'features:transform', predict: 'model:scores', model: model.npz}
"""
AGAIN = "take the folder from version control, or `mlimage freeze x` records anew"


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    with watchdog():
        yield


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With an application, a model, and what froze it."""
    app, frozen = tmp_path / "images/x/app", tmp_path / "lockfiles/x/golden/frozen"
    for folder in (app, frozen, tmp_path / "models/x"):
        folder.mkdir(parents=True)
    (app / "features.py").write_bytes(b"def transform(x): ...\n")
    (frozen / "model.npz").write_bytes(b"model")
    (tmp_path / "models/x/model.npz").write_bytes(b"model")
    record = small_record(model=digest(b"model"), preprocess=digest(b"def transform(x): ...\n"))
    place = frozen.parent
    write_golden(record, str(place))
    (place / DIGEST).write_text(digest_line((place / "manifest.json").read_bytes()))
    return tmp_path


def planned(project: Path) -> BuildPlan:
    loaded = LoadedSpec(
        spec=parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x"), requirements=(), ignore=()
    )
    return plan(replace(loaded, manifest=read_manifest(project / "lockfiles/x")), lock())


def paths(project: Path) -> list[str]:
    planning = planned(project)
    layer = planning.layers[-1]
    assert isinstance(layer, GoldenLayer)
    return [entry.path for entry in golden_files(layer, planning, project / "images/x") if entry.open]


def refused(project: Path) -> tuple[str, str | None]:
    with pytest.raises(BuildError) as caught:
        paths(project)
    return caught.value.message, caught.value.hint


WHOLE = [
    "models/model.npz",
    "opt/mlimage/golden/cases/0001/features.npy",
    "opt/mlimage/golden/cases/0001/outputs/output.npy",
    "opt/mlimage/golden/cases/0001/raw.bin",
    "opt/mlimage/golden/manifest.json",
]


def test_a_whole_record(project: Path) -> None:
    """What holds it, and what tools leave, is in no image."""
    (project / "lockfiles/x/golden/.DS_Store").touch()
    assert paths(project) == WHOLE


def test_no_record(project: Path) -> None:
    assert read_manifest(project / "lockfiles/none") is None
    (project / "lockfiles/y/golden").mkdir(parents=True)
    assert read_manifest(project / "lockfiles/y") is None
    # A file manager has been there, and git has taken all else to another branch.
    (project / "lockfiles/y/golden/cases/.cache").mkdir(parents=True)
    for left in (".DS_Store", "cases/.DS_Store", "cases/.cache/x"):
        (project / "lockfiles/y/golden" / left).touch()
        assert read_manifest(project / "lockfiles/y") is None


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo])
@pytest.mark.parametrize("left", ["cases/0001/raw.bin", "frozen/model.npz", "x"])
def test_what_is_left_of_a_record(left: str, make: Callable[[Path], None], project: Path) -> None:
    place = project / "lockfiles/y/golden" / left
    place.parent.mkdir(parents=True)
    make(place)
    manifest = read_manifest(project / "lockfiles/y")
    assert manifest
    assert manifest.problem == "it has no `manifest.json`"


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            "manifest.json",
            ("the golden record in `lockfiles/x/golden` is incomplete: it has no `manifest.json`"),
        ),
        (
            "manifest.sha256",
            "the golden record in `lockfiles/x/golden` has no `manifest.sha256`, the digest of its manifest",
        ),
        ("cases/0001/raw.bin", "{golden}/cases/0001/raw.bin: it is missing"),
        (
            "frozen/model.npz",
            "the frozen model cannot be read: `{golden}/frozen/model.npz`: no such file or directory",
        ),
    ],
)
def test_half_a_record(gone: str, message: str, project: Path) -> None:
    golden = project / "lockfiles/x/golden"
    (golden / gone).unlink()
    assert refused(project)[0] == message.format(golden=golden)


@pytest.mark.parametrize("more", ["cases/0002/raw.bin", "frozen/other.npz", "notes.txt"])
def test_a_file_that_the_manifest_does_not_name(more: str, project: Path) -> None:
    path = project / "lockfiles/x/golden" / more
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert refused(project) == (
        f"the golden record has a file that its manifest does not name: `{path}`",
        "remove it, or take the whole folder from version control; `mlimage freeze x` records anew",
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("endless", "it is a symbolic link, not a regular file"),
        ("link", "it is a symbolic link, not a regular file"),
        ("pipe", "it is a named pipe, not a regular file"),
        ("sparse", "it is larger than 256 MiB"),
    ],
)
def test_what_lies_in_place_of_a_file_of_a_case(kind: str, why: str, project: Path) -> None:
    path = project / "lockfiles/x/golden/cases/0001/raw.bin"
    put(kind, path)
    assert refused(project) == (f"the golden record cannot be read: `{path}`: {why}", AGAIN)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("endless", "it is a symbolic link, not a regular file"),
        ("link", "it is a symbolic link, not a regular file"),
        ("pipe", "it is a named pipe, not a regular file"),
        ("sparse", "it is larger than 16 MiB"),
        ("folder", "is a directory"),
    ],
)
def test_what_lies_in_place_of_the_manifest(kind: str, why: str, project: Path) -> None:
    put(kind, project / "lockfiles/x/golden/manifest.json")
    assert refused(project)[0] == (
        f"the golden record in `lockfiles/x/golden` is incomplete: `manifest.json` cannot be read: {why}"
    )


def test_what_lies_in_place_of_its_digest(project: Path) -> None:
    put("endless", project / "lockfiles/x/golden/manifest.sha256")
    assert refused(project)[0] == (
        "the golden record in `lockfiles/x/golden` is incomplete: `manifest.sha256` cannot be read: it is a "
        "symbolic link, not a regular file"
    )


def test_a_link_in_place_of_the_folder(project: Path) -> None:
    golden = project / "lockfiles/x/golden"
    golden.rename(project / "elsewhere")
    golden.symlink_to(project / "elsewhere")
    assert refused(project)[0] == (
        "the golden record in `lockfiles/x/golden` is incomplete: `golden` cannot be read: it is a symbolic "
        "link, not a folder"
    )


def test_an_application_may_have_links_that_stay_in_it(project: Path) -> None:
    app = project / "images/x/app"
    (app / "features.py").rename(app / "own.py")
    (app / "features.py").symlink_to("own.py")
    assert paths(project) == WHOLE


def test_what_was_trained_since(project: Path) -> None:
    model = project / "models/x/model.npz"
    assert trained_since(planned(project), project / "images/x") is None
    model.write_bytes(b"another")
    assert trained_since(planned(project), project / "images/x") == model
    for kind in ("pipe", "endless", "link"):
        put(kind, model)
        assert trained_since(planned(project), project / "images/x") is None
    model.unlink()
    (model.parent / "run-2").write_bytes(b"another")
    model.symlink_to("run-2")
    assert trained_since(planned(project), project / "images/x") == model
