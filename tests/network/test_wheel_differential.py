"""Real wheels: mlimage writes byte for byte what pip writes, but for what `support.pipped` names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlimage.atomic import atomic_folder
from support.pipped import installed_by_mlimage, installed_by_pip

pytestmark = pytest.mark.network

WHEELS = {
    "argcomplete": "scripts for shells",
    "attrs": "two top packages",
    "black": "entry points with extras",
    "certifi": "one large data file",
    "clang-format": "an executable as package data",
    "cmeel-octomap": "`#!python` scripts, libraries and headers as data",
    "coverage": "a .pth that runs code",
    "cysignals": "scripts with a foreign first line",
    "docutils": "many entry points",
    "fonttools": "a manual page as data",
    "google-auth-oauthlib": "an entry point with an extra",
    "googleapis-common-protos": "a namespace package without __init__",
    "greenlet": "headers",
    "igraph": "headers and a stable ABI",
    "ipykernel": "data below share/",
    "jinja2": "an entry point group that is no program",
    "libclang": "a platlib below .data",
    "markupsafe": "a C extension with stubs",
    "msgpack": "C extensions",
    "networkx": "many small files",
    "ninja": "an executable",
    "numpy": "C extensions, headers as package data",
    "packaging": "licenses in the metadata",
    "pip": "versioned entry points",
    "protobuf": "a namespace package with __init__",
    "py-spy": "a compiled program as script",
    "pysocks": "top-level modules, compressed folders",
    "pyyaml": "two top packages, one private",
    "ruff": "a compiled program as script",
    "setuptools": "a .pth, wheels within the wheel",
    "six": "one module",
    "sphinxcontrib-jsmath": "a namespace package by .pth",
    "tzdata": "many files without suffix",
    "watchdog": "entry points with extras",
    "widgetsnbextension": "data below etc/",
    "zope-interface": "a namespace package with C extensions",
}


def downloaded(name: str) -> Path:
    """The wheel of that project which this machine's index offers, kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tag = f"{sys.implementation.cache_tag}-{os.uname().machine}"
    folder = cache / "mlimage-tests" / "wheels" / tag / name
    if not folder.is_dir():
        with atomic_folder(folder) as fresh:
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                    *("--no-deps", "--only-binary", ":all:", "--dest", str(fresh), name),
                ],
                check=True,
            )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("name", WHEELS, ids=lambda name: f"{name}: {WHEELS[name]}")
def test_a_real_wheel_is_installed_as_pip_does(tmp_path: Path, name: str) -> None:
    wheel = downloaded(name)
    pip = installed_by_pip(wheel, tmp_path)
    ours = installed_by_mlimage(wheel, but=pip)
    assert ours.folders == pip.folders
    assert {path: oct(file.mode) for path, file in ours.files.items()} == {
        path: oct(file.mode) for path, file in pip.files.items()
    }
    assert [path for path, file in pip.files.items() if ours.files[path] != file] == []
