"""TOML as lock files hold it: written with one spelling, read with every value's type checked.

The standard library reads TOML but does not write it; what locks need of writing is this much.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mlimage.digest import Digest
from mlimage.errors import LockError, reason_of
from mlimage.regular import read_file

LARGEST: Final = 64 << 20
"""Bytes of a lock file; the largest of an example has 100 kB."""

Value = str | int | datetime | Sequence[str]


def shown(path: Path) -> str:
    """The path as messages name it: relative to the working directory where that is shorter to read."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def quoted(text: str) -> str:
    """A basic string. Escapes of JSON are TOML's too; it only leaves DEL as it is, which TOML forbids."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def table(header: str, values: Mapping[str, Value]) -> str:
    """One table with its header line (`[[package]]`, or nothing), one key to a line, as given."""
    lines = [header] if header else []
    lines += [f"{key} = {_written(value)}" for key, value in values.items()]
    return "".join(line + "\n" for line in lines)


def _written(value: Value) -> str:
    match value:
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = [quoted(item) for item in value]
    line = f"[{', '.join(items)}]"
    if len(line) <= 100:
        return line
    return "[\n" + "".join(f"    {item},\n" for item in items) + "]"


class Table:
    """A table that was read: each value is asked for by name and type, once, and none may be left over.

    Every method raises `LockError` with the file's path and the line of what is wrong.
    """

    def __init__(
        self, path: Path, text: str, values: Mapping[str, object], header: str, number: int = 0
    ) -> None:
        self._path = path
        self._text = text
        self._values = dict(values)
        self._header = header
        self._number = number

    def error(self, message: str, key: str | None = None) -> LockError:
        """An error about this table, or one of its keys."""
        return LockError(
            message,
            where=f"{shown(self._path)}:{self._line(key)}",
            hint="lock files are not edited by hand: restore it from version control, or run `mlimage lock`",
        )

    def has(self, key: str) -> bool:
        """Whether the key is there and was not asked for yet."""
        return key in self._values

    def text(self, key: str) -> str:
        """A string."""
        value = self._take(key)
        if not isinstance(value, str):
            raise self.error(f"`{key}` must be a string", key)
        return value

    def whole(self, key: str) -> int:
        """A number that is not negative."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f"`{key}` must be a whole number, 0 or more", key)
        return value

    def flag(self, key: str) -> bool:
        """`true` or `false`."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.error(f"`{key}` must be `true` or `false`", key)
        return value

    def instant(self, key: str) -> datetime:
        """A time in UTC, to the second."""
        value = self._take(key)
        if not isinstance(value, datetime) or value.utcoffset() is None or value.microsecond:
            raise self.error(f"`{key}` must be a time in UTC, to the second", key)
        return value.astimezone(UTC)

    def digest(self, key: str) -> Digest:
        """A digest, `sha256:` and 64 hexadecimal digits."""
        value = self.text(key)
        try:
            return Digest(value)
        except ValueError:
            raise self.error(f"`{key}` must be `sha256:` and 64 hexadecimal digits", key) from None

    def optional_digest(self, key: str) -> Digest | None:
        """A digest, if it is there."""
        return self.digest(key) if key in self._values else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty if it is not there."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(f"`{key}` must be a list of strings", key)
        return tuple(value)

    def digests(self, key: str) -> tuple[Digest, ...]:
        """A list of digests; empty if it is not there."""
        try:
            return tuple(Digest(value) for value in self.texts(key))
        except ValueError:
            raise self.error(f"`{key}` must be a list of digests", key) from None

    def table(self, key: str) -> "Table":
        """A table in this one."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.error(f"`{key}` must be a table", key)
        return Table(self._path, self._text, value, f"[{self._name(key)}]")

    def tables(self, key: str) -> tuple["Table", ...]:
        """A list of tables; empty if it is not there."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(f"`{key}` must be a list of tables", key)
        header = f"[[{self._name(key)}]]"
        return tuple(Table(self._path, self._text, item, header, number) for number, item in enumerate(value))

    def rest(self) -> dict[str, str]:
        """All keys that are left, whose values must be strings."""
        return {key: self.text(key) for key in tuple(self._values)}

    def done(self) -> None:
        """Nothing may be left."""
        for key in self._values:
            raise self.error(f"unknown key `{key}`", key)

    def _take(self, key: str) -> object:
        if key not in self._values:
            raise self.error(f"`{key}` is missing")
        return self._values.pop(key)

    def _name(self, key: str) -> str:
        outer = self._header.strip("[]")
        return f"{outer}.{key}" if outer else key

    def _line(self, key: str | None) -> int:
        """The line of the key, or of the table, from 1; found again in the text, as no reader tells it."""
        lines = self._text.splitlines()
        start, seen = 0, -1
        for index, line in enumerate(lines):
            if self._header and line.strip() == self._header:
                seen += 1
                if seen == self._number:
                    start = index + 1
                    break
        if key is not None:
            for index, line in enumerate(lines[start:], start):
                if index > start and line.startswith("[") and self._header:
                    break
                if re.match(rf"\s*(\[+\w*\.?)?[\"']?{re.escape(key)}\b", line):
                    return index + 1
        return max(start, 1)


def read_table(path: Path) -> Table:
    """Read a file of the lock.

    Raises:
        LockError: it is missing, is not TOML, or has merge conflict markers.
    """
    text = read_text(path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        message = str(error)[: place.start()] if place else str(error)
        where = f"{shown(path)}:{place[1]}:{place[2]}" if place else shown(path)
        raise LockError(
            f"not a lock file: {message[:1].lower()}{message[1:]}",
            where=where,
            hint="restore it from version control, or delete it and run `mlimage lock`",
        ) from error
    return Table(path, text, values, "")


def read_text(path: Path) -> str:
    """The text of a lock file; raises `LockError` if it cannot be had or was left in the midst of a merge."""
    try:
        text = read_file(path, LARGEST).decode()
    except FileNotFoundError:
        raise LockError(
            f"`{shown(path)}` is missing", hint="run `mlimage lock` and commit what it writes"
        ) from None
    except UnicodeDecodeError as error:
        raise LockError(
            "not a lock file: it is not UTF-8", where=shown(path), hint="run `mlimage lock`"
        ) from error
    except OSError as error:
        raise LockError(
            f"cannot be read: {reason_of(error)}",
            where=shown(path),
            hint="restore it from version control, or remove it and run `mlimage lock`",
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            raise LockError(
                "merge conflict",
                where=f"{shown(path)}:{number}",
                hint="take one side of the whole folder (`git checkout --ours FOLDER`), then `mlimage lock`",
            )
    return text


def difference(expected: str, found: str) -> int | None:
    """The number of the first line in which two texts differ; None when they are equal."""
    if expected == found:
        return None
    pairs = zip(_lines(expected), _lines(found), strict=False)
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return number
    return min(len(_lines(expected)), len(_lines(found))) + 1


def _lines(text: str) -> Sequence[str]:
    return text.splitlines(keepends=True)


def joined(blocks: Iterable[str]) -> str:
    """Blocks with an empty line between them."""
    return "\n".join(blocks)
