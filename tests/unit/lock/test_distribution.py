"""What a wheel or a source archive of mlimage asks for."""

import io
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.content.interpreter import Target
from mlimage.errors import FetchError, MlimageError
from mlimage.lock.distribution import Distribution, read_distribution
from support.machine import ROOT
from support.wheels import make_wheel

TARGET = Target(
    markers={"python_version": "3.11", "sys_platform": "linux"}, tags=(), version="3.11.2", glibc="2.36"
)
PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
[project]
name = "mlimage_builder"
requires-python = ">=3.11"
dependencies = ["rich>=14", 'tomli; python_version < "3.11"']
[project.optional-dependencies]
uv = ["uv"]
"""


def archive(path: Path, members: dict[str, str]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as made:
            for name, text in members.items():
                made.writestr(name, text)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def test_a_wheel(tmp_path: Path) -> None:
    made = make_wheel(
        tmp_path,
        "mlimage-builder",
        "0.1.0",
        {},
        requires=["rich>=14", 'tomli; python_version < "3.11"', 'uv<1; extra == "uv"'],
        headers=["Requires-Python: >=3.11"],
    )
    found = read_distribution(made, made.name)
    assert (found.name, found.requires_python) == ("mlimage-builder", ">=3.11")
    assert found.needs(TARGET) == ("rich>=14",)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_an_archive(name: str, tmp_path: Path) -> None:
    """What it is built with is needed, too."""
    members = {
        "top/tests/pyproject.toml": "[",
        "pyproject.toml": "[",
        "top/pyproject.toml": PROJECT,
    }
    found = read_distribution(archive(tmp_path / name, members), name)
    assert found == Distribution(
        name="mlimage-builder",
        requires_python=">=3.11",
        requires=("rich>=14", 'tomli; python_version < "3.11"', "hatchling>=1.27"),
    )
    assert found.needs(TARGET) == ("rich>=14", "hatchling>=1.27")


def test_this_checkout(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    found = read_distribution(archive(tmp_path / "x.zip", {"a/pyproject.toml": text}), "x.zip").needs(TARGET)
    assert {"hatchling>=1.27", "typer>=0.29"} < set(found)
    assert not [text for text in found if text.startswith("uv")]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"pyproject.toml": PROJECT}, "has no `pyproject.toml` in its folder, so pip cannot build it"),
        ({"a/setup.py": ""}, "has no `pyproject.toml` in its folder, so pip cannot build it"),
        (
            {"a/pyproject.toml": "[project]\nname = 3\n"},
            "is not a source archive: `pyproject.toml` does not say under `[project]` what it is and needs",
        ),
        (
            {"a/pyproject.toml": '[project]\nname = "mlimage-builder"\ndynamic = ["dependencies"]\n'},
            "is not a source archive: `pyproject.toml` does not say under `[project]` what it is and needs",
        ),
        (
            {"a/pyproject.toml": "project = 3\n"},
            "is not a source archive: `project` in `pyproject.toml` is not a table",
        ),
        (
            {"a/pyproject.toml": '[project]\nname = "a"\ndependencies = [1]\n'},
            "is not a source archive: `dependencies` in `pyproject.toml` is not a list of texts",
        ),
        (
            {"a/pyproject.toml": "[project"},
            "is not a source archive: expected ']' at the end of a table declaration (at end of document)",
        ),
    ],
)
@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_what_pip_could_not_build(members: dict[str, str], why: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        read_distribution(archive(tmp_path / name, members), name)
    assert caught.value.message == f"`{name}` {why}"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x.tar.gz", "`x.tar.gz` is not a source archive: not a gzip file"),
        ("x.zip", "`x.zip` is not a source archive: file is not a zip file"),
        (
            "mlimage_builder-1-py3-none-any.whl",
            "`mlimage_builder-1-py3-none-any.whl` is no wheel: file is not a zip file",
        ),
    ],
)
def test_another_file(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"<!doctype html>")
    with pytest.raises(FetchError) as caught:
        read_distribution(tmp_path / name, name)
    assert caught.value.message == why


@given(content=st.binary(max_size=300), cut=st.integers(0, 400), name=st.sampled_from(["x.tar.gz", "x.zip"]))
def test_whatever_comes(
    content: bytes, cut: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("x")
    whole = archive(folder / name, {"a/pyproject.toml": PROJECT}).read_bytes()
    (folder / name).write_bytes(whole[:cut] + content)
    with suppress(FetchError):
        assert read_distribution(folder / name, name).name == "mlimage-builder"


@pytest.mark.parametrize(
    ("found", "why", "hint"),
    [
        (
            Distribution(name="mlimage", requires_python=None, requires=()),
            "the file of --mlimage-from is `mlimage`, not `mlimage-builder`",
            "give the URL of a wheel or source archive of `mlimage-builder`",
        ),
        (
            Distribution(name="mlimage-builder", requires_python=">=3.12", requires=()),
            "the `mlimage-builder` of --mlimage-from needs python `>=3.12`, and this is 3.11.2",
            "CI uses the python that runs `mlimage init`: run it with such a python",
        ),
        (
            Distribution(name="mlimage-builder", requires_python=None, requires=("a @ https://x.example/a",)),
            "`mlimage-builder` asks for `a` at an address of its own, which cannot be locked",
            None,
        ),
        (
            Distribution(name="mlimage-builder", requires_python=None, requires=("-r x",)),
            "`mlimage-builder` asks for `-r x`, which is not a requirement",
            None,
        ),
    ],
)
def test_what_is_not_locked(found: Distribution, why: str, hint: str | None) -> None:
    with pytest.raises(MlimageError) as caught:
        found.needs(TARGET)
    assert (caught.value.message, caught.value.hint) == (why, hint)
