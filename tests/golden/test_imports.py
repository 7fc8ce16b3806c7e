"""What `mlimage init --from` makes of files as real projects have them: the whole spec, which is one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlimage import resources
from mlimage.spec.imports import read_import
from mlimage.spec.load import parse_spec
from mlimage.spec.scaffold import scaffold
from support.golden import GOLDEN

_CASES = sorted(path.name for path in (GOLDEN / "imports").iterdir() if path.is_dir())
_SOURCES = ("requirements.txt", "environment.yml", "pyproject.toml")


def _source(case: str) -> Path:
    """The file that is imported; others of the case are what it includes."""
    folder = GOLDEN / "imports" / case
    return next(folder / name for name in reversed(_SOURCES) if (folder / name).exists())


@pytest.mark.parametrize("case", _CASES)
def test_the_spec(case: str, golden: Callable[[str, bytes | str], None]) -> None:
    made = scaffold(case, read_import(_source(case)), templates=resources.templates() / "init")
    text = made.files["mlimage.yaml"]
    parse_spec(text.encode(), path="mlimage.yaml", folder=case)
    for secret in ("s3cret", "ghp_token", "tk-123-456", "abcdef123", ":pw@", "bob:"):
        assert secret not in text
    golden(f"imports/{case}/mlimage.yaml", text)
