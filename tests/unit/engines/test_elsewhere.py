"""Builds of which another place has layers: what is recorded is neither fetched nor made."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.engines.build import Built
from mlimage.errors import BuildError
from mlimage.lock.records import FILE, read_digests
from mlimage.oci.store import Store
from support.tinyproject import Place, Project


@dataclass
class Fresh:
    """A project that was built and recorded, now on a machine that has nothing."""

    project: Project
    before: Built
    place: Place


@pytest.fixture
def fresh(project: Project) -> Fresh:
    before = project.build(record=True)
    place = Place(project.store)
    project.cache = Cache(project.place / "fresh")
    project.store = Store(project.cache.store)
    project.inputs.given.clear()
    return Fresh(project, before, place)


def state(built: Built) -> dict[str, tuple[bool, bool]]:
    """Whether each layer was made, and is here."""
    return {layer.layer.name: (layer.made, layer.here) for layer in built.layers}


LOCKED = ("base", "one", "three", "two")
OWN = {"runtime": (True, True), "app": (True, True)}


def test_what_is_there_is_neither_fetched_nor_made(fresh: Fresh) -> None:
    project = fresh.project
    (project.place / "image/app/train.py").write_text("print('trained anew')\n")
    built = project.build(elsewhere=fresh.place)
    assert state(built) == dict.fromkeys(LOCKED, (False, False)) | OWN
    assert project.inputs.given == []
    assert not built.whole
    assert project.store.tags() == {}
    project.build(record=True)
    assert project.build().image == built.image


def test_what_was_brought_makes_the_image_whole(fresh: Fresh) -> None:
    project = fresh.project
    fresh.place.brings = project.store
    built = project.build(elsewhere=fresh.place)
    assert state(built) == dict.fromkeys(LOCKED, (False, True)) | OWN
    assert project.inputs.given == []
    assert built.image == fresh.before.image
    assert project.store.tags().keys() == {"demo:cpu"}
    fresh.place.asked.clear()
    assert state(project.build()) == dict.fromkeys((*LOCKED, *OWN), (False, True))
    assert fresh.place.asked == []


def test_a_layer_that_nobody_has_is_made(fresh: Fresh) -> None:
    project = fresh.project
    [one] = [layer for layer in fresh.before.layers if layer.layer.name == "one"]
    fresh.place.has.blob(one.blob.blob.digest).unlink()
    built = project.build(elsewhere=fresh.place)
    assert state(built) == dict.fromkeys(LOCKED, (False, False)) | OWN | {"one": (True, True)}
    assert built.image.digest == fresh.before.image.digest
    assert "two" not in project.inputs.given


def test_packages_that_never_stood_together_are_held_against_each_other(fresh: Fresh) -> None:
    project = fresh.project
    project.wheel("two", {"one/__init__.py": b"not what one has\n"}, version="2.0")
    with pytest.raises(
        BuildError, match=r"^`demo:cpu` has packages that cannot be together:\n  `one` and `two` "
    ):
        project.build(elsewhere=fresh.place)
    assert {"one", "three", "two"} <= set(project.inputs.given)


def test_what_was_recorded_of_another_image_does_not_count_as_together(fresh: Fresh) -> None:
    file = fresh.project.place / "lock" / FILE
    file.write_text(file.read_text().replace('tags = ["cpu"]', 'tags = ["cuda"]'))
    built = fresh.project.build(elsewhere=fresh.place)
    assert state(built) == dict.fromkeys(LOCKED, (False, False)) | OWN
    assert fresh.project.inputs.given == ["one", "three", "two"]


def test_what_is_to_be_recorded_is_made(fresh: Fresh) -> None:
    before = read_digests(fresh.project.place / "lock")
    built = fresh.project.build(elsewhere=fresh.place, record=True)
    assert all(layer.made for layer in built.layers)
    assert fresh.place.asked == []
    assert read_digests(fresh.project.place / "lock") == before


def test_without_a_record_nobody_is_asked(fresh: Fresh) -> None:
    (fresh.project.place / "lock" / FILE).unlink()
    built = fresh.project.build(elsewhere=fresh.place)
    assert all(layer.made for layer in built.layers)
    assert fresh.place.asked == []


def test_a_record_with_a_wrong_size_shows_when_the_layer_is_made(fresh: Fresh, tmp_path: Path) -> None:
    file = tmp_path / "lock" / FILE
    [one] = [record for record in read_digests(file.parent) if record.layer == "one"]
    file.write_text(file.read_text().replace(f"unpacked = {one.unpacked}\n", "unpacked = 1\n"))
    with pytest.raises(BuildError, match=r"^layer `\w+` of `demo:cpu` has other size than recorded: "):
        fresh.project.build()
