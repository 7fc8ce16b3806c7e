"""New image folders: what `mlimage init` writes, which builds, trains and serves as it is."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from mlimage.atomic import atomic_folder, write_atomically
from mlimage.errors import SpecError, UsageError
from mlimage.spec.imported import Imported, Note, names_of
from mlimage.spec.load import FILE, parse_spec
from mlimage.spec.reference import flow
from mlimage.spec.suites import PYTHON_OF_SUITE

APP_NEEDS: Final = "numpy"
"""What the scaffold's own app imports."""

_SCHEMA: Final = "mlimage.schema.json"
_IMPORTS: Final = "name a requirements.txt, environment.yml, pyproject.toml or the folder of a virtual env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """The files of a new image folder, by their path in it, and what became otherwise, or was left out."""

    name: str
    files: Mapping[str, str]
    changed: tuple[Note, ...]
    left_out: tuple[Note, ...]


def read_import(source: Path) -> Imported:
    """What `--from` names: a virtual environment's folder, or a file of one of three kinds.

    Raises:
        UsageError: it does not exist, is of no known kind, or cannot be read.
    """
    if source.is_dir():
        from mlimage.spec.import_venv import from_venv

        return from_venv(source)
    if not source.is_file():
        raise UsageError(
            f"`{source}` is no file" if source.exists() else f"`{source}` does not exist",
            hint=_IMPORTS,
        )
    return _reader(source)(source)


def _reader(source: Path) -> Callable[[Path], Imported]:
    if source.suffix in {".yml", ".yaml"}:
        from mlimage.spec.import_conda import from_conda

        return from_conda
    if source.suffix == ".toml":
        from mlimage.spec.import_pyproject import from_pyproject

        return from_pyproject
    if source.suffix in {".txt", ".in"}:
        from mlimage.spec.import_requirements import from_requirements

        return from_requirements
    raise UsageError(
        f"`{source.name}` is of no kind that can be imported",
        hint=_IMPORTS,
    )


def scaffold(name: str, imported: Imported | None, *, templates: Path) -> Scaffold:
    """Decide the files of a new image.

    Args:
        name: name of the image.
        imported: what another tool's file says; None for the example alone.
        templates: folder of the templates, `templates/init`.

    Raises:
        UsageError: the name cannot be one of an image.
    """
    imported = imported or Imported()
    suite, notes = suite_for(imported.python)
    files = {
        FILE: Template((templates / FILE).read_text(encoding="utf-8")).substitute(
            name=flow(name),
            suite=suite,
            python=PYTHON_OF_SUITE[suite],
            dependencies=_dependencies(imported),
        ),
        "app/.dockerignore": (templates / "app" / "dockerignore").read_text(encoding="utf-8"),
    }
    for module in ("features.py", "train.py", "serve.py"):
        files[f"app/{module}"] = (templates / "app" / module).read_text(encoding="utf-8")
    try:
        parse_spec(files[FILE].encode(errors="replace"), path=f"images/{name}/{FILE}", folder=name)
    except SpecError as error:
        problem = error.problems[0]
        raise UsageError(problem.message, hint=problem.hint) from error
    return Scaffold(name=name, files=files, changed=(*notes, *imported.changed), left_out=imported.left_out)


def suite_for(python: str) -> tuple[str, tuple[Note, ...]]:
    """The oldest suite whose python is asked for, or the oldest of all with a note.

    Args:
        python: a version specifier, empty for any.
    """
    first = next(iter(PYTHON_OF_SUITE))
    try:
        wanted = SpecifierSet(python)
    except InvalidSpecifier:
        return first, (
            Note(
                text=f"python {python}", reason=f"not understood; python {PYTHON_OF_SUITE[first]} was taken"
            ),
        )
    for suite, version in PYTHON_OF_SUITE.items():
        # Somebody who asks for 3.11.4 is served with the 3.11 of the suite.
        if any(wanted.contains(f"{version}.{patch}") for patch in range(40)):
            return suite, ()
    known = ", ".join(f"{version} ({suite})" for suite, version in PYTHON_OF_SUITE.items())
    reason = f"no Debian suite has it; python {PYTHON_OF_SUITE[first]} was taken; known: {known}"
    return first, (Note(text=f"python {python}", reason=reason),)


def _dependencies(imported: Imported) -> str:
    lines = [f"  - {flow(text)}" for text in imported.dependencies]
    if APP_NEEDS not in names_of(imported.dependencies):
        lines.append(f"  - {APP_NEEDS}" + ("  # the example in app/ needs it" if lines else ""))
    for title, notes in (("Changed:", imported.changed), ("Not carried over:", imported.left_out)):
        if notes:
            lines += [f"  # {title}", *(f"  #   {_one_line(str(note))}" for note in notes)]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    """Without what would end the comment, or is not text for YAML."""
    return re.sub(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]+", " ", text)


def write_scaffold(made: Scaffold, *, root: Path) -> None:
    """Write the image's folder whole, and the project's where they are missing; nothing is overwritten.

    Raises:
        UsageError: something is in the way.
    """
    folder = root / "images" / made.name
    in_the_way = _in_the_way(folder)
    if in_the_way:
        raise UsageError(
            f"`images/{made.name}` is there already, with " + ", ".join(f"`{one}`" for one in in_the_way),
            hint="choose another name, or move it away",
        )
    (root / "lockfiles").mkdir(parents=True, exist_ok=True)
    with atomic_folder(folder) as new:
        for path, text in made.files.items():
            write_atomically(new / path, text.encode())
        (new / "app").chmod(0o755)


def write_schema(root: Path) -> bool:
    """Put the schema for editors beside the images, where none is; tells whether the one there is another."""
    from mlimage.spec.schema import schema_text

    file, text = root / "images" / _SCHEMA, schema_text()
    if not file.exists():
        write_atomically(file, text.encode())
        return False
    return file.read_bytes() != text.encode()


def _in_the_way(folder: Path) -> tuple[str, ...]:
    if folder.is_dir() and not folder.is_symlink():
        names = sorted(one.name for one in folder.iterdir())
        return (*names[:10], "…") if len(names) > 10 else tuple(names)
    return (folder.name,) if folder.exists() or folder.is_symlink() else ()
