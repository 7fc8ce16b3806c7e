"""The layer of model and golden record: only where a whole one is recorded, under one digest."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlimage.digest import Digest
from mlimage.errors import BuildError
from mlimage.plan.decide import plan
from mlimage.plan.manifest import fault_of
from mlimage.plan.model import AppLayer, GoldenLayer
from mlimage.runtime.golden.compare import TIERS, tolerances
from mlimage.runtime.golden.record import files_of
from mlimage.spec.frozen import GoldenManifest, digest_line
from mlimage.spec.load import LoadedSpec, parse_spec
from support.locks import lock
from support.records import small_record

SPEC = b"""
name: x
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
serve: {command: python serve.py}
golden: {preprocess: 'features:transform', predict: 'model:scores', model: model.npz}
"""


def loaded() -> LoadedSpec:
    return LoadedSpec(
        spec=parse_spec(SPEC, path="images/x/mlimage.yaml", folder="x"), requirements=(), ignore=()
    )


RECORD = small_record()
MANIFEST = files_of(RECORD)["manifest.json"]


def held(content: bytes) -> GoldenManifest:
    return GoldenManifest(content=content, digest=digest_line(content))


def edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    said = json.loads(MANIFEST)
    edit(said)
    return json.dumps(said).encode()


def test_without_a_record_there_is_no_layer() -> None:
    found = plan(loaded(), lock())
    assert isinstance(found.layers[-1], AppLayer)
    assert "dev.mlimage.golden" not in dict(found.config.labels)


def test_the_record_is_on_top_and_its_digest_is_a_label() -> None:
    found = plan(replace(loaded(), manifest=held(MANIFEST)), lock())
    digest = Digest.of(MANIFEST)
    assert found.layers[-1] == GoldenLayer(
        name="golden-record", source="../../lockfiles/x/golden", digest=digest
    )
    assert dict(found.config.labels)["dev.mlimage.golden"] == digest
    assert list(found.config.labels) == sorted(found.config.labels)


def test_an_image_that_only_trains_has_none() -> None:
    recorded = replace(loaded(), manifest=held(MANIFEST))
    assert plan(recorded, lock(), "train") == plan(loaded(), lock(), "train")
    assert isinstance(plan(recorded, lock(), "serve").layers[-1], GoldenLayer)


def refused(manifest: GoldenManifest) -> tuple[str, str | None]:
    with pytest.raises(BuildError) as caught:
        plan(replace(loaded(), manifest=manifest), lock())
    return caught.value.message, caught.value.hint


def test_half_a_record_is_refused() -> None:
    why = "it has no `manifest.json`"
    assert refused(GoldenManifest(problem=why)) == (
        f"the golden record in `lockfiles/x/golden` is incomplete: {why}",
        (
            "take the whole folder from version control, or `mlimage freeze x` records anew; "
            "`mlimage freeze x --drop` removes it, for an image without the model"
        ),
    )


def test_a_manifest_without_its_digest_is_refused() -> None:
    assert refused(GoldenManifest(content=MANIFEST)) == (
        "the golden record in `lockfiles/x/golden` has no `manifest.sha256`, the digest of its manifest",
        (
            "commit the one that `mlimage freeze` wrote; if an older mlimage wrote the record, and nobody "
            "changed it: `(cd lockfiles/x/golden && sha256sum manifest.json > manifest.sha256)`"
        ),
    )


def test_a_manifest_that_was_edited_is_refused() -> None:
    content = MANIFEST.replace(b"1e-05", b"2e-05")
    assert content != MANIFEST
    assert refused(GoldenManifest(content=content, digest=digest_line(MANIFEST))) == (
        (
            "`lockfiles/x/golden/manifest.json` is not the one that was recorded: `manifest.sha256` has "
            "another digest"
        ),
        "take the whole folder from version control, or `mlimage freeze x` records anew",
    )


def test_values_that_no_recorder_gives_are_refused_though_the_digest_is_theirs() -> None:
    content = edited(lambda said: said["tolerance"]["outputs"].update(float32=0.99))
    assert refused(held(content)) == (
        (
            "`lockfiles/x/golden/manifest.json`: it allows 0.99 in outputs of float32, and no record allows "
            "more than 4e-05 there"
        ),
        "undo it, or begin anew: `mlimage freeze x --drop`, then build, train and freeze",
    )


def at(*steps: str | int, to: object) -> Callable[[dict[str, Any]], object]:
    def edit(said: Any) -> None:
        for step in steps[:-1]:
            said = said[step]
        said[steps[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (
            at("calls", "predict", to="os:system"),
            "it is of `predict: os:system`, and mlimage.yaml has `predict: model:scores`",
        ),
        (
            at("calls", "preprocess", to="features:other"),
            "it is of `preprocess: features:other`, and mlimage.yaml has `preprocess: features:transform`",
        ),
        (
            at("cases", 0, "name", to="../../evil"),
            "`../../evil` cannot be the name of a case: it is not the name of a file",
        ),
        (at("cases", 0, "name", to=".."), "`..` cannot be the name of a case: it is not the name of a file"),
        (at("cases", 0, "name", to=""), "`` cannot be the name of a case: it is not the name of a file"),
        (
            at("cases", 0, "name", to="a\x1b[2Jb"),
            "`a\\x1b[2Jb` cannot be the name of a case: it is not the name of a file",
        ),
        (at("cases", to=[]), "it has no cases"),
        (
            at("tolerance", "features", "float64", to=1e-9),
            "it allows 1e-09 in features of float64, and no record allows more than 4e-10 there",
        ),
        (
            at("tolerance", "features", "int64", to=1),
            "it allows 1 in features of int64, and no record allows more than 0 there",
        ),
        (
            at("tolerance", "response", to={"float64": 0.1}),
            "it allows 0.1 in response of float64, and no record allows more than 0 there",
        ),
        (
            at("tolerance", "outputs", "float32", to=-1),
            "it allows -1 in outputs of float32, and no record allows more than 4e-05 there",
        ),
        (
            at("tolerance", "outputs", "float32", to=float("nan")),
            "it allows nan in outputs of float32, and no record allows more than 4e-05 there",
        ),
        (
            at("model", "files", to={"other.npz": "a" * 64}),
            "it is of `model: other.npz`, which mlimage.yaml does not name",
        ),
        (
            at("model", "files", to={"model.npz/../../x": "a" * 64}),
            "`model.npz/../../x` is not the path of a file",
        ),
        (at("model", "files", to={"model.npz": "a"}), "`a` is not a SHA-256 digest"),
        (at("model", "files", to={}), "it has nothing of `model: model.npz`, which mlimage.yaml names"),
        (
            at("preprocess", "files", "models/scaler", to="a" * 64),
            "it is of `state: scaler`, which mlimage.yaml does not name",
        ),
        (
            at("preprocess", "files", "etc/passwd", to="a" * 64),
            "`etc/passwd` is not a file of the application or the folder of models",
        ),
        (at("format", to=2), "it has format 2, and this version of mlimage reads format 1"),
        (at("cases", to=7), "it is damaged (TypeError: 'int' object is not iterable)"),
        (
            at("tolerance", "outputs", "float32", to="1"),
            "it is damaged (TypeError: '<=' not supported between instances of 'int' and 'str')",
        ),
    ],
)
def test_the_first_fault_is_named(edit: Callable[[dict[str, Any]], object], fault: str) -> None:
    golden = loaded().spec.golden
    assert golden is not None
    assert fault_of(MANIFEST, golden) is None
    assert fault_of(edited(edit), golden) == fault


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"format": 1}'])
def test_what_is_no_manifest_is_a_fault(content: bytes) -> None:
    golden = loaded().spec.golden
    assert golden is not None
    assert (fault_of(content, golden) or "").startswith("it is damaged (")


def test_all_that_the_recorder_can_allow_passes() -> None:
    golden = loaded().spec.golden
    assert golden is not None
    widest = RECORD._replace(tolerance=tolerances(TIERS))
    assert fault_of(files_of(widest)["manifest.json"], golden) is None


@pytest.mark.parametrize(
    ("model", "files"),
    [
        ("model", ("model/a", "model/deep/b")),
        ("model/", ("model/a",)),
        (".", ("a", "b/c")),
        ("./model.npz", ("./model.npz",)),
    ],
)
def test_models_in_folders(model: str, files: tuple[str, ...]) -> None:
    golden = loaded().spec.golden
    assert golden is not None
    recorded = RECORD._replace(model=dict.fromkeys(files, "a" * 64))
    assert fault_of(files_of(recorded)["manifest.json"], golden.model_copy(update={"model": model})) is None
