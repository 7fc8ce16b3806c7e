"""The layers that no lock names."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.app import app_entries
from mlimage.engines.own import covered, large_files, said_of_app, unstartable_scripts
from mlimage.errors import BuildError
from mlimage.plan.model import AppLayer


def test_large_files_of_the_app_are_named(tmp_path: Path) -> None:
    for name, size in (("a.bin", 100_000_000), ("b.bin", 250_000_000), ("c.bin", 99_999_999)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    told = "and goes into the image; data and models stay outside: ignore it in `app.ignore` or .dockerignore"
    assert large_files(app_entries(tmp_path)) == (
        f"`app/b.bin` has 250 MB {told}",
        f"`app/a.bin` has 100 MB {told}",
    )


def app_of(folder: Path, *ignore: str, **files: bytes) -> AppLayer:
    (folder / "src").mkdir(parents=True)
    for name, content in files.items():
        (folder / "src" / name).write_bytes(content)
    return AppLayer(name="app", source="src", ignore=ignore, roles=b"{}")


@pytest.mark.parametrize(
    ("first", "executable", "line"),
    [
        (b"#!/bin/sh\r\n", True, "#!/bin/sh"),
        (b"#!/bin/sh -e\r\n", False, "#!/bin/sh -e"),
        (b"#! /usr/bin/env python3\r\n", True, "#! /usr/bin/env python3"),
        (b"#!/usr/bin/env python3\r\n", False, None),  # `python run` reads it
        (b"#!/bin/sh\n", True, None),
        (b"#!\r\n", True, None),
        (b"print(1)\r\n", True, None),
        (b"", True, None),
    ],
)
def test_scripts_that_linux_cannot_start_are_named(
    *, first: bytes, executable: bool, line: str | None, tmp_path: Path
) -> None:
    layer = app_of(tmp_path / "images/demo", run=first + b"echo 1\r\n")
    file = tmp_path / "images/demo/src/run"
    file.chmod(0o755 if executable else 0o644)

    def told() -> tuple[str, ...]:
        entries = app_entries(tmp_path / "images/demo/src")
        return unstartable_scripts(entries, layer, tmp_path / "images/demo")

    if line is None:
        assert told() == ()
        return
    [said] = told()
    mend = "sed -i 's/\\r$//' images/demo/src/run"
    assert said == (
        f"`app/run` has lines that end in CRLF, and Linux takes the CR for a part of `{line}`, "
        "so that it does not start; "
        f"`{mend}` mends it"
    )
    subprocess.run(("sh", "-c", mend), check=True, cwd=tmp_path)
    assert told() == ()


def test_what_somebody_left_out_is_said(tmp_path: Path) -> None:
    patterns = ("**/*.csv", "models", "n?", "!n1")
    layer = app_of(tmp_path, *patterns, **{"train.py": b"", "a.csv": b"", "n1": b"", "n2": b"", "x.pyc": b""})
    assert said_of_app(layer, tmp_path) == "ignored, so not in the app: `a.csv`, `n2`"
    for folder in ("models", "__pycache__", "data/deep"):
        (tmp_path / "src" / folder).mkdir(parents=True)
        (tmp_path / "src" / folder / "f.csv").touch()
    (tmp_path / "src/models/net.py").touch()
    without = replace(layer, ignore=patterns[:2])
    assert (
        said_of_app(without, tmp_path) == "ignored, so not in the app: `a.csv`, `data/deep/f.csv`, `models/`"
    )
    for number in range(9):
        (tmp_path / f"src/{number}.csv").touch()
    said = said_of_app(without, tmp_path)
    assert said == "ignored, so not in the app: `0.csv`, `1.csv`, `2.csv`, `3.csv`, `4.csv` and 7 more"
    assert said_of_app(replace(layer, ignore=()), tmp_path) is None


APP = AppLayer(
    name="app",
    source="app",
    ignore=("old",),
    roles=b"{}",
    links=(("data/rows.csv", "/data/rows"), ("models", "/models")),
)


def test_what_lies_where_a_run_has_data_and_models_is_named(tmp_path: Path) -> None:
    assert covered(APP, tmp_path) == ()
    for path in (
        "data/rows.csv",
        "data/other.csv",
        "models/a",
        "models/deep/b",
        "models/old/c",
        "old/net.py",
    ):
        (tmp_path / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "app" / path).touch()
    (tmp_path / "app/models/__pycache__").mkdir()
    (tmp_path / "app/models/__pycache__/net.pyc").touch()
    assert covered(APP, tmp_path) == (
        "left out of the image: the app's `data/rows.csv`, where a run has `/data/rows`",
        "left out of the image: the app's `models` (3 files), where a run has `/models`",
    )
    for path in ("models/deep/b", "models/old/c"):
        (tmp_path / "app" / path).unlink()
    assert covered(APP, tmp_path)[1:] == (
        "left out of the image: the app's `models` (1 file), where a run has `/models`",
    )


def test_a_link_that_the_image_has_too_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/models").symlink_to("/models")
    assert covered(APP, tmp_path) == ()
    (tmp_path / "app/models").unlink()
    (tmp_path / "app/models").symlink_to("/mnt")
    assert covered(APP, tmp_path) == ("left out of the image: the app's `models`, where a run has `/models`",)


def test_a_module_that_would_be_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app/models/deep").mkdir(parents=True)
    (tmp_path / "app/models/deep/net.py").touch()
    with pytest.raises(BuildError) as caught:
        covered(APP, tmp_path)
    assert (str(caught.value), caught.value.hint) == (
        "the app's `models/deep/net.py` would not be in the image, which has `/models` at `models`",
        "move it, change the place (`at:`), or add it to `app.ignore` if nothing imports it",
    )
