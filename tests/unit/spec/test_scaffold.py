"""The new image folder: it loads, it is whole, and nothing is overwritten."""

import ast
from pathlib import Path

import pytest

from mlimage import resources
from mlimage.errors import UsageError
from mlimage.spec.imported import Imported, ImportedIndex, ImportedVariant, Note
from mlimage.spec.load import load_spec
from mlimage.spec.project import find_project
from mlimage.spec.scaffold import scaffold, write_scaffold, write_schema
from mlimage.spec.schema import schema_text

TEMPLATES = resources.templates() / "init"


def _tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_default_loads(tmp_path: Path) -> None:
    write_scaffold(scaffold("churn", None, templates=TEMPLATES), root=tmp_path)
    assert not write_schema(tmp_path)
    assert _tree(tmp_path) == [
        "images/churn/app/.dockerignore",
        "images/churn/app/features.py",
        "images/churn/app/model.py",
        "images/churn/app/serve.py",
        "images/churn/app/train.py",
        "images/churn/golden/edges.json",
        "images/churn/golden/extreme.json",
        "images/churn/golden/usual.json",
        "images/churn/golden/zero.json",
        "images/churn/mlimage.yaml",
        "images/mlimage.schema.json",
    ]
    project = find_project(tmp_path / "images" / "churn")
    assert project.names() == ("churn",)
    loaded = project.load("churn")
    assert [one.text for one in loaded.requirements] == ["numpy"]
    assert "models" in loaded.ignore
    assert (tmp_path / "images" / "churn" / "mlimage.yaml").read_text().splitlines()[0] == (
        "# yaml-language-server: $schema=../mlimage.schema.json"
    )
    assert (tmp_path / "images" / "mlimage.schema.json").read_text() == schema_text()


def test_both_roles_import_the_same_features() -> None:
    made = scaffold("churn", None, templates=TEMPLATES)
    for role in ("train", "serve"):
        tree = ast.parse(made.files[f"app/{role}.py"])
        modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert "features" in modules


def test_what_was_imported_is_written_with_its_notes(tmp_path: Path) -> None:
    imported = Imported(
        dependencies=("pandas[excel]>=2,<3; python_version < '4'", "torch==2.1"),
        python=">=3.12",
        changed=(Note(text="torch==2.1+cu118", reason="became `torch==2.1`"),),
        left_out=(Note(text="x\ny: {", reason="odd"),),
    )
    made = scaffold("churn", imported, templates=TEMPLATES)
    assert [str(note) for note in made.changed] == ["torch==2.1+cu118: became `torch==2.1`"]
    assert [str(note) for note in made.left_out] == ["x\ny: {: odd"]
    text = made.files["mlimage.yaml"]
    assert text[text.index("dependencies:") : text.index("\ntrain:")] == (
        "dependencies:  # what you need; `mlimage lock churn` writes down what you get\n"
        "  - \"pandas[excel]>=2,<3; python_version < '4'\"\n"
        "  - torch==2.1\n"
        "  - numpy  # the example in app/ needs it\n"
        "  # Changed:\n"
        "  #   torch==2.1+cu118: became `torch==2.1`\n"
        "  # Not carried over:\n"
        "  #   x y: {: odd\n"
    )
    write_scaffold(made, root=tmp_path)
    spec = load_spec(tmp_path / "images" / "churn", shown="images/churn").spec
    assert spec.python == "3.13"
    assert spec.dependencies == ("pandas[excel]>=2,<3; python_version < '4'", "torch==2.1", "numpy")


def test_variants_and_indexes_are_written() -> None:
    imported = Imported(
        dependencies=("torch==2.3.1",),
        python="==3.12.*",
        indexes=(ImportedIndex(name="ours", url="https://example.com/simple", packages=("ours", "theirs")),),
        variants=(
            ImportedVariant(
                name="cpu",
                indexes=(
                    ImportedIndex(name="pytorch-cpu", url="https://example.com/cpu", packages=("torch",)),
                ),
            ),
            ImportedVariant(name="cuda", dependencies=("jax[cuda12]",)),
            ImportedVariant(name="tpu"),
        ),
    )
    made = scaffold("churn", imported, templates=TEMPLATES)
    text = made.files["mlimage.yaml"]
    assert text[text.index("python:") : text.index("\ntrain:")] == (
        'python: "3.12"  # the python of the image python:3.12-slim\n'
        "\n"
        "base:\n"
        "  image: python:3.12-slim\n"
        "  # packages: [libgomp1]  # Debian packages that wheels need; the docker engine installs them\n"
        "\n"
        "dependencies:  # what you need; `mlimage lock churn` writes down what you get\n"
        "  - torch==2.3.1\n"
        "  - numpy  # the example in app/ needs it\n"
        "  # Changed:\n"
        "  #   python ==3.12.*: no Debian suite has it; the base is the image `python:3.12-slim`\n"
    )
    assert text[text.index("  cases:") :] == (
        "  cases: golden  # requests, a file each: yours, from usual to extreme\n"
        "\n"
        "indexes:\n"
        "  ours:\n"
        "    url: https://example.com/simple\n"
        "    packages: [ours, theirs]\n"
        "\n"
        "variants:\n"
        "  cpu:\n"
        "    indexes:\n"
        "      pytorch-cpu:\n"
        "        url: https://example.com/cpu\n"
        "        packages: [torch]\n"
        "  cuda:\n"
        "    dependencies:\n"
        '      - "jax[cuda12]"\n'
        "  tpu: {}\n"
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "churn"
    (folder / "app").mkdir(parents=True)
    (folder / "notes.md").write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_scaffold(scaffold("churn", None, templates=TEMPLATES), root=tmp_path)
    assert str(caught.value) == "`images/churn` is there already, with `app`, `notes.md`"
    assert _tree(tmp_path) == ["images/churn/notes.md"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "images" / "churn").mkdir(parents=True)
    write_scaffold(scaffold("churn", None, templates=TEMPLATES), root=tmp_path)
    assert "images/churn/mlimage.yaml" in _tree(tmp_path)


def test_another_schema_is_kept_and_told(tmp_path: Path) -> None:
    file = tmp_path / "images" / "mlimage.schema.json"
    file.parent.mkdir()
    file.write_text("{}")
    assert write_schema(tmp_path)
    assert file.read_text() == "{}"


@pytest.mark.parametrize("name", ["Churn", "../x", "", "a/b", "$name", "a b", "-a"])
def test_bad_names(name: str) -> None:
    with pytest.raises(UsageError):
        scaffold(name, None, templates=TEMPLATES)
