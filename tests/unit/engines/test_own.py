"""The layers that no lock names."""

from pathlib import Path

from mlimage.content.app import app_entries
from mlimage.engines.own import large_files


def test_large_files_of_the_app_are_named(tmp_path: Path) -> None:
    for name, size in (("a.bin", 100_000_000), ("b.bin", 250_000_000), ("c.bin", 99_999_999)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    told = "and goes into the image; data and models stay outside: ignore it in `app.ignore` or .dockerignore"
    assert large_files(app_entries(tmp_path)) == (
        f"`app/b.bin` has 250 MB {told}",
        f"`app/a.bin` has 100 MB {told}",
    )
