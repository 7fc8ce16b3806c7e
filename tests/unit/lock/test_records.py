"""`digests.toml`, read and written."""

from pathlib import Path

import pytest

from mlimage.errors import LockError
from mlimage.lock.records import FILE, Record, read_digests, write_digests
from support.locks import digest_of

NUMPY = Record(
    tags=("cpu",),
    layer="numpy",
    key=digest_of("key"),
    diff_id=digest_of("content"),
    digest=digest_of("packed"),
    size=1,
    unpacked=4,
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_digests(tmp_path) == ()
    write_digests(tmp_path, "cpu", [NUMPY])
    assert read_digests(tmp_path) == (NUMPY,)


@pytest.mark.parametrize("text", ["format = 2\n[[layer]]\nname = 1\n", "format = 1\n", "<<<<<<< ours\n", "="])
def test_a_damaged_one_says_how_to_write_it_anew(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / FILE).write_text(text)
    with pytest.raises(LockError) as error:
        read_digests(folder)
    assert error.value.hint == "`mlimage build digits --record` writes it anew; look at the difference"
    assert error.value.where is not None
    write_digests(folder, "cpu", [NUMPY])
    assert read_digests(folder) == (NUMPY,)
