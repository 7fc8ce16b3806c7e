"""What `mlimage init --from` takes: the reader of each kind, and what to name in place of what has none."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from mlimage.errors import UsageError, reason_of
from mlimage.spec.imported import IMPORTS, Imported

_PYPROJECT: Final = "name the pyproject.toml beside it"
_PIPENV: Final = "`pipenv requirements > requirements.txt` writes a file that can be imported"
_FREEZE: Final = "`pip freeze > requirements.txt` where it is installed writes a file that can be imported"
_PIXI: Final = (
    "`pixi workspace export conda-environment > environment.yml` writes a file that can be imported"
)
_INSTEAD: Final[Mapping[str, str]] = {
    "Pipfile": _PIPENV,
    "Pipfile.lock": _PIPENV,
    "conda-lock.yaml": "name the environment.yml that it was made from",
    "conda-lock.yml": "name the environment.yml that it was made from",
    "mlimage.yaml": "copy the folder of that image to make another of it",
    "pdm.lock": _PYPROJECT,
    "pixi.lock": _PIXI,
    "pixi.toml": _PIXI,
    "poetry.lock": _PYPROJECT,
    "pylock.toml": "name what it was made from",
    "setup.cfg": _FREEZE,
    "setup.py": _FREEZE,
    "uv.lock": _PYPROJECT,
}
_WELL_KNOWN: Final = (
    "requirements.txt",
    "environment.yml",
    "environment.yaml",
    "pyproject.toml",
    ".venv",
    "venv",
    "env",
)
_LISTS: Final = ("requirement", "constraint")


def read_import(source: Path) -> Imported:
    """What `--from` names: a virtual environment's folder, or a file of one of three kinds.

    Raises:
        UsageError: it does not exist, is of no known kind, or cannot be read.
    """
    try:
        if source.is_dir():
            return _read_folder(source)
    except OSError as error:
        raise UsageError(f"`{source}` cannot be read: {reason_of(error)}") from error
    if not source.is_file():
        raise UsageError(
            f"`{source}` is no file" if source.exists() else f"`{source}` does not exist",
            hint=IMPORTS,
        )
    return _reader(source)(source)


def _read_folder(folder: Path) -> Imported:
    from mlimage.spec.import_venv import from_venv, is_environment

    if is_environment(folder):
        return from_venv(folder)
    found = [folder / name for name in _WELL_KNOWN if (folder / name).exists()]
    inside = _environment_of(folder)
    named = [*([inside] if inside else []), *found]
    hint = f"name `{named[0]}`" if named else IMPORTS
    raise UsageError(f"the folder `{folder}` is no virtual environment", hint=hint)


def _environment_of(path: Path) -> Path | None:
    """The virtual environment that a path is in, as its python or its `site-packages` is."""
    return next((folder for folder in path.parents[:4] if (folder / "pyvenv.cfg").is_file()), None)


def _reader(source: Path) -> Callable[[Path], Imported]:
    if source.name in _INSTEAD:
        raise UsageError(f"`{source.name}` cannot be imported", hint=_INSTEAD[source.name])
    if source.suffix in {".yml", ".yaml"}:
        from mlimage.spec.import_conda import from_conda

        return from_conda
    if source.suffix == ".toml":
        from mlimage.spec.import_pyproject import from_pyproject

        return from_pyproject
    if source.suffix in {".txt", ".in"} or any(word in source.name for word in _LISTS):
        from mlimage.spec.import_requirements import from_requirements

        return from_requirements
    inside = _environment_of(source)
    hint = f"name `{inside}`" if inside else IMPORTS
    raise UsageError(f"`{source.name}` is of no kind that can be imported", hint=hint)
