"""What people and CI are told to install is ours, by its name on package indexes: `mlimage` is not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from mlimage import DISTRIBUTION
from mlimage.oci.compress import ZSTANDARD
from mlimage.render.instructions import _STRICT
from support.machine import ROOT

PLACES = ("builder", "templates", "docs", "images", "tests/golden/workflows", ".github", ".ci")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml")
OTHERS = frozenset({Requirement(ZSTANDARD).name})
"""What else is named, each a thing that mlimage looks for."""

_INSTALL = re.compile(
    r"(?:\bpip3?|\bpipx|\buv pip|\buv tool) +(?:install|inject|run|upgrade)\b([^\n`\"|;&)#]*)"
)
_CONSTANTS = {"DISTRIBUTION": DISTRIBUTION, "ZSTANDARD": ZSTANDARD, "_STRICT": _STRICT}
"""What stands in texts of the source by its name."""
_PINNED = re.compile(r"(?<![\w./-])mlimage(?:\[|[=~<>!]=)")
_VALUED = frozenset({"-r", "-c", "--requirement", "--constraint", "--python", "--group"})
"""Options whose value is the next word."""
_WORD = re.compile(r"'[^']*'|[^\s']+")


def texts() -> Iterator[tuple[Path, str]]:
    files = [path for place in PLACES for path in sorted((ROOT / place).rglob("*")) if path.is_file()]
    for path in [*files, *(ROOT / name for name in FILES)]:
        if "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8", errors="replace")
            for name, value in _CONSTANTS.items():
                text = text.replace(f"{{{name}}}", value)
            yield path, text


def installed(text: str) -> Iterator[str]:
    """What the commands in a text install, but for folders and files of requirements."""
    for command in _INSTALL.finditer(text):
        words = (word.strip("'") for word in _WORD.findall(command[1]))
        for word in words:
            if word in _VALUED:
                next(words, None)
            elif not word.startswith("-") and word not in {".", "\\"}:
                yield word


def wrong(text: str) -> list[str]:
    found = [match[0] for match in _PINNED.finditer(text)]
    for word in installed(text):
        try:
            name = Requirement(word).name
        except InvalidRequirement:
            name = word
        if name != DISTRIBUTION and name not in OTHERS:
            found.append(word)
    return found


def test_what_is_installed_is_ours() -> None:
    found = [f"{path.relative_to(ROOT)}: {word}" for path, text in texts() for word in wrong(text)]
    assert found == []


def test_the_readme_begins_with_how_to_install() -> None:
    [first, *_] = re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert first == "Install"


def test_there_are_such_lines() -> None:
    """In the README, in help, in messages and in workflows: the pattern sees them."""
    named = {
        str(path.relative_to(ROOT)) for path, text in texts() if DISTRIBUTION in " ".join(installed(text))
    }
    assert {"README.md", "builder/mlimage/cli/lock.py", "builder/mlimage/lock/uv.py", "docs/spec.md"} <= named


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pip install 'mlimage[uv]'", ["mlimage[", "mlimage[uv]"]),
        ("      - run: python -m pip install mlimage==0.1.0", ["mlimage==", "mlimage==0.1.0"]),
        ("    - python -m pip install --quiet mlimage", ["mlimage"]),
        ("`pipx install mlimage`", ["mlimage"]),
        ("uv tool install --python 3.12 mlimage  # the command", ["mlimage"]),
        ("uv tool install mlimage-builder && pip3 install torch", ["torch"]),
        ("pip install -r lockfiles/mlimage.txt --quiet", []),
        ("pip install --require-hashes -r a.txt 'mlimage-builder[uv]==0.1.0' zstandard", []),
        ("a build of mlimage, and pip installs it", []),
    ],
)
def test_the_pattern(line: str, found: list[str]) -> None:
    assert wrong(line) == found
