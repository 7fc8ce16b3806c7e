"""A whole image folder read from the disk."""

from pathlib import Path

import pytest

from mlimage.errors import SpecError
from mlimage.spec.load import LoadedSpec, load_spec
from mlimage.spec.model import App, DebianBase, Index, Layers, RegistryBase, Role, Serve, Variant
from mlimage.spec.policy import Determinism
from mlimage.spec.requirements import SpecRequirement

FULL = """\
name: x
description: All keys
python: "3.11"
base: {debian: bookworm, packages: [libgomp1]}
dependencies:
  - numpy>=2,<3   # arrays
  - "uvicorn[standard]; python_version > '3'"
requirements: requirements.txt
app: {source: src, ignore: [notebooks, "!notebooks/keep"]}
train:
  command: python train.py --name "two words"
  env: {OMP_NUM_THREADS: "4"}
  dependencies: [tqdm]
serve:
  command: [python, serve.py, $PORT, "&&"]
  port: 8000
  health: /
  dependencies: [fastapi]
variants:
  cpu: {dependencies: [torch], env: {A: b}}
  cuda: {}
indexes:
  pytorch-cpu: {url: "https://packages.example.com/whl/cpu", packages: [Torch_Vision, torch]}
env: {DEBUG: "no"}
user: "1000:50"
labels: {com.example.team: vision}
layers: {single: 1.5 MiB, bins: 8}
compression: zstd
bytecode: no
data: [train-set, test_set]
determinism: {profile: strict, seed: 42}
"""
SMALL = 'name: x\npython: "3.11"\nbase: {debian: bookworm}\ntrain: {command: python train.py}\n'


def _folder(tmp_path: Path, spec: str, **files: str) -> Path:
    folder = tmp_path / "x"
    (folder / "app").mkdir(parents=True)
    (folder / "mlimage.yaml").write_text(spec)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _load(folder: Path) -> LoadedSpec:
    return load_spec(folder, shown="images/x")


def _errors(folder: Path) -> str:
    with pytest.raises(SpecError) as caught:
        _load(folder)
    return str(caught.value)


def test_every_key(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        FULL,
        **{
            "src/a.py": "",
            "requirements.txt": "# first\npandas\\\n  ==2.*\n-r more/other.txt\n",
            "more/other.txt": "\n  requests # x\n",
        },
    )
    loaded = _load(folder)
    spec = loaded.spec
    assert spec.base == DebianBase(debian="bookworm", packages=("libgomp1",))
    assert spec.app == App(source="src", ignore=("notebooks", "!notebooks/keep"))
    assert spec.train == Role(
        command=("python", "train.py", "--name", "two words"),
        env={"OMP_NUM_THREADS": "4"},
        dependencies=("tqdm",),
    )
    assert spec.serve == Serve(
        command=("python", "serve.py", "$PORT", "&&"), port=8000, health="/", dependencies=("fastapi",)
    )
    assert spec.variants == {"cpu": Variant(dependencies=("torch",), env={"A": "b"}), "cuda": Variant()}
    assert spec.indexes == {
        "pytorch-cpu": Index(url="https://packages.example.com/whl/cpu", packages=("torch-vision", "torch"))
    }
    assert spec.user == "1000:50"
    assert spec.layers == Layers(single=1_572_864, bins=8)
    assert (spec.compression, spec.bytecode, spec.data) == ("zstd", False, ("train-set", "test_set"))
    assert spec.determinism == Determinism(profile="strict", seed=42)
    assert loaded.ignore == ("notebooks", "!notebooks/keep")
    file = "images/x/mlimage.yaml"
    assert loaded.requirements == (
        SpecRequirement(text="numpy>=2,<3", place="dependencies", path=file, line=6, column=5),
        SpecRequirement(
            text="uvicorn[standard]; python_version > '3'", place="dependencies", path=file, line=7, column=5
        ),
        SpecRequirement(
            text="pandas  ==2.*",
            place="requirements.txt:2",
            path="images/x/requirements.txt",
            line=2,
            column=1,
        ),
        SpecRequirement(
            text="requests", place="more/other.txt:2", path="images/x/more/other.txt", line=2, column=3
        ),
        SpecRequirement(text="tqdm", place="train.dependencies", path=file, line=13, column=18),
        SpecRequirement(text="fastapi", place="serve.dependencies", path=file, line=18, column=18),
        SpecRequirement(
            text="torch", place="variants.cpu.dependencies", path=file, line=20, column=24, variant="cpu"
        ),
    )


