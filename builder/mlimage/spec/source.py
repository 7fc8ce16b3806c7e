"""YAML to nodes with exact places: safe, bounded, and with every trap of the file collected.

Events are read instead of PyYAML's node tree, because its composers recurse
without a bound that we choose.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

import yaml

from mlimage.errors import Problem, SpecError
from mlimage.spec.nodes import Mapping, Node, Scalar, Sequence
from mlimage.spec.scalars import describe, meaning, quoted
from mlimage.spec.text import LINE_END, control_character, decode_text, without_control

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST: Final = 20
_MOST_VALUES: Final = 20_000
_STR: Final = frozenset({"!", "tag:yaml.org,2002:str"})


def read_yaml(content: bytes, *, path: str, loader: Any = _LOADER) -> tuple[Mapping, tuple[Problem, ...]]:
    """Read one YAML document whose top is a mapping.

    Args:
        content: the file.
        path: what messages call it.
        loader: PyYAML's loader that scans the text; libyaml's by default where it is there.

    Returns:
        The mapping, and what is wrong in it but does not keep it from being read, as duplicate keys.

    Raises:
        SpecError: it is not text, not YAML, or not one mapping.
    """
    text, problem = decode_text(content, path=path)
    if problem:
        raise SpecError([problem])
    reader = _Reader(path=path)
    try:
        for event in yaml.parse(text, Loader=loader):
            reader.take(event)
    except yaml.YAMLError as error:
        raise SpecError([*reader.problems, _syntax(error, text, path)]) from error
    if reader.root is None:
        raise SpecError(
            [reader.problem(1, 1, "the file is empty", "`mlimage init NAME` shows how one looks")]
        )
    if not isinstance(reader.root, Mapping):
        what = "a list" if isinstance(reader.root, Sequence) else "one value"
        hint = "write `name: …` and the other keys, each on its own line"
        raise SpecError(
            [reader.problem(reader.root.line, reader.root.column, f"expected keys, not {what}", hint)]
        )
    return reader.root, tuple(reader.problems)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A collection that has begun."""

    event: Any
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Builds nodes from events, without recursion."""

    path: str
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = None
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)
    documents: int = 0

    def problem(
        self, line: int, column: int, message: str, hint: str | None = None, key: str = ""
    ) -> Problem:
        return Problem(path=self.path, line=line, column=column, key=key, message=message, hint=hint)

    def take(self, event: Any) -> None:
        """The next event; raises `SpecError` where reading on has no sense."""
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                hint = "keep one; without the line `---` it is the same document"
                raise SpecError(
                    [*self.problems, self.problem(line, column, "a second document begins here", hint)]
                )
        elif isinstance(event, yaml.ScalarEvent):
            self._put(event, self._scalar(event, line, column))
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event, line, column)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self.open) >= _DEEPEST:
                message = f"nested deeper than {_DEEPEST} levels"
                raise SpecError([*self.problems, self.problem(line, column, message)])
            self._check_tag(event, line, column, implicit=event.implicit)
            if event.anchor:
                self.anchors[event.anchor] = None
            self.open.append(_Open(event=event))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self.open.pop()
            self._put(done.event, self._collection(done))

    def _scalar(self, event: Any, line: int, column: int) -> Scalar:
        plain = bool(event.implicit[0]) and event.style in {None, ""}
        self._check_tag(event, line, column, implicit=event.implicit[0] or event.implicit[1])
        text, odd = event.value, control_character(event.value)
        if odd:
            self.problems.append(
                self.problem(line, column, f"the control character {odd} is not text", "remove it")
            )
            text = without_control(text)
        return Scalar(
            line=line, column=column, text=text, plain=plain, value=meaning(text) if plain else text
        )

    def _check_tag(self, event: Any, line: int, column: int, *, implicit: bool) -> None:
        if event.tag is not None and not implicit and event.tag not in _STR:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(
                self.problem(line, column, f"the tag `{tag}` has no meaning here", "remove it")
            )

    def _alias(self, event: Any, line: int, column: int) -> None:
        if event.anchor not in self.anchors:
            message = f"`*{event.anchor}` stands for nothing: no `&{event.anchor}` is above it"
            raise SpecError(
                [
                    *self.problems,
                    self.problem(line, column, message, "text that begins with `*` needs quotes"),
                ]
            )
        node = self.anchors[event.anchor]
        if node is None:
            raise SpecError(
                [*self.problems, self.problem(line, column, f"`*{event.anchor}` contains itself")]
            )
        self._put(None, node)

    def _collection(self, done: _Open) -> Node:
        mark = done.event.start_mark
        line, column = mark.line + 1, mark.column + 1
        size = 1 + sum(item.size for item in done.items)
        if size > _MOST_VALUES:
            raise SpecError(
                [*self.problems, self.problem(line, column, f"more than {_MOST_VALUES:,} values")]
            )
        if isinstance(done.event, yaml.SequenceStartEvent):
            return Sequence(line=line, column=column, items=tuple(done.items), size=size)
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(done.items[::2], done.items[1::2], strict=True):
            if self._good_key(key, entries):
                entries[key.text] = (key, value)
        return Mapping(line=line, column=column, entries=tuple(entries.values()), size=size)

    def _good_key(self, key: Node, entries: dict[str, tuple[Scalar, Node]]) -> TypeGuard[Scalar]:
        if not isinstance(key, Scalar):
            message, hint = (
                "a key is text, not a list and not a mapping",
                "if this is a template's `{{ … }}`: fill it in first",
            )
        elif key.plain and key.text == "<<":
            message, hint = "the merge key `<<` is not supported", "write the keys out"
        elif key.value is None:
            message, hint = "a key without a name", "write `name: value`"
        elif not isinstance(key.value, str):
            message = f"the key `{key.text}` without quotes is {describe(key)} in YAML"
            hint = f"write `{quoted(key.text)}:`"
        elif key.text in entries:
            message = f"`{key.text}` stands twice; the first is in line {entries[key.text][0].line}"
            hint = "keep one of the two"
        else:
            return True
        self.problems.append(self.problem(key.line, key.column, message, hint))
        return False

    def _put(self, event: Any, node: Node) -> None:
        if event is not None and event.anchor:
            self.anchors[event.anchor] = node
        if self.open:
            self.open[-1].items.append(node)
        else:
            self.root = node


def _syntax(error: yaml.YAMLError, text: str, path: str) -> Problem:
    """PyYAML's complaint in one line, with what helps in the usual cases."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    reason = str(getattr(error, "problem", None) or error).replace("'", "`").strip()
    lines = LINE_END.split(text)
    # A scanner that reaches the end of the file stands in a line that is not there.
    if line > len(lines) or (line == len(lines) and not lines[-1] and line > 1):
        line = max(n for n, one in enumerate(lines, 1) if one.strip() or n == 1)
        column = len(lines[line - 1].rstrip()) + 1
    here = lines[line - 1]
    hint: str | None = None
    if "\t" in here[: len(here) - len(here.lstrip())] or "\t" in reason:
        reason, hint = "a tab at the beginning of a line", "indent with spaces: YAML allows no tabs there"
        column = here.index("\t") + 1 if "\t" in here else column
    elif "mapping values are not allowed" in reason:
        hint = "text with `: ` in it needs quotes; if it is a key, look at its indentation"
    elif here[column - 1 : column] in {"@", "`", "%"}:
        reason, hint = f"text cannot begin with `{here[column - 1]}`", "put it in quotes"
    elif here[column - 2 : column - 1] in {">", "|"} or here[column - 1 : column] in {">", "|"}:
        hint = "text that begins with `>` or `|` needs quotes"
    elif "flow" in str(getattr(error, "context", "")) and getattr(error, "context_mark", None):
        opened = error.context_mark  # type: ignore[attr-defined]  # a parser's error has it
        where = f"line {opened.line + 1}, column {opened.column + 1}"
        hint = f"the bracket opens in {where}: close it, and put commas between"
    elif re.search(r"scanning an (alias|anchor)", str(getattr(error, "context", ""))):
        opened = error.context_mark  # type: ignore[attr-defined]  # a scanner's error has it
        line, column = opened.line + 1, opened.column + 1
        reason, hint = "a name is missing behind `*` or `&`", "text that begins with `*` or `&` needs quotes"
    elif "escape" in reason or "hexdec" in reason:
        hint = "in double quotes a backslash begins an escape: write two, or use single quotes"
    elif "quoted scalar" in str(getattr(error, "context", "")):
        opened = error.context_mark  # type: ignore[attr-defined]  # a scanner's error has it
        line, column = opened.line + 1, opened.column + 1
        reason, hint = "a quote is opened here and not closed", "close it"
    return Problem(path=path, line=line, column=column, key="", message=f"not YAML: {reason}", hint=hint)
