"""What a build gave against `digests.toml`."""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from mlimage.engines.build import Built
from mlimage.engines.layers import BuiltLayer
from mlimage.engines.recorded import compare
from mlimage.errors import BuildError
from mlimage.lock.records import Record, read_digests
from mlimage.oci import compress as compress_module
from mlimage.oci.records import LayerRecords
from support.locks import digest_of
from support.notes import Notes
from support.tinyproject import Project

NUMPY = Record(
    tags=("cpu",),
    layer="numpy",
    key=digest_of("key"),
    diff_id=digest_of("content"),
    digest=digest_of("packed"),
    size=100,
    unpacked=400,
)


def test_equal() -> None:
    assert compare([NUMPY], [NUMPY], name="digits:cpu") == ()


def test_a_layer_of_other_inputs_is_named_as_unknown() -> None:
    upgraded = replace(NUMPY, key=digest_of("other key"), diff_id=digest_of("other content"))
    assert compare([NUMPY], [upgraded], name="digits:cpu") == ("numpy",)


def test_another_name_for_the_same_layer_is_no_difference() -> None:
    assert compare([NUMPY], [replace(NUMPY, layer="packages-03")], name="digits:cpu") == ()


@pytest.mark.parametrize(
    ("built", "what", "expected", "got"),
    [
        (replace(NUMPY, diff_id=digest_of("x"), digest=digest_of("y")), "content", "content", "x"),
        (replace(NUMPY, digest=digest_of("y")), "compressed bytes", "packed", "y"),
    ],
)
def test_the_same_inputs_and_other_bytes(built: Record, what: str, expected: str, got: str) -> None:
    with pytest.raises(BuildError) as error:
        compare([NUMPY], [built], name="digits:cpu")
    assert error.value.message == (
        f"layer `numpy` of `digits:cpu` has other {what} than recorded: "
        f"expected {digest_of(expected)}, got {digest_of(got)}"
    )
    assert error.value.hint == (
        "the same inputs gave other bytes: report this as a defect of mlimage, or, where its version changed "
        "on purpose, record anew with `mlimage build digits --record`"
    )
    assert error.value.exit_status == 7


def test_a_record_of_the_same_bytes_with_another_size() -> None:
    with pytest.raises(BuildError) as error:
        compare([replace(NUMPY, unpacked=1)], [NUMPY], name="digits:cpu")
    assert error.value.message == (
        "layer `numpy` of `digits:cpu` has other size than recorded: expected (100, 1), got (100, 400)"
    )


def packed_as(project: Project, name: str, pack: Callable[[bytes], bytes]) -> tuple[Built, BuiltLayer]:
    """Build and record; then let the store have other packed bytes for a layer."""
    built = project.build(record=True)
    [layer] = [layer for layer in built.layers if layer.layer.name == name]
    tar = gzip.decompress(project.store.blob(layer.blob.blob.digest).read_bytes())
    other = project.store.put(pack(tar), layer.blob.blob.media_type)
    assert other.digest != layer.blob.blob.digest
    LayerRecords(project.cache.layers, project.store).put(layer.key, replace(layer.blob, blob=other))
    return built, layer


def test_bytes_that_a_faulty_machine_packed_are_packed_once_more(project: Project) -> None:
    before, layer = packed_as(project, "two", lambda tar: gzip.compress(tar, mtime=0))
    project.store.blob(layer.blob.blob.digest).unlink()
    notes = Notes()
    assert project.build(progress=notes).image == before.image
    [warning] = notes.notes
    assert warning == (
        "warning: layer `two` of `demo:cpu` was packed into other bytes than recorded, and, once more, into "
        "those recorded: the memory or the processor of this machine may be faulty"
    )
    assert project.build(progress=notes).image == before.image
    assert len(notes.notes) == 1
    assert project.left_over() == []


def damaged(tar: bytes) -> bytes:
    return gzip.compress(tar[:700] + b"?" + tar[701:], mtime=0)


def test_bytes_that_do_not_unpack_to_what_went_in_are_made_once_more(project: Project) -> None:
    before, _ = packed_as(project, "two", damaged)
    notes = Notes()
    assert project.build(progress=notes).image == before.image
    [warning] = notes.notes
    assert warning == (
        "warning: layer `two` of `demo:cpu` does not unpack to what went into it: it is made once more; the "
        "memory or the processor of this machine may be faulty"
    )
    assert project.left_over() == []


class Faulty:
    """A compressor that packs other bytes than it gets, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.right = compress_module.Compressor

    def __call__(self, codec: compress_module.Codec) -> compress_module.Compressor:
        compressor = self.right(codec)
        if self.left:
            self.left -= 1
            write = compressor.write
            vars(compressor)["write"] = lambda data: write(data.replace(b"name", b"lame"))
        return compressor


@pytest.mark.parametrize("record", [True, False])
def test_a_machine_that_packs_wrong_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, record: bool
) -> None:
    before = project.build(record=True)
    shutil.rmtree(project.cache.root)
    monkeypatch.setattr("mlimage.oci.layer.Compressor", Faulty(4))
    notes = Notes()
    assert project.build(progress=notes, record=record, jobs=1).image == before.image
    assert len(notes.notes) == 1
    assert "it is made once more" in notes.notes[0]


def test_what_cannot_be_unpacked_here_is_no_fault_of_the_machine(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_: object, **__: object) -> None:
        raise BuildError("layers in zstd need the python package `zstandard`")

    monkeypatch.setattr("mlimage.engines.recorded.open_layer", lacks)
    notes = Notes()
    with pytest.raises(BuildError, match=r"^layers in zstd need the python package `zstandard`$"):
        project.build(record=True, progress=notes)
    assert notes.notes == []


def test_what_was_packed_wrong_before_is_not_recorded(project: Project) -> None:
    before, _ = packed_as(project, "two", damaged)
    notes = Notes()
    assert project.build(record=True, progress=notes).image == before.image
    assert len(notes.notes) == 1


def test_a_machine_that_packs_wrong_again_and_again_records_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlimage.oci.layer.Compressor", Faulty(100))
    with pytest.raises(BuildError) as error:
        project.build(record=True, jobs=1)
    assert error.value.message == "layer `one` of `demo:cpu` does not unpack to what went into it"
    assert error.value.hint == "the memory or the processor of this machine may be faulty"
    assert not (project.place / "lock/digests.toml").exists()


def test_a_compressor_that_always_gives_other_bytes_is_no_fault_of_the_machine(project: Project) -> None:
    project.build(record=True)
    file = project.place / "lock/digests.toml"
    [record] = [one for one in read_digests(file.parent) if one.layer == "two"]
    file.write_text(file.read_text().replace(str(record.digest), str(digest_of("another compressor"))))
    with pytest.raises(
        BuildError, match="layer `two` of `demo:cpu` has other compressed bytes than recorded"
    ):
        project.build()
