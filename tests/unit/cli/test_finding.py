"""Which image a name means in a project: the one that was made of what stands there, and no other."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.cli.finding import image_here, images_here
from mlimage.digest import canonical_json
from mlimage.errors import BuildError, LockError, MlimageError, UsageError
from mlimage.lock.text import read_lock, write_lock
from mlimage.oci.config import descriptor_json
from mlimage.oci.model import CONFIG, MANIFEST, SealedImage
from mlimage.oci.prune import plan_prune, prune
from mlimage.oci.store import Store
from mlimage.plan.golden import LABEL
from mlimage.platforms import LINUX_AMD64
from support.locks import CPU
from support.offline import Offline, offline_project

LATER = 4e9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """A project, and a cache where it was built; nobody changes them."""
    found = offline_project(tmp_path_factory.mktemp("made"), files={})
    build(found)
    return found


@pytest.fixture
def tiny(made: Offline, tmp_path: Path) -> Offline:
    """The project at its place with a cache of its own, which has what was built."""
    shutil.copytree(made.cache.root, tmp_path / "cache", symlinks=True)
    (tmp_path / "cache/store/index.json").write_text(
        (made.cache.root / "store/index.json").read_text().replace(str(made.root), str(tmp_path / "one"))
    )
    return copied(replace(made, cache=replace(made.cache, root=tmp_path / "cache")), tmp_path / "one")


def copied(project: Offline, to: Path) -> Offline:
    shutil.copytree(project.root, to)
    return replace(project, root=to)


def build(project: Offline, *options: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLIMAGE_CACHE", str(project.cache.root))
        with pytest.raises(SystemExit) as ended:
            main(("build", "-C", str(project.root), *options))
    assert ended.value.code == 0


def found(project: Offline, text: str = "tiny", *, golden: bool = True) -> SealedImage:
    store = Store(project.cache.store)
    return image_here(text, project.cache, store, project=project.root, golden=golden)


@contextmanager
def refused(kind: type[MlimageError], said: str, hint: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert (str(caught.value), caught.value.hint) == (said, hint)


def train(project: Offline, program: str) -> None:
    (project.root / "images/tiny/app/train.py").write_text(program)


def spec(project: Offline, more: str) -> None:
    path = project.root / "images/tiny/mlimage.yaml"
    path.write_text(path.read_text() + more)


def or_before(image: SealedImage) -> str:
    short = image.image_id.short
    return f"`mlimage build tiny` builds it; `{short}` in place of the name is what was built before"


def since(image: SealedImage, *lines: str) -> str:
    return f"`tiny:cpu` is not built as it stands here; since {image.image_id.short} was built:" + "".join(
        f"\n  {line}" for line in lines
    )


def test_what_was_built(tiny: Offline) -> None:
    image = found(tiny)
    assert image.name == "tiny:cpu"
    for text in ("tiny:cpu", image.digest, image.image_id.hex[:8]):
        assert found(tiny, text) == image


def test_a_worktree_and_a_moved_project_share_it(tiny: Offline, tmp_path: Path) -> None:
    image = found(tiny)
    assert found(copied(tiny, tmp_path / "worktree")) == image
    tiny.root.rename(tmp_path / "moved")
    assert found(replace(tiny, root=tmp_path / "moved")) == image


def test_another_project_of_that_name(
    tiny: Offline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = found(tiny), copied(tiny, tmp_path / "other")
    train(other, "print('another')\n")
    with refused(
        UsageError,
        f"`tiny:cpu` is not built yet: the one in the store is that of `{tiny.root}`",
        "`mlimage build tiny` builds it",
    ):
        found(other)
    capsys.readouterr()
    build(other)
    assert capsys.readouterr().err.endswith(
        f"warning: `tiny:cpu` in the store meant the image of `{tiny.root}`, and means this one now; "
        "each project still runs its own\n"
    )
    build(other)
    assert "warning" not in capsys.readouterr().err
    second = found(other)
    assert second.image_id != first.image_id
    assert found(tiny) == first
    assert Store(tiny.cache.store).tags() == {"tiny:cpu": second.manifest}
    # Both are there until their projects are gone, or all is pruned.
    pruned(tiny)
    assert (found(tiny), found(other)) == (first, second)
    shutil.rmtree(tiny.root / "images")
    pruned(tiny)
    assert [build.manifest for build in Store(tiny.cache.store).builds()] == [second.manifest]


def pruned(project: Offline) -> None:
    store = Store(project.cache.store)
    prune(plan_prune(project.cache, store, everything=False, before=LATER, now=LATER), store, now=LATER)


def test_another_program(tiny: Offline) -> None:
    image = found(tiny)
    app = tiny.root / "images/tiny/app"
    train(tiny, "print('trained!')\n")
    for name in ("a.py", "b.py", "c.py"):
        (app / name).write_text("")
    with refused(
        UsageError,
        since(image, "app: `a.py` added, `b.py` added, `c.py` added and 1 more"),
        or_before(image),
    ):
        found(tiny)
    (app / "way").symlink_to("folder/ä.txt")
    (app / "folder").mkdir()
    (app / "folder/ä.txt").write_text("1")
    (app / "folder/ä.txt").chmod(0o755)
    build(tiny)
    (app / "a.py").unlink()
    (app / "b.py").chmod(0o755)
    with pytest.raises(UsageError, match=re.escape("\n  app: `a.py` removed, `b.py` changed") + r"\Z"):
        found(tiny)
    (app / "way").unlink()
    (app / "way").symlink_to("c.py")
    with pytest.raises(UsageError, match=re.escape("app: `a.py` removed, `b.py` changed, `way` changed")):
        found(tiny)
    shutil.rmtree(app / "folder")
    for name in ("b.py", "c.py", "way"):
        (app / name).unlink()
    train(tiny, "print('trained')\n")
    assert found(tiny) == image, "what was built before is found again"
    pruned(tiny)
    assert found(tiny) == image


def test_another_spec(tiny: Offline) -> None:
    image = found(tiny)
    spec(tiny, "# said otherwise\n")
    assert found(tiny) == image
    spec(tiny, "env: {A: b}\n")
    with refused(UsageError, since(image, "spec: `mlimage.yaml` changed"), or_before(image)):
        found(tiny)
    with refused(UsageError, since(image, "spec: `mlimage.yaml` changed"), "`mlimage build tiny` builds it"):
        image_here("tiny", tiny.cache, Store(tiny.cache.store), project=tiny.root, by_id=False)
    spec(tiny, "determinism: {seed: 7}\n")
    train(tiny, "")
    with refused(
        UsageError, since(image, "spec: `mlimage.yaml` changed", "app: `train.py` changed"), or_before(image)
    ):
        found(tiny)


def test_another_lock(tiny: Offline) -> None:
    image, folder = found(tiny), tiny.root / "lockfiles/tiny"
    lock = read_lock(folder, CPU)
    write_lock(folder, replace(lock, packages=(replace(lock.packages[0], license="MIT"), *lock.packages[1:])))
    with refused(UsageError, since(image, "lock: `cpu.toml` changed"), or_before(image)):
        found(tiny)


def test_another_golden_record(tiny: Offline) -> None:
    before, store = found(tiny), Store(tiny.cache.store)
    config = json.loads(store.read(before.config))
    config["config"]["Labels"][LABEL] = "sha256:frozen"
    manifest = json.loads(store.read(before.manifest))
    manifest["config"] = descriptor_json(store.put(canonical_json(config), CONFIG))
    frozen = store.load(store.put(canonical_json(manifest), MANIFEST), name="tiny:cpu")
    store.tag(frozen, project=tiny.root)
    assert found(tiny) == before
    store.forget(*(build for build in store.builds() if not build.named))
    with refused(UsageError, since(frozen, "golden record: removed"), or_before(frozen)):
        found(tiny)
    assert found(tiny, golden=False) == frozen, "who trains and freezes needs none"
    train(tiny, "")
    with refused(UsageError, since(frozen, "app: `train.py` changed"), or_before(frozen)):
        found(tiny, golden=False)


def test_a_stale_lock(tiny: Offline) -> None:
    path = tiny.root / "images/tiny/mlimage.yaml"
    path.write_text(path.read_text().replace("[one, two, three]", "[one, two]"))
    with refused(
        LockError,
        "the lock of `tiny:cpu` is stale:\n  requirement removed: three",
        "`mlimage lock tiny` brings it up to date",
    ):
        found(tiny)


def test_never_built(tiny: Offline) -> None:
    empty = replace(tiny, cache=replace(tiny.cache, root=tiny.root / "cache"))
    with refused(UsageError, "`tiny:cpu` is not built yet", "`mlimage build tiny` builds it"):
        found(empty)


def test_no_such_variant(tiny: Offline) -> None:
    with refused(UsageError, "`tiny` has no image `cuda`", "say which: `tiny:cpu`"):
        found(tiny, "tiny:cuda")


def test_variants(tiny: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, store = tiny.root / "lockfiles/tiny", Store(tiny.cache.store)
    lock = read_lock(folder, CPU)
    spec(tiny, "variants: {mini: {}, more: {}}\n")
    for variant in ("mini", "more"):
        write_lock(folder, replace(lock, variant=variant))
    never = "`mlimage build tiny --variant more` builds it"
    with refused(UsageError, "`tiny` has several images", "say which: `tiny:mini`, `tiny:more`"):
        found(tiny)
    build(tiny, "--variant", "mini")
    assert found(tiny).name == "tiny:mini", "it is the only one"
    with refused(UsageError, "`tiny:more` is not built yet", never):
        found(tiny, "tiny:more")
    build(tiny)
    with refused(UsageError, "`tiny` has several images", "say which: `tiny:mini`, `tiny:more`"):
        found(tiny)
    both = found(tiny, "tiny:mini"), found(tiny, "tiny:more")
    monkeypatch.chdir(tiny.root)
    assert images_here("tiny", tiny.cache, store, warn=pytest.fail) == both
    # The default one was built of other files: no other is taken in its place.
    text = (tiny.root / "images/tiny/mlimage.yaml").read_text()
    (tiny.root / "images/tiny/mlimage.yaml").write_text(text.replace("{mini:", "{cpu: {}, mini:"))
    train(tiny, "")
    build(tiny, "--variant", "mini")
    with pytest.raises(UsageError, match="`tiny:cpu` is not built as it stands here"):
        found(tiny)
    build(tiny, "--variant", "more")
    warned: list[str] = []
    assert len(images_here("tiny", tiny.cache, store, warn=warned.append)) == 2
    assert [line.partition(";")[0] for line in warned] == ["`tiny:cpu` is not built as it stands here"]


def test_a_variant_that_was_never_locked(tiny: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides nothing of the others."""
    spec(tiny, "variants: {cpu: {}, more: {}}\n")
    monkeypatch.chdir(tiny.root)
    train(tiny, "")
    with pytest.raises(UsageError, match="`tiny:cpu` is not built as it stands here"):
        found(tiny)
    build(tiny, "--variant", "cpu")
    image = found(tiny)
    assert images_here("tiny", tiny.cache, Store(tiny.cache.store), warn=pytest.fail) == (image,)
    Store(tiny.cache.store).forget(*Store(tiny.cache.store).builds())
    with refused(UsageError, "`tiny:cpu` is not built yet", "`mlimage build tiny --variant cpu` builds it"):
        found(tiny)
    with refused(
        LockError, "lockfiles/tiny/more.toml: `tiny` has no lock for `more`", "`mlimage lock tiny` writes it"
    ):
        found(tiny, "tiny:more")


