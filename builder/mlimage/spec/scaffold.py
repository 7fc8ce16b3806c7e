"""New image folders: what `mlimage init` writes, which builds, trains and serves as it is."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from mlimage.atomic import atomic_folder, write_atomically
from mlimage.errors import SpecError, UsageError
from mlimage.spec.imported import Imported, ImportedIndex, Note, names_of
from mlimage.spec.load import FILE, parse_spec
from mlimage.spec.pythons import BaseChoice, base_for
from mlimage.spec.reference import flow

APP_NEEDS: Final = "numpy"
"""What the scaffold's own app imports."""

_SCHEMA: Final = "mlimage.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """The files of a new image folder, by their path in it, and what became otherwise, or was left out."""

    name: str
    files: Mapping[str, str]
    changed: tuple[Note, ...]
    left_out: tuple[Note, ...]


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
    choice, notes = base_for(imported.python)
    changed = (*notes, *imported.changed)
    files = {
        FILE: Template((templates / FILE).read_text(encoding="utf-8")).substitute(
            name=flow(name),
            python=choice.python,
            of=f"Debian {choice.suite}" if choice.suite else f"the image {choice.image}",
            base=_base(choice),
            dependencies=_dependencies(imported, changed),
            rest=_rest(imported),
        ),
        "app/.dockerignore": (templates / "app" / "dockerignore").read_text(encoding="utf-8"),
    }
    for file in sorted((*templates.glob("app/*.py"), *templates.glob("golden/*.json"))):
        files[f"{file.parent.name}/{file.name}"] = file.read_text(encoding="utf-8")
    try:
        parse_spec(files[FILE].encode(errors="replace"), path=f"images/{name}/{FILE}", folder=name)
    except SpecError as error:
        problem = error.problems[0]
        raise UsageError(problem.message, hint=problem.hint) from error
    return Scaffold(name=name, files=files, changed=changed, left_out=imported.left_out)


def _base(choice: BaseChoice) -> str:
    if choice.suite:
        return (
            f"  debian: {choice.suite}\n"
            "  packages:  # Debian packages; these two are what most wheels with compiled code look for\n"
            "    - libgomp1\n"
            "    - libstdc++6"
        )
    return (
        f"  image: {flow(choice.image)}\n"
        "  # packages: [libgomp1]  # Debian packages that wheels need; the docker engine installs them"
    )


def _dependencies(imported: Imported, changed: tuple[Note, ...]) -> str:
    lines = [f"  - {flow(text)}" for text in imported.dependencies]
    if APP_NEEDS not in names_of(imported.dependencies):
        lines.append(f"  - {APP_NEEDS}" + ("  # the example in app/ needs it" if lines else ""))
    for title, notes in (("Changed:", changed), ("Not carried over:", imported.left_out)):
        if notes:
            lines += [f"  # {title}", *(f"  #   {_one_line(str(note))}" for note in notes)]
    return "\n".join(lines)


def _rest(imported: Imported) -> str:
    """Indexes and variants, which an image without accelerators has none of."""
    lines = _indexes(imported.indexes, indent="")
    if imported.variants:
        lines += ["", "variants:"]
    for variant in imported.variants:
        below = [f"      - {flow(text)}" for text in variant.dependencies]
        if below:
            below.insert(0, "    dependencies:")
        below += _indexes(variant.indexes, indent="    ")[1:]
        lines += [f"  {flow(variant.name)}:" + ("" if below else " {}"), *below]
    return "".join(f"\n{line}" for line in lines)


def _indexes(indexes: Iterable[ImportedIndex], *, indent: str) -> list[str]:
    lines = [
        line
        for index in indexes
        for line in (
            f"{indent}  {flow(index.name)}:",
            f"{indent}    url: {flow(index.url)}",
            f"{indent}    packages: {flow(index.packages)}",
        )
    ]
    return ["", f"{indent}indexes:", *lines] if lines else []


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
