"""What of a project is not in its image."""

import json
from pathlib import Path

from mlimage.host.leftout import left_out

SPEC = "name: x\napp: {{source: {}}}\n"


def project(root: Path, *paths: str, spec: str = "name: x\n") -> Path:
    for path in (
        "images/x/mlimage.yaml",
        "lockfiles/x/cpu.toml",
        "models/x/m.bin",
        "images/x/app/train.py",
        *paths,
    ):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (root / "images/x/mlimage.yaml").write_text(spec)
    return root


def test_what_is_ignored_and_what_lies_beside(tmp_path: Path) -> None:
    app = "images/x/app"
    root = project(
        tmp_path, "data/a.csv", "README.md", ".git/HEAD", "images/x/conf/a.yaml", "images/x/.env",
        f"{app}/raw/a/b", f"{app}/raw/c", f"{app}/src/a.csv", f"{app}/src/a.py", f"{app}/__pycache__/x.pyc",
    )  # fmt: skip
    (root / app / ".dockerignore").write_text("raw\n**/*.csv\n")
    assert json.loads(left_out(root, "x")) == {
        "ignored": ["raw", "src/a.csv"],
        "beside": {"README.md": "../../README.md", "conf": "conf", "data": "../../data"},
    }
    (root / app / ".dockerignore").write_text("raw\n!raw/c\n")
    assert json.loads(left_out(root, "x"))["ignored"] == ["raw/a/b"]


def test_the_folder_of_the_image_as_its_application(tmp_path: Path) -> None:
    spec = SPEC.format(".") + ""
    root = project(tmp_path, "images/x/raw/a", spec=spec.replace("}", ", ignore: [raw]}"))
    assert json.loads(left_out(root, "x")) == {"ignored": ["raw"]}


def test_nothing_to_tell(tmp_path: Path) -> None:
    assert left_out(tmp_path, "x") == ""
    assert left_out(project(tmp_path), "x") == ""
    assert left_out(tmp_path, "other") == ""
    (tmp_path / "images/x/app/.dockerignore").write_text("[\n")
    assert left_out(tmp_path, "x") == ""
    (tmp_path / "images/x/mlimage.yaml").write_text("{")
    assert left_out(tmp_path, "x") == ""


def test_no_more_than_a_variable_holds(tmp_path: Path) -> None:
    root = project(tmp_path, *(f"images/x/app/raw/{number}.csv" for number in range(200)))
    (root / "images/x/app/.dockerignore").write_text("**/*.csv\n")
    assert len(json.loads(left_out(root, "x"))["ignored"]) == 100