def test_defaults(tmp_path: Path) -> None:
    loaded = _load(_folder(tmp_path, SMALL))
    spec = loaded.spec
    assert spec.variants == {"cpu": Variant()}
    assert (spec.user, spec.layers.single, spec.layers.bins, spec.compression) == (
        65532,
        4_000_000,
        16,
        "gzip",
    )
    assert (spec.bytecode, spec.determinism.profile, spec.determinism.seed) == (True, "fast", 0)
    assert (spec.serve, spec.requirements, spec.app.source) == (None, None, "app")
    assert loaded.requirements == ()
    assert loaded.ignore == ()


def test_a_registry_base_takes_any_python(tmp_path: Path) -> None:
    spec = SMALL.replace("3.11", "3.12").replace(
        "{debian: bookworm}", "{image: 'example.com:5000/a/python:3.12'}"
    )
    assert _load(_folder(tmp_path, spec)).spec.base == RegistryBase(image="example.com:5000/a/python:3.12")


def test_dockerignore_of_the_source_folder(tmp_path: Path) -> None:
    text = "\ufeff# comment\n\n  *.csv  \n!keep.csv\r\n #not a comment\n"
    assert _load(_folder(tmp_path, SMALL, **{"app/.dockerignore": text})).ignore == (
        "  *.csv  ",
        "!keep.csv",
        " #not a comment",
    )


def test_ignore_of_the_spec_wins_even_when_it_is_empty(tmp_path: Path) -> None:
    folder = _folder(tmp_path, SMALL + "app: {ignore: []}\n", **{"app/.dockerignore": "*.csv\n"})
    assert _load(folder).ignore == ()


def test_a_dockerignore_that_is_no_text(tmp_path: Path) -> None:
    folder = _folder(tmp_path, SMALL)
    (folder / "app" / ".dockerignore").write_bytes(b"a\nb\xff\n")
    assert _errors(folder) == (
        "images/x/app/.dockerignore:2:2: the byte 0xff is not UTF-8\n  hint: save the file as UTF-8"
    )


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "requirements.txt").write_text("numpy\n")
    folder = _folder(tmp_path, SMALL + "requirements: requirements.txt\napp: {source: link}\n")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "requirements.txt").symlink_to(tmp_path / "elsewhere" / "requirements.txt")
    hint = "  hint: copy what it leads to, so that the folder says all that the image needs"
    assert _errors(folder) == (
        "images/x/mlimage.yaml:5:15: requirements: `requirements.txt` is a link out of the image's folder\n"
        f"{hint}\nimages/x/mlimage.yaml:6:15: app.source: `link` is a link out of the image's folder\n{hint}"
    )


def test_a_link_to_itself(tmp_path: Path) -> None:
    folder = _folder(tmp_path, SMALL + "app: {source: loop}\n")
    (folder / "loop").symlink_to("loop")
    assert _errors(folder).startswith(
        "images/x/mlimage.yaml:5:15: app.source: the folder `loop` does not exist"
    )


def test_a_large_file(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "#" * 1_000_001)
    assert _errors(folder) == (
        "images/x/mlimage.yaml:1:1: larger than 1,000,000 bytes\n  hint: is this the right file?"
    )


def test_a_folder_in_the_place_of_the_requirements(tmp_path: Path) -> None:
    folder = _folder(tmp_path, SMALL + "requirements: app\n")
    assert _errors(folder) == (
        "images/x/mlimage.yaml:5:15: requirements: `app` is no file\n  hint: it is looked for in `images/x/`"
    )
