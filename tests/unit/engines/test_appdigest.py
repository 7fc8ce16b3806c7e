import os
import time
from pathlib import Path

import pytest

from mlimage.content.entry import arrange
from mlimage.digest import Digest
from mlimage.engines.appdigest import LARGE, RACY, app_digest, tar_digest
from mlimage.engines.own import own_files
from mlimage.oci.store import Store
from mlimage.plan.layers import SEAL_VERSION
from mlimage.plan.model import AppLayer
from support.sealing import packed
from support.tinyproject import Project

OLD = 1_700_000_000


class Clock:
    """So many nanoseconds later than it is."""

    def __init__(self, later: int = 0) -> None:
        self.later = later

    def __call__(self) -> int:
        return time.time_ns() + self.later


AFTERWARDS = Clock(10 * RACY)


def digest(project: Project, clock: Clock = AFTERWARDS) -> Digest:
    plan = project.plan()
    [layer] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    return app_digest(layer, plan, project.place / "image", project.cache, clock=clock)


def large(project: Project, content: bytes = b"1") -> Path:
    path = project.place / "image/app/large.bin"
    path.write_bytes(content * LARGE)
    return path


def notes(project: Project) -> list[Path]:
    return sorted(project.cache.apps.glob("*"))


def test_it_is_what_a_build_makes(project: Project, tmp_path: Path) -> None:
    plan = project.plan()
    [layer] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    entries = own_files(layer, plan, project.place / "image")
    assert digest(project) == packed(Store(tmp_path / "store"), "app", entries).diff_id
    assert digest(project) == tar_digest(arrange(entries))
    assert notes(project) == [], "it is small"


def test_a_large_one_is_read_once(project: Project) -> None:
    path = large(project)
    found = digest(project)
    [note] = notes(project)
    assert tar_digest_of(project) == found
    before = path.stat()
    path.write_bytes(b"2" * LARGE)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest(project) != found, "the time of the change of the inode cannot be set back"
    note.write_bytes(b"{}")
    assert digest(project) == tar_digest_of(project)


def tar_digest_of(project: Project) -> Digest:
    plan = project.plan()
    [layer] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    return tar_digest(own_files(layer, plan, project.place / "image"))


def test_what_was_noted_is_believed(project: Project) -> None:
    large(project)
    found = digest(project)
    [note] = notes(project)
    other = Digest.of(b"other")
    note.write_bytes(note.read_bytes().replace(found.encode(), other.encode()))
    assert digest(project) == other


@pytest.mark.parametrize("change", ["content", "new", "gone", "mode", "touched"])
def test_any_change_is_seen(project: Project, change: str) -> None:
    path = large(project)
    program = path.with_name("train.py")
    digest(project)
    [note] = notes(project)
    known = note.read_bytes()
    match change:
        case "content":
            program.write_text("print('Trained')\n")
        case "new":
            program.with_name("more.py").write_text("")
        case "gone":
            program.unlink()
        case "mode":
            program.chmod(0o755)
        case _:
            program.touch()
    assert digest(project) == tar_digest_of(project)
    assert note.read_bytes() != known


def test_what_changed_a_moment_ago_is_not_noted(project: Project) -> None:
    """It could change once more without its times."""
    large(project)
    assert digest(project, Clock()) == tar_digest_of(project)
    assert notes(project) == []


def test_another_seal_has_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    large(project)
    digest(project)
    monkeypatch.setattr("mlimage.engines.appdigest.SEAL_VERSION", SEAL_VERSION + 1)
    digest(project)
    assert len(notes(project)) == 2


def test_roles_have_their_own(project: Project) -> None:
    large(project)
    plan = project.plan()
    [layer] = [layer for layer in plan.layers if isinstance(layer, AppLayer)]
    both = {
        app_digest(
            AppLayer(name="app", source=layer.source, ignore=(), roles=roles),
            plan,
            project.place / "image",
            project.cache,
            clock=AFTERWARDS,
        )
        for roles in (b"{}", b'{"train":null}')
    }
    assert (len(both), len(notes(project))) == (2, 2)
