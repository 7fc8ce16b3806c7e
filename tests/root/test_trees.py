"""What only some may delete, and what nobody can: it is set aside and named, and stops nobody."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mlimage.atomic import ASIDE, PARTIAL, scratch_folder
from mlimage.cache import Cache
from mlimage.cli import main
from mlimage.errors import MlimageWarning
from mlimage.oci.store import Store
from mlimage.oci.survey import survey
from mlimage.trees import remove_tree
from support.sealing import sealed

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.fail("only root becomes another, and mounts: run it as root")


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100, 0o500])
def test_folders_without_permission_bits(mode: int) -> None:
    with TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        os.seteuid(65534)
        try:
            (place / "top/a/b/c").mkdir(parents=True)
            for path in ("top/a/b/c/file", "top/a/file"):
                (place / path).write_bytes(b"1")
            for path in ("top/a/b/c", "top/a/b", "top/a", "top"):
                (place / path).chmod(mode)
            assert remove_tree(place / "top") is None
        finally:
            os.seteuid(0)
        assert list(place.iterdir()) == []


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A file that even root cannot delete, in a folder that a killed process left."""
    file = tmp_path / "cache/unpacked" / f"{PARTIAL}x" / "in/file"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    (file.parent.parent / "other").write_bytes(b"2")
    subprocess.run(["chattr", "+i", file], check=True)
    yield file
    for path in tmp_path.rglob("file"):
        subprocess.run(["chattr", "-i", path], check=True)


def test_what_cannot_be_deleted_is_set_aside(
    immutable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    aside = cache.unpacked / f"{ASIDE}x"
    said = f"`{aside}` cannot be deleted: `in/file` (operation not permitted)"
    with pytest.warns(MlimageWarning) as heard, scratch_folder(cache.unpacked):
        pass
    assert [str(each.message) for each in heard] == [said]
    assert [str(path.relative_to(aside)) for path in sorted(aside.rglob("*"))] == ["in", "in/file"]
    with scratch_folder(cache.unpacked):
        pass  # nobody is told again
    assert {part.name: part.count for part in survey(cache)}["unpacked"] == 0
    sealed(Store(cache.store), app=[])
    monkeypatch.setenv("MLIMAGE_CACHE", str(cache.root))
    with pytest.raises(SystemExit) as ended:
        main(("cache", "prune", "--all"))
    assert ended.value.code == 0
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert Store(cache.store).images() == ()
    subprocess.run(["chattr", "-i", aside / "in/file"], check=True)
    with pytest.raises(SystemExit) as ended:
        main(("cache", "prune"))
    assert (ended.value.code, capsys.readouterr().out.splitlines()[1]) == (0, "set aside      1   1 B")
    assert list(cache.unpacked.iterdir()) == []


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_what_is_mounted_in_a_tree_stays(kind: str, tmp_path: Path) -> None:
    (tmp_path / "top/in/place").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    mounting = ["-t", "tmpfs", "tmpfs"] if kind == "tmpfs" else ["--bind", tmp_path / "mine"]
    subprocess.run(["mount", *mounting, tmp_path / "top/in/place"], check=True)
    try:
        (tmp_path / "top/in/place/thesis").write_bytes(b"1")
        left = remove_tree(tmp_path / "top")
        assert str(left) == "`in/place` (device or resource busy)"
        assert (tmp_path / "top/in/place/thesis").read_bytes() == b"1"
    finally:
        subprocess.run(["umount", tmp_path / "top/in/place"], check=True)
    assert remove_tree(tmp_path / "top") is None