def test_a_project_has_one_name(tiny: Offline, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "link").symlink_to(tiny.root)
    for way in (tmp_path / "beside/../one", tmp_path / "link"):
        train(tiny, f"# {way}\n")
        build(replace(tiny, root=way))
    [*projects] = {project for each in Store(tiny.cache.store).builds() for project in each.projects}
    assert projects == [str(tiny.root)]
    assert "warning" not in capsys.readouterr().err


def test_one_variant_of_another_name(tiny: Offline) -> None:
    folder = tiny.root / "lockfiles/tiny"
    lock = read_lock(folder, CPU)
    spec(tiny, "variants: {mini: {}}\n")
    write_lock(folder, replace(lock, variant="mini"))
    with refused(UsageError, "`tiny:mini` is not built yet", "`mlimage build tiny` builds it"):
        found(tiny)
    build(tiny)
    assert found(tiny).name == "tiny:mini"


def test_no_image_of_the_project(tiny: Offline, tmp_path: Path) -> None:
    """Then the name is the store's, as it is where no project is."""
    image = found(tiny)
    shutil.rmtree(tiny.root / "images/tiny")
    assert found(tiny) == image
    assert found(replace(tiny, root=tmp_path)) == image


def test_pulled(tiny: Offline) -> None:
    """It is nobody's, and as good; under another name it is something else."""
    image, store = found(tiny), Store(tiny.cache.store)
    store.forget(*store.builds())
    store.tag(store.load(image.manifest, name="other:cpu"))
    with refused(UsageError, "`tiny:cpu` is not built yet", "`mlimage build tiny` builds it"):
        found(tiny)
    store.tag(image)
    assert found(tiny) == image


