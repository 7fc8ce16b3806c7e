"""What programs in an image may ask for, here without one."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlimage_runtime import load_preprocess, places, record


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLIMAGE_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("kept", "name", "file", "content"),
    [
        ({"instances": [[0, 1.5]]}, "usual", "usual.json", b'{"instances":[[0,1.5]]}'),
        ([1, None, "ä"], "list.json", "list.json", b'[1,null,"\\u00e4"]'),
        ("a,b\n1,2\n", "rows.csv", "rows.csv", b"a,b\n1,2\n"),
        ("größe", "text", "text.txt", "größe".encode()),
        (b"\x89PNG", "cat.png", "cat.png", b"\x89PNG"),
        (b"\x00", "raw", "raw.bin", b"\x00"),
        (b"RIFF", "cat.webp", "cat.webp", b"RIFF"),
        ({"x": 0.5}, "undecided-0.5", "undecided-0.5.json", b'{"x":0.5}'),
        ("a", "v1.2", "v1.2.txt", b"a"),
    ],
)
def test_a_request_is_kept(models: Path, kept: Any, name: str, file: str, content: bytes) -> None:
    assert record(kept, name) == str(models / "golden" / file)
    assert (models / "golden" / file).read_bytes() == content
    record(kept, name)
    assert [path.name for path in (models / "golden").iterdir()] == [file]


def test_an_array_is_kept(models: Path) -> None:
    record(np.arange(3), "rows")
    assert np.load(models / "golden/rows.npy").tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "-x", "a b", "x" * 101])
def test_names_that_are_none(models: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a request"):
        record({}, name)
    assert not (models / "golden").exists()


@pytest.mark.parametrize("kept", [object(), {"a": {1, 2}}, float("nan")])
def test_requests_that_json_has_not(models: Path, kept: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        record(kept, "x")
    assert not (models / "golden").exists()


def test_the_folder_of_models_is_a_path(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken wherever its text was."""
    found = places.models()
    assert (found, type(found)) == (models, type(models))
    assert (f"{found}/x", os.path.join(found, "x")) == (f"{models}/x", f"{models}/x")  # noqa: PTH118 - as programs do
    with open(found / "x", "w") as stream:  # noqa: PTH123 - likewise
        stream.write("x")
    monkeypatch.setenv("MLIMAGE_MODELS", "gs://acme/models")
    with pytest.raises(
        LookupError, match="models are at gs://acme/models, which is no folder: read the variable"
    ):
        places.models()
    monkeypatch.delenv("MLIMAGE_MODELS")
    with pytest.raises(LookupError, match="nobody says where models go"):
        places.models()


def test_preprocessing_by_name() -> None:
    assert load_preprocess("json:loads") is json.loads
    with pytest.raises(RuntimeError, match="`json:load_it` cannot be had: AttributeError"):
        load_preprocess("json:load_it")
    with pytest.raises(RuntimeError, match="no golden record says which one"):
        load_preprocess()
