"""What steps left is held against what they left before: equal, differing, and never seen."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, directory, file_of_bytes, symlink
from mlimage.digest import Digest
from mlimage.engines.layers import BuiltLayer
from mlimage.engines.stepfiles import (
    Compared,
    compare_steps,
    differing,
    label_of,
    record_steps,
    what_steps_left,
)
from mlimage.errors import BuildError
from mlimage.lock.steps import StepsRecord
from mlimage.oci.store import Store
from mlimage.plan.model import AppLayer, StepsLayer
from support.locks import digest_of
from support.sealing import packed, plan_of

PLAN = plan_of(["app"])
APP = AppLayer(name="app", source="app", ignore=(), roles=b"")
FILES = (
    directory("etc", origin="test", mode=0o700),
    file_of_bytes("etc/a", b"one", origin="test", mode=0o4755, uid=7, gid=8),
    symlink("etc/l", "a b", origin="test"),
    file_of_bytes("etc/.wh.gone", b"", origin="test"),
    directory("opt", origin="test"),
    file_of_bytes("opt/.wh..wh..opq", b"", origin="test"),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def built(store: Store, entries: Iterable[Entry], *, key: str = "key") -> tuple[BuiltLayer, ...]:
    app = packed(store, "app", [file_of_bytes("app/x", b"", origin="test")])
    steps = packed(store, "steps", entries)
    return (
        BuiltLayer(layer=APP, key=digest_of("app"), blob=app, made=True),
        BuiltLayer(layer=StepsLayer(name="steps"), key=digest_of(key), blob=steps, made=True),
    )


def test_every_entry_is_described(store: Store) -> None:
    layer = built(store, FILES)[1]
    assert what_steps_left(layer, store) == StepsRecord(
        layer="steps",
        key=layer.key,
        diff_id=layer.blob.diff_id,
        files=(
            ("/etc", "0700 0:0 folder"),
            ("/etc/a", f"4755 7:8 {Digest.of(b'one')}"),
            ("/etc/gone", "removed"),
            ("/etc/l", "0777 0:0 -> a b"),
            ("/opt", "0755 0:0 folder"),
            ("/opt/", "emptied"),
        ),
    )


def test_equal_differing_and_unrecorded(store: Store, tmp_path: Path) -> None:
    layers = built(store, FILES)
    assert compare_steps(PLAN, layers[:1], store, tmp_path, strict=True) == Compared()
    assert compare_steps(PLAN, layers, store, tmp_path, strict=False) == Compared(unrecorded=("steps",))
    record_steps(PLAN, layers, store, tmp_path)
    assert compare_steps(PLAN, layers, store, tmp_path, strict=True) == Compared()
    changed = (
        *FILES[2:],
        directory("etc", origin="test", mode=0o755),
        file_of_bytes("etc/a", b"two", origin="test", mode=0o4755, uid=7, gid=8),
        file_of_bytes("etc/new", b"", origin="test"),
    )
    others = built(store, changed)
    assert compare_steps(PLAN, others, store, tmp_path, strict=False) == Compared(
        differing=("/etc", "/etc/a", "/etc/new")
    )
    elsewhere = built(store, changed, key="other inputs")
    assert compare_steps(PLAN, elsewhere, store, tmp_path, strict=False) == Compared(unrecorded=("steps",))


def test_a_record_is_of_one_variant(store: Store, tmp_path: Path) -> None:
    layers = built(store, FILES)
    record_steps(PLAN, layers, store, tmp_path)
    other = replace(PLAN, variant="cuda")
    assert compare_steps(other, layers, store, tmp_path, strict=False) == Compared(unrecorded=("steps",))
    assert sorted(path.name for path in tmp_path.glob("*.steps")) == ["cpu.steps"]
    record_steps(PLAN, layers[:1], store, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.steps")) == []


def refused(store: Store, where: Path, entries: Iterable[Entry]) -> tuple[str, str | None]:
    with pytest.raises(BuildError) as caught:
        compare_steps(PLAN, built(store, entries), store, where, strict=True)
    return caught.value.message, caught.value.hint


def test_strict_wants_a_record(store: Store, tmp_path: Path) -> None:
    assert refused(store, tmp_path, FILES) == (
        "nothing is recorded to hold the steps of `demo:cpu` against (steps)",
        "`mlimage build demo --record` notes what they leave; build it again elsewhere",
    )


HOW = (
    "let the step remove them or write them without times and chance; `mlimage diff` shows how two images "
    "differ"
)


def test_strict_names_what_differs(store: Store, tmp_path: Path) -> None:
    record_steps(PLAN, built(store, FILES), store, tmp_path)
    others = [file_of_bytes(f"etc/{number:02}", b"", origin="test") for number in range(19)]
    shown = [f"/etc/{number:02}" for number in range(19)]
    assert refused(store, tmp_path, [*FILES, *others]) == (
        "the steps of `demo:cpu` left other files than were recorded:"
        + "".join(f"\n  not reproducible: {path}" for path in shown),
        HOW,
    )
    message, _ = refused(
        store, tmp_path, [*FILES[:1], *FILES[2:], *others, symlink("etc/z", "a", origin="t")]
    )
    assert message == (
        "the steps of `demo:cpu` left other files than were recorded:"
        + "".join(f"\n  not reproducible: {path}" for path in [*shown, "/etc/a"])
        + "\n  and 1 more"
    )


def test_the_layer_itself_where_no_file_differs() -> None:
    one = StepsRecord(layer="steps", key=digest_of("key"), diff_id=digest_of("1"), files=(("/a", "removed"),))
    assert differing(one, replace(one, diff_id=digest_of("2"))) == ("layer `steps`",)


def test_the_label() -> None:
    paths = [f"/{number}" for number in range(22)]
    assert label_of(paths[:2]) == ("dev.mlimage.not-reproducible", "/0 /1")
    assert label_of(paths[:20]) == ("dev.mlimage.not-reproducible", " ".join(paths[:20]))
    assert label_of(paths) == ("dev.mlimage.not-reproducible", " ".join(paths[:20]) + " and 2 more")