def test_a_damaged_image(tiny: Offline, tmp_path: Path) -> None:
    image = found(tiny)
    Store(tiny.cache.store).blob(image.manifest.digest).write_bytes(b"{}")
    with pytest.raises(BuildError, match=r"the store's .* is damaged"):
        found(tiny)
    other = copied(tiny, tmp_path / "other")
    with refused(
        UsageError,
        f"`tiny:cpu` is not built yet: the one in the store is that of `{tiny.root}`",
        "`mlimage build tiny` builds it",
    ):
        found(other)


def test_all_of_a_name(tiny: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    image, store = found(tiny), Store(tiny.cache.store)
    monkeypatch.chdir(tiny.root)
    assert images_here("tiny", tiny.cache, store, warn=pytest.fail) == (image,)
    train(tiny, "")
    assert images_here("tiny", tiny.cache, store, warn=pytest.fail) == ()
    monkeypatch.chdir(tiny.root.parent)
    assert images_here("tiny", tiny.cache, store, warn=pytest.fail) == (image,)


def test_a_platform_of_the_machine(tiny: Offline) -> None:
    store = Store(tiny.cache.store)
    assert image_here(
        "tiny", tiny.cache, store, project=tiny.root, role="train", platform=LINUX_AMD64
    ) == found(tiny)
