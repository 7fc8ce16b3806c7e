"""Where a project is, and what is in it."""

from pathlib import Path

import pytest

from mlimage.errors import UsageError
from mlimage.platforms import Platform
from mlimage.spec.project import Project, find_project


def _project(root: Path, *names: str) -> Project:
    for name in names:
        (root / "images" / name / "app").mkdir(parents=True)
        (root / "images" / name / "mlimage.yaml").write_text(
            f'name: {name}\npython: "3.11"\nbase: {{debian: bookworm}}\ntrain: {{command: python train.py}}\n'
        )
    return Project(root)


def _usage(error: UsageError) -> tuple[str, str | None]:
    return str(error), error.hint


def test_found_from_below(tmp_path: Path) -> None:
    project = _project(tmp_path, "digits")
    assert find_project(tmp_path / "images" / "digits" / "app") == project
    assert find_project(tmp_path) == project


def test_pictures_are_no_project(tmp_path: Path) -> None:
    _project(tmp_path, "digits")
    (tmp_path / "home" / "images" / "holidays").mkdir(parents=True)
    assert find_project(tmp_path / "home") == Project(tmp_path)


def test_an_empty_project(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "lockfiles").mkdir()
    assert find_project(tmp_path).names() == ()


def test_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path)
    assert _usage(caught.value) == (
        f"no project here: neither `{tmp_path}` nor a folder above it has `images/NAME/mlimage.yaml`",
        "`mlimage init NAME` makes one here",
    )


def test_names_and_places(tmp_path: Path) -> None:
    project = _project(tmp_path, "b", "a")
    (tmp_path / "images" / "no-spec").mkdir()
    (tmp_path / "images" / "mlimage.schema.json").write_text("{}")
    assert project.names() == ("a", "b")
    assert project.spec_file("a") == tmp_path / "images" / "a" / "mlimage.yaml"
    assert project.lock_folder("a") == tmp_path / "lockfiles" / "a"
    assert project.load("a").spec.name == "a"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("digitz", "no image `digitz` in `{root}`", "did you mean `digits`?"),
        ("zzz", "no image `zzz` in `{root}`", "images here: `churn`, `digits`"),
        ("../digits", "no image `../digits` in `{root}`", "did you mean `digits`?"),
        ("", "no image `` in `{root}`", "images here: `churn`, `digits`"),
        ("empty", "`images/empty` has no `mlimage.yaml`", "images here: `churn`, `digits`"),
        ("images/churn/", "no image `images/churn/` in `{root}`", "did you mean `churn`?"),
        ("Digits", "no image `Digits` in `{root}`", "did you mean `digits`?"),
        (
            "dangling",
            "`images/dangling/mlimage.yaml` is no file",
            "it is a folder, a named pipe or a device, or a link that leads to no file",
        ),
    ],
)
def test_no_such_image(tmp_path: Path, name: str, message: str, hint: str) -> None:
    project = _project(tmp_path, "digits", "churn")
    (tmp_path / "images" / "empty").mkdir()
    if name == "dangling":
        (tmp_path / "images" / name).mkdir()
        (tmp_path / "images" / name / "mlimage.yaml").symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        project.load(name)
    assert _usage(caught.value) == (message.format(root=tmp_path), hint)


@pytest.mark.parametrize("name", ["..", "a/b", "/etc", "a\nb", ".hidden"])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for method in (
        Project(tmp_path).image_folder,
        Project(tmp_path).lock_folder,
        Project(tmp_path).spec_file,
    ):
        with pytest.raises(UsageError):
            method(name)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path / "typo")
    assert _usage(caught.value) == (
        f"there is no folder `{tmp_path}/typo`",
        "name the folder of a project behind `-C`",
    )


def test_select(tmp_path: Path) -> None:
    project = _project(tmp_path, "b", "a")
    found = [[(one.spec.name, str(tag)) for one, tag in project.select(names)] for names in ((), "bb", "ba")]
    assert found == [[("a", "cpu"), ("b", "cpu")], [("b", "cpu")], [("b", "cpu"), ("a", "cpu")]]
    with pytest.raises(UsageError) as caught:
        project.select((), variant="cuda")
    assert _usage(caught.value) == ("no image has a variant `cuda`", "there are: `cpu`")
    with pytest.raises(UsageError) as caught:
        project.select((), platform=Platform("linux", "arm64"))
    assert _usage(caught.value) == (
        "no image is for the platform `linux/arm64`",
        "there are: `linux/amd64`",
    )
    with pytest.raises(UsageError) as caught:
        project.select((), role="serve")
    assert _usage(caught.value) == (
        "no image is for the role `serve`",
        "`split: true` gives each role an image of its own",
    )


def test_select_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Project(tmp_path).select(())
    assert _usage(caught.value) == (f"no images in `{tmp_path}`", "`mlimage init NAME` makes one")
