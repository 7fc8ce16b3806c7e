"""Links of the application to what the layers below it have."""

import pytest

from mlimage.cache import Cache
from mlimage.errors import BuildError
from mlimage.oci.store import Store
from support.notes import Notes
from support.tinyproject import Place, Project

LIBRARY = "/usr/lib/python3/module.py"


def link(project: Project, target: str) -> None:
    path = project.place / "image/app/link"
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("target", [LIBRARY, "/usr/lib", "/usr/bin/python3", "/opt/venv/lib64", "/models/x"])
def test_what_a_layer_has_is_found(project: Project, target: str) -> None:
    link(project, target)
    assert project.build().whole


@pytest.mark.parametrize("target", ["/usr/lib/none", "/srv", f"{LIBRARY}/x"])
def test_what_no_layer_has_is_refused(project: Project, target: str) -> None:
    link(project, target)
    for _ in range(2):  # nothing of it is noted
        with pytest.raises(BuildError) as caught:
            project.build()
        assert (str(caught.value), caught.value.hint) == (
            f"the app's link `link` leads to `{target}`, which the image does not have",
            "copy the file into the app, or add the link to `app.ignore`",
        )
    assert project.store.tags() == {}


def test_what_packages_have(project: Project) -> None:
    site = f"/opt/venv/lib64/python{project.base.python}/site-packages"
    link(project, f"{site}/two/__init__.py")
    assert project.build().whole
    link(project, f"{site}/four/__init__.py")
    with pytest.raises(BuildError, match="which the image does not have"):
        project.build()


def test_a_layer_that_is_elsewhere_is_not_read(project: Project) -> None:
    project.build(record=True)
    link(project, "/usr/lib/none")
    place = Place(project.store)
    project.cache = Cache(project.place / "fresh")
    project.store = Store(project.cache.store)
    notes = Notes()
    built = project.build(elsewhere=place, progress=notes)
    assert not built.whole
    assert notes.notes == [
        (
            "warning: whether the image has `/usr/lib/none`, to which the app's link `link` leads, is not "
            "checked: its layer `base` is not on this machine"
        )
    ]
