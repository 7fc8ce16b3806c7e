"""A lock that says something else of a file than is true is refused, whatever is cached."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from packaging.version import Version

from mlimage.cache import Cache
from mlimage.errors import LockError
from mlimage.oci.store import Store
from mlimage.plan.layers import base_layers, package_layers, pulled_key
from mlimage.plan.model import Compression
from support.locks import base, image_base, image_layer, package
from support.tinyproject import Place, Project

Lie = Callable[[Project], None]


def of_wheel(**change: Any) -> Lie:
    """The wheel `two` is said to be another."""

    def tell(project: Project) -> None:
        project.packages["two"] = replace(project.packages["two"], **change)

    return tell


def of_deb(**change: Any) -> Lie:
    """The deb of the base is said to be another."""

    def tell(project: Project) -> None:
        [deb] = project.base.debs
        project.base = replace(project.base, debs=(replace(deb, **change),))

    return tell


LIES = {
    "another version": of_wheel(version=Version("1.1"), file="two-1.1-py3-none-any.whl"),
    "another name": of_wheel(name="zwo", file="zwo-1.0-py3-none-any.whl"),
    "another size": of_wheel(size=5),
    "another version of a deb": of_deb(version="1.0-2"),
    "another size of a deb": of_deb(size=5),
}


@pytest.mark.parametrize("lie", LIES)
def test_with_a_warm_cache(lie: str, project: Project) -> None:
    image = project.build().image
    LIES[lie](project)
    for _ in range(2):  # and nothing is remembered of the first time
        with pytest.raises(LockError):
            project.build()
    assert project.store.tags() == {"demo:cpu": image.manifest}


@pytest.mark.parametrize("lie", LIES)
def test_with_all_layers_elsewhere(lie: str, project: Project) -> None:
    project.build(record=True)
    place = Place(project.store)
    project.cache = Cache(project.place / "fresh")
    project.store = Store(project.cache.store)
    LIES[lie](project)
    with pytest.raises(LockError):
        project.build(elsewhere=place)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "numpi"},
        {"version": Version("1.1")},
        {"file": "numpy-1.0-1-py3-none-any.whl"},
        {"size": 1},
        {"sha256": package("scipy").sha256},
    ],
)
def test_all_that_is_said_of_a_wheel_is_in_the_key_of_its_layer(change: dict[str, Any]) -> None:
    def key(**change: Any) -> str:
        [layer] = package_layers(
            [replace(package("numpy"), **change)], base(), single=1, bins=1,
            compression=Compression.GZIP, bytecode=True,
        )  # fmt: skip
        return layer.key

    assert key() != key(**change)
    assert key() == key(license="MIT", required_by=("scipy",), hashes=()), "words for people are not"


@pytest.mark.parametrize("of", [base(), image_base(debs=["git"])], ids=["assembled", "image"])
@pytest.mark.parametrize(
    "change",
    [
        {"name": "gut"},
        {"version": "1.0-2"},
        {"architecture": "all"},
        {"path": "pool/g/git_1.0-1_amd64.deb"},
        {"size": 1},
        {"sha256": package("scipy").sha256},
        {"postinst": package("scipy").sha256},
    ],
)
def test_likewise_of_a_deb(of: Any, change: dict[str, Any]) -> None:
    def key(**change: Any) -> str:
        changed = replace(of, debs=(replace(of.debs[0], **change), *of.debs[1:]))
        *_, layer = base_layers(changed, compression=Compression.GZIP, bytecode=True)
        return layer.key

    assert key() != key(**change)


@pytest.mark.parametrize(
    "change",
    [{"size": 1}, {"media_type": "x"}, {"digest": package("x").sha256}, {"diff_id": package("x").sha256}],
)
def test_likewise_of_a_layer_of_the_base(change: dict[str, Any]) -> None:
    assert pulled_key(image_layer("debian")) != pulled_key(replace(image_layer("debian"), **change))
