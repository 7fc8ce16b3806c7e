"""`mlimage sbom` as a command, without any network, store or build."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.lock.check import wanted_by
from mlimage.lock.model import Lock
from mlimage.lock.text import write_lock
from mlimage.release.sbom import sbom
from mlimage.spec.project import Project
from mlimage.spec.tags import ImageTag
from support import locks

SPEC = """\
name: digits
python: "3.11"
base: {debian: bookworm}
train: {command: python t.py}
dependencies: [numpy]
variants: {cpu: {}, cuda: {}}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "images" / "digits"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "t.py").touch()
    (folder / "mlimage.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def cuda(root: Path) -> Lock:
    project = Project(root)
    for variant in ("cpu", "cuda"):
        tag = ImageTag(variant=variant)
        lock = replace(
            locks.lock([locks.package("numpy", "2.1")]),
            variant=variant,
            wanted=wanted_by(project.load("digits"), tag),
        )
        write_lock(project.lock_folder("digits"), lock)
    return lock


def mlimage(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(("sbom", *arguments))
    return ended.value.code


def test_what_it_prints(cuda: Lock, root: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert mlimage("digits", "--variant", "cuda") == 0
    assert capsysbinary.readouterr() == (sbom(cuda, cuda.tag, "cyclonedx"), b"")
    assert mlimage("--variant", "cuda", "--format", "spdx", "--json") == 0
    assert capsysbinary.readouterr() == (sbom(cuda, cuda.tag, "spdx"), b"")
    assert not (root / "cache").exists()


def test_of_one_image_only(cuda: Lock, capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("digits") == 2
    assert capsys.readouterr() == (
        "",
        "error: an SBOM is of one image, not of 2\nhint: name the image, and its `--variant`\n",
    )


def test_a_stale_lock_has_none(cuda: Lock, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = root / "images/digits/mlimage.yaml"
    spec.write_text(SPEC.replace("[numpy]", "[numpy, scipy]"))
    assert mlimage("digits", "--variant", "cuda") == 4
    assert capsys.readouterr() == (
        "",
        (
            "error: the lock of `digits:cuda` is stale:\n"
            "  requirement added: scipy\n"
            "hint: `mlimage lock digits` brings it up to date\n"
        ),
    )


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert mlimage("--help") == 0
    assert "mlimage sbom churn --variant cuda --format spdx > churn.spdx.json" in capsys.readouterr().out
