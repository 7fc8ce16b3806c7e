import json
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.errors import MlimageWarning
from mlimage.oci.builds import own_builds, parse_projects
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.sealing import sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def image(store: Store, content: str, name: str = "demo") -> SealedImage:
    return sealed(store, image=name, app=[file_of_bytes("x", content.encode(), origin="t")])


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders that have an image `demo`."""
    found = tmp_path / "one", tmp_path / "two"
    for folder in found:
        (folder / "images/demo").mkdir(parents=True)
        (folder / "images/demo/mlimage.yaml").write_text("name: demo\n")
    return found


def listed(store: Store) -> list[tuple[SealedImage, bool, list[str]]]:
    return [
        (
            store.load(build.manifest, name=build.name),
            build.named,
            [Path(project).name for project in build.projects],
        )
        for build in store.builds()
    ]


def own(store: Store) -> list[SealedImage]:
    return [store.load(build.manifest, name=build.name) for build in own_builds(store.builds())]


def test_a_name_moves_and_what_it_meant_stays_listed(store: Store) -> None:
    first, second = image(store, "1"), image(store, "2")
    assert listed(store) == [(second, True, []), (first, False, [])]
    assert store.tags() == {"demo:cpu": second.manifest}
    store.tag(first)
    assert listed(store) == [(first, True, []), (second, False, [])]
    other = image(store, "1", "other")
    assert listed(store)[2:] == [(other, True, [])]
    store.forget(store.builds()[0])
    assert listed(store) == [(second, False, []), (other, True, [])]
    store.forget(*store.builds())
    assert listed(store) == []


def test_whose_they_are(store: Store, projects: tuple[Path, Path], recwarn: pytest.WarningsRecorder) -> None:
    one, two = projects
    first, second, third = (image(store, each) for each in "123")
    store.tag(first, project=one)
    store.take_up(first, two)
    assert listed(store)[0] == (first, True, ["one", "two"])
    assert own(store) == [first]
    store.tag(second, project=two)
    assert (own(store), len(recwarn)) == ([second, first], 0), "it was this project's as well"
    store.take_up(first, two)
    assert own(store) == [first], "each has one"
    store.tag(third)
    assert own(store) == [first], "it is nobody's"
    (two / "images/demo/mlimage.yaml").unlink()
    store.tag(second, project=one)
    assert own(store) == [second]
    (one / "images/demo/mlimage.yaml").unlink()
    assert own(store) == []


def test_taking_anothers_name_is_a_warning(store: Store, projects: tuple[Path, Path]) -> None:
    one, two = projects
    first, second = image(store, "1"), image(store, "2")
    store.tag(first, project=one)
    with pytest.warns(MlimageWarning) as warned:
        store.tag(second, project=two)
    [said] = warned
    assert str(said.message) == (
        f"`demo:cpu` in the store meant the image of `{one}`, and means this one now; "
        "each project still runs its own"
    )


def test_nobody_is_warned_of_a_project_that_is_gone(
    store: Store, projects: tuple[Path, Path], recwarn: pytest.WarningsRecorder
) -> None:
    one, two = projects
    first, second = image(store, "1"), image(store, "2")
    store.tag(first, project=one)
    one.rename(one.with_name("moved"))
    store.tag(second, project=two)
    assert len(recwarn) == 0


def test_what_is_noted_once_is_not_written_again(store: Store, projects: tuple[Path, Path]) -> None:
    one, two = projects
    made = image(store, "1")
    index = store.folder / "index.json"
    store.tag(made, project=one)
    before = index.stat()
    store.tag(made, project=one)
    store.take_up(made, one)
    assert index.stat() == before
    store.take_up(made, two)
    assert index.stat() != before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}', '{"a": null}', "1", "null"])
def test_a_damaged_note_says_nothing(text: str) -> None:
    assert parse_projects(text) == {}


def test_the_index_of_an_earlier_mlimage(store: Store, projects: tuple[Path, Path]) -> None:
    """It lists names alone."""
    made = image(store, "1")
    [entry] = json.loads((store.folder / "index.json").read_bytes())["manifests"]
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "demo:cpu"}
    store.take_up(made, projects[0])
    assert own(store) == [made]
