"""What a verb shows: its result on standard output, everything else on standard error."""

import json
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from mlimage.cli.style import clean, clean_json, is_terminal, painted, width
from mlimage.errors import MlimageWarning
from mlimage.redact import redact_all

if TYPE_CHECKING:
    from mlimage.cli.bars import Bars
    from mlimage.progress import Progress

_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*\s?(?:%|x|[kMGT]?B|[km]?s)?|-?")

_PARSED: Final = "<unknown>"
"""What `ast.parse` calls sources: what it remarks about those of packages is for their authors."""


class Screen:
    """Standard output and standard error of one verb; safe to use from several threads.

    With `json`, standard output gets nothing but the value given to `json()`: `say` and `table` are silent.

    Args:
        json: the user asked for `--json`.
        verbose: True for `--verbose`; False for `--quiet`, with which standard error gets warnings alone.
    """

    def __init__(self, json: bool = False, verbose: bool | None = None) -> None:
        self._json = json
        self._lock = threading.RLock()
        self._bars: Bars | None = None
        self.progress: Progress
        if verbose is not False and is_terminal(sys.stderr):
            from mlimage.cli import bars

            self.progress = self._bars = bars.Bars(verbose=bool(verbose), lock=self._lock)
        else:
            from mlimage.cli.lines import Lines, Quiet

            kind = Quiet if verbose is False else Lines
            self.progress = kind(verbose=bool(verbose), lock=self._lock)
        self._hear_warnings()

    def say(self, text: str) -> None:
        """Print a line of the result."""
        if not self._json:
            self._write(clean(text) + "\n")

    def json(self, value: Any) -> None:
        """Print the result as one JSON document, keys in the order they have."""
        utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        text = json.dumps(redact_all(value), indent=2, ensure_ascii=not utf8)
        self._write(clean_json(text) + "\n")

    def warn(self, text: str) -> None:
        """Say on standard error what the user should know though the work goes on."""
        self.progress.warn(text)

    def _hear_warnings(self) -> None:
        """Show what `warnings.warn` is told by parts of mlimage that speak to nobody."""
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, MlimageWarning):
                self.warn(str(message))
            elif not (issubclass(category, SyntaxWarning) and filename == _PARSED):
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", MlimageWarning)
        warnings.showwarning = show

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; columns of numbers and sizes are aligned at the right, and nothing is cut off.

        Args:
            title: a line above it; none when empty.
            columns: the headings.
            rows: cells, shown with `str()`; as many in each row as there are columns.
        """
        if self._json:
            return
        cells = [[_one_line(cell) for cell in row] for row in rows]
        headings = [_one_line(column) for column in columns]
        for row in cells:
            if len(row) != len(headings):
                raise AssertionError(f"a row of {len(row)} cells in a table of {len(headings)} columns")
        widths = [max(map(width, column)) for column in zip(headings, *cells, strict=True)]
        right = [
            bool(cells) and all(_NUMBER.fullmatch(cell) for cell in column)
            for column in zip(*cells, strict=True)
        ] or [False] * len(headings)
        lines = [painted(clean(title), "bold", sys.stdout)] if title else []
        lines.append(painted(_aligned(headings, widths, right), "bold", sys.stdout))
        lines.extend(_aligned(row, widths, right) for row in cells)
        self._write("".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.print_aside(text)
            else:
                sys.stdout.write(text)


def _one_line(cell: object) -> str:
    return " ".join(clean(str(cell)).split("\n")).replace("\t", " ")


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        " " * (columns - width(cell)) + cell if at_right else cell + " " * (columns - width(cell))
        for cell, columns, at_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()
