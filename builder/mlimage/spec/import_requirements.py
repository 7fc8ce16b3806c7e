"""Import of a requirements file, however loose: pins, `pip freeze`, hashes, includes, options of pip's."""

import re
from pathlib import Path

from mlimage.spec.imported import Collected, Imported, read_text
from mlimage.spec.requirements import logical_lines, option_of


def from_requirements(file: Path) -> Imported:
    """Read a requirements file and those that it includes.

    Raises:
        UsageError: the file cannot be read.
    """
    collected = Collected()
    _read(file, collected, seen=[])
    return collected.done()


def _read(file: Path, collected: Collected, *, seen: list[Path]) -> None:
    seen.append(file.resolve())
    for line in logical_lines(read_text(file)):
        add_line(line.text, collected, file=file, seen=seen)


def add_line(text: str, collected: Collected, *, file: Path, seen: list[Path]) -> None:
    """Take what one line says, and the files that it includes.

    Args:
        text: the line, joined and without its comment.
        collected: takes it.
        file: where it stands; includes are beside it.
        seen: files that are read already, which are not read again.

    Raises:
        UsageError: an included file cannot be read.
    """
    option = option_of(text)
    if option and option[0] in {"-r", "--requirement"}:
        _include(file.parent / option[1], text, collected, seen=seen)
    elif option:
        collected.leave_out(text, _reason_of_option(option[0]))
    else:
        collected.add(re.split(r"\s+--[a-z]", text, maxsplit=1)[0].strip())


def _include(file: Path, text: str, collected: Collected, *, seen: list[Path]) -> None:
    if not file.is_file():
        collected.leave_out(text, "the file does not exist")
    elif file.resolve() not in seen:
        _read(file, collected, seen=seen)


def _reason_of_option(option: str) -> str:
    if option in {"-e", "--editable"}:
        return "put your own code into the app folder"
    if option in {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host"}:
        return "name an index and its packages under `indexes:`"
    if option in {"-c", "--constraint"}:
        return "write the versions at the requirements themselves"
    return "an option of pip's, which `mlimage lock` decides"
