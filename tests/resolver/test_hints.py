"""What a hint of `mlimage lock` says works when it is followed, with the real resolvers and the real pip."""

import io
import os
import re
import shlex
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mlimage.process import Command, run
from support.resolving import RESOLVERS, Index
from support.webserver import web_server

BACKEND = """\
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "sourced-1.1-py3-none-any.whl"
    info = "sourced-1.1.dist-info/"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("sourced.py", "")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: sourced\\nVersion: 1.1\\n")
        wheel.writestr(
            info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        )
        wheel.writestr(info + "RECORD", "")
    return name
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@pytest.fixture(params=RESOLVERS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    with web_server(style="json") as server:
        yield Index(server, RESOLVERS[request.param], tmp_path)


def quoted(hint: str | None) -> list[str]:
    return re.findall(r"`([^`]+)`", hint or "")


def sources() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (("pyproject.toml", PROJECT), ("backend.py", BACKEND)):
            member = tarfile.TarInfo(f"sourced-1.1/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize("asked", ["sourced==1.1", "parent"])
def test_a_wheel_that_is_built_once(index: Index, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    """As `hydra-core` asks for an `antlr4-python3-runtime` of which there are sources, and newer wheels."""
    index.web.offer("sourced", "sourced-1.1.tar.gz", sources())
    index.add("sourced", "2.0")
    index.add("parent", "1.0", requires=["sourced==1.1.*"])
    hint = index.error(asked).hint
    command, edit = quoted(hint)[-2:]
    monkeypatch.chdir(index.folder)
    done = run(
        Command(
            argv=(sys.executable, "-m", *shlex.split(command)),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(index.folder),
                "PIP_CONFIG_FILE": "/dev/null",
                "PIP_INDEX_URL": index.web.index,
            },
            cwd=index.folder,
        )
    )
    assert done.status == 0, done.errors
    index.indexes = yaml.safe_load(edit)["indexes"]
    assert hint is not None
    [(variable, value)] = re.findall(r"set (\w+)=(\S+) ", hint)
    index.environ[variable] = value
    assert index.pins(asked)["sourced"] == "1.1"


def test_the_nearest_version_of_each(index: Index) -> None:
    """All at once, so that one edit is enough."""
    for name in ("one", "two"):
        index.add(name, "1.0", tag="cp27-cp27m-manylinux1_x86_64")
        index.add(name, "1.5")
        index.add(name, "2.0")
    hints = re.findall(r"hint: (.*)", str(index.error("app", "one==1.0", "two==1.0")))
    for which, version in ((0, "1.5"), (1, "2.0")):
        assert index.pins("app", *(quoted(hint)[which] for hint in hints)) == {
            "app": "1.0", "lib": "2.0", "one": version, "two": version,
        }  # fmt: skip


def test_another_version_of_the_package_that_asks(index: Index) -> None:
    index.web.offer("sourced", "sourced-1.1.tar.gz", sources())
    index.add("parent", "1.0")
    index.add("parent", "2.0", requires=["sourced"])
    assert index.pins(quoted(index.error("parent>=2").hint)[0]) == {"parent": "1.0"}


def test_what_to_change_or_drop(index: Index) -> None:
    """Only what somebody wrote: of each that is named, the others can be had without it."""
    index.add("mid", "1.0", requires=["lib<2"])
    index.add("top", "1.0", requires=["mid"])
    asked = ("top", "lib>=2", "app")
    named = quoted(index.error(*asked).hint)
    assert set(named) == {"top", "lib>=2"}
    for text in named:
        assert index.pins(*(each for each in asked if each != text))


def test_a_withdrawn_version_by_its_name(index: Index) -> None:
    index.add("lib", "9.0", yanked="bad")
    [pin] = quoted(index.error("lib>=9").hint)
    assert index.pins(pin) == {"lib": "9.0"}


def test_metadata_that_cannot_be_read(index: Index) -> None:
    index.add("odd", "1.0", requires=["lib (>=1,<"])
    index.add("odd", "1.1", requires=["lib (>=1)"])
    if index.resolver.name == "pip-compile":
        error = index.error("odd==1.0")
        assert str(error) == (
            "images/digits/mlimage.yaml:10:5: `odd==1.0` cannot be read: its metadata asks for `lib (>=1,<`, "
            "which is not a requirement"
        )
        assert index.pins(*quoted(error.hint)) == {"odd": "1.1", "lib": "2.0"}
