"""What an image says of how it was made is a project that makes the same image."""

import re
import shutil
from pathlib import Path

import pytest

from mlimage.lock.check import check
from mlimage.lock.text import read_lock
from mlimage.plan.config import spec_digest
from mlimage.plan.decide import plan
from mlimage.plan.model import RecipeLayer
from mlimage.plan.recipe import FOLDER, recipe_files
from mlimage.spec.project import Project
from mlimage.spec.tags import ImageTag, image_tags
from support.machine import ROOT

IMAGES = sorted(path.parent.name for path in (ROOT / "images").glob("*/mlimage.yaml"))
SHIPPED = Project(ROOT)


def laid_out(project: Project, name: str, tag: ImageTag, folder: Path) -> Project:
    """The project that an image's recipe and application are."""
    loaded = project.load(name)
    lock = read_lock(project.lock_folder(name), tag.of_lock)
    made = Project(folder)
    shutil.copytree(
        project.image_folder(name) / loaded.spec.app.source, made.image_folder(name) / loaded.spec.app.source
    )
    if loaded.manifest is not None:
        # It is a layer of its own.
        shutil.copytree(project.golden_folder(name), made.golden_folder(name))
    for path, content in recipe_files(loaded, lock):
        below = path.removeprefix(f"{FOLDER}/")
        place = (
            made.lock_folder(name) / below.removeprefix("lock/")
            if below.startswith("lock/")
            else made.image_folder(name) / below
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return made


@pytest.mark.parametrize("name", IMAGES)
def test_its_project_makes_the_same(name: str, tmp_path: Path) -> None:
    for tag in image_tags(SHIPPED.load(name).spec):
        made = laid_out(SHIPPED, name, tag, tmp_path / str(tag))
        loaded, again = SHIPPED.load(name), made.load(name)
        lock = read_lock(SHIPPED.lock_folder(name), tag.of_lock)
        same = read_lock(made.lock_folder(name), tag.of_lock)
        check(again, same)
        assert image_tags(again.spec) == (tag,)
        assert spec_digest(again.spec, tag.variant) == spec_digest(loaded.spec, tag.variant)
        assert recipe_files(again, same) == recipe_files(loaded, lock)
        before, after = plan(loaded, lock, tag.role), plan(again, same, tag.role)
        assert (after.config, after.lock, after.name) == (before.config, before.lock, before.name)


SPEC = """\
name: small
python: "3.11"
base: {debian: bookworm}
requirements: reqs.txt
train: {command: python train.py}
variants: {cpu: {}, cuda: {}}
"""


def small(folder: Path, *, spec: str = SPEC, requirements: str = "numpy\n") -> Project:
    """A project whose spec names a file."""
    image = folder / "images/small"
    (image / "app").mkdir(parents=True)
    (image / "app/train.py").write_text("")
    (image / "mlimage.yaml").write_text(spec)
    (image / "reqs.txt").write_text(requirements)
    return Project(folder)


def recipe_of(project: Project) -> dict[str, bytes]:
    lock = read_lock(SHIPPED.lock_folder("digits-sklearn"), ImageTag(variant="cpu"))
    return dict(recipe_files(project.load("small"), lock))


def test_what_changes_nothing_of_an_image_changes_no_recipe(tmp_path: Path) -> None:
    plain = recipe_of(small(tmp_path / "a", requirements="numpy\npandas>=2\n"))
    said = f"# a comment\n{SPEC}".replace("cuda: {}", "cuda: {env: {A: b}}, rocm: {}")
    other = recipe_of(small(tmp_path / "b", spec=said, requirements="# why\nnumpy\n\npandas>=2  # new\n"))
    assert other == plain
    assert plain[f"{FOLDER}/reqs.txt"] == b"numpy\npandas>=2\n"
    assert recipe_of(small(tmp_path / "c", spec=SPEC + "env: {A: b}\n")) != plain


def test_it_stands_in_the_plan() -> None:
    lock = read_lock(SHIPPED.lock_folder("digits-sklearn"), ImageTag(variant="cpu"))
    planned = plan(SHIPPED.load("digits-sklearn"), lock)
    [layer] = [layer for layer in planned.layers if isinstance(layer, RecipeLayer)]
    assert [path for path, _ in layer.files] == [
        f"{FOLDER}/lock/base.toml", f"{FOLDER}/lock/cpu.toml", f"{FOLDER}/lock/cpu.txt",
        f"{FOLDER}/mlimage.yaml",
    ]  # fmt: skip
    assert not any(re.search(rb"https?://(?!example)", content) for _, content in layer.files)
