"""What an image says of how it was made is read before anything goes anywhere: it may be anybody's."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlimage.cli import main
from mlimage.errors import VerificationError
from mlimage.oci.model import Descriptor, LayerBlob
from mlimage.oci.store import Store
from mlimage.verify import reproduce
from support.locks import digest_of
from support.offline import offline_project
from support.running import image

SPEC = {
    "name": "demo",
    "python": "3.11",
    "base": {"debian": "bookworm"},
    "train": {"command": "python train.py"},
    "variants": {"cpu": {}},
}
Change = Callable[[Path], object]


def said(**changes: Any) -> Change:
    """A recipe whose spec says something else."""
    return lambda taken: (taken / "opt/mlimage/recipe/mlimage.yaml").write_text(
        json.dumps({**SPEC, **changes})
    )


def text(content: str) -> Change:
    return lambda taken: (taken / "opt/mlimage/recipe/mlimage.yaml").write_text(content)


def linked(path: str) -> Change:
    """An image that has a link to another place of the machine there."""

    def change(taken: Path) -> None:
        place, victim = taken / path, taken.parents[1] / "victim"
        victim.mkdir()
        place.rename(victim / "was")
        place.symlink_to(victim / "was")

    return change


def astray(source: str) -> Change:
    """An image whose recipe has a link on the way to where the application goes."""

    def change(taken: Path) -> None:
        said(app={"source": source})(taken)
        (victim := taken.parents[1] / "victim").mkdir()
        (taken / "opt/mlimage/recipe/away").symlink_to(victim)

    return change


def nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "labels", "why"),
    [
        (said(app={"source": "/tmp/elsewhere"}), {}, "app.source: "),  # noqa: S108 - is never made
        (said(app={"source": "../../elsewhere"}), {}, "app.source: "),
        (
            said(name="../../elsewhere"),
            {"org.opencontainers.image.title": "../../elsewhere"},
            "name: `../../elsewhere` cannot be",
        ),
        (nothing, {"org.opencontainers.image.title": "../../elsewhere"}, "demo"),
        (nothing, {"dev.mlimage.variant": "../../elsewhere"}, "there is no variant `../../elsewhere`"),
        (text("[]"), {}, ""),
        (text("{"), {}, ""),
        (text("[" * 10_000), {}, ""),
        (linked("opt"), {}, "`opt/mlimage/recipe` is no file of it"),
        (linked("opt/mlimage/recipe"), {}, "`opt/mlimage/recipe` is no file of it"),
        (linked("opt/mlimage/recipe/lock"), {}, "`opt/mlimage/recipe/lock` is no file of it"),
        (linked("app"), {}, "`app` is no file of it"),
        (astray("away"), {}, "`away`, where its application was, leads elsewhere"),
        (astray("away/src"), {}, "`away/src`, where its application was, leads elsewhere"),
    ],
)
def test_a_hostile_image_puts_nothing_anywhere(
    change: Change, labels: dict[str, str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(_: object, __: Store, root: Path, **___: object) -> None:
        for folder in ("opt/mlimage/recipe/lock", "app"):
            (root / folder).mkdir(parents=True)
        (root / "app/train.py").touch()
        said()(root)
        change(root)

    layers = tuple(
        LayerBlob(
            name=name,
            diff_id=digest_of(name),
            blob=Descriptor(media_type="x", digest=digest_of(name), size=1),
            uncompressed_size=1,
        )
        for name in ("recipe", "app")
    )
    known = {"org.opencontainers.image.title": "demo", "dev.mlimage.variant": "cpu", **labels}
    monkeypatch.setattr(reproduce, "unpack_layers", unpacked)
    monkeypatch.setattr(reproduce, "_labels", lambda *_: known)
    scratch = tmp_path / "cache/scratch"
    scratch.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if scratch not in path.parents}
    with pytest.raises(VerificationError) as caught:
        reproduce.read_recipe(replace(image(), layers=layers), Store(tmp_path), scratch)
    assert caught.value.message.startswith("what `demo:cpu` says of how it was made is damaged: ")
    assert why in caught.value.message
    after = {path for path in tmp_path.rglob("*") if scratch not in path.parents}
    assert {path for path in after - before if "victim" not in path.parts} == set()
    assert not [path for path in after if path.name in {"src", "train.py"} and path.parent.name != "was"]


@pytest.mark.parametrize("requirements", ["requirements.txt", "app/requirements.txt"])
@pytest.mark.parametrize("source", [".", "./app"])
def test_the_spec_may_be_in_the_application(
    source: str, requirements: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = offline_project(tmp_path, files={})
    folder = tiny.root / "images/tiny"
    if source == ".":
        (folder / "app/train.py").rename(folder / "train.py")
    (folder / requirements).write_text("one\n")
    spec = (folder / "mlimage.yaml").read_text()
    (folder / "mlimage.yaml").write_text(
        f"# a note\n{spec}requirements: {requirements}\napp: {{source: {source}}}\n"
    )
    monkeypatch.setenv("MLIMAGE_CACHE", str(tiny.cache.root))
    for command in (("build", "-C", str(tiny.root)), ("reproduce", "tiny")):
        monkeypatch.chdir(tiny.root)
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 0, command
