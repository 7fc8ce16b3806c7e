"""Which files a `.dockerignore` leaves out: the pattern language of Docker's build contexts.

Source of the rules: the reference of `docker build`, and the behaviour of `github.com/moby/patternmatcher`.
"""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlimage.errors import BuildError

_LITERAL: Final = re.compile(r"[^/*?\[\\][^*?\[\\]*\Z")
"""What may follow a leading `**` so that it means any path with that ending, in the middle of a name too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    matches: re.Pattern[str]
    include: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Rules in order: the last one that matches a path, or a folder above it, decides."""

    rules: tuple[_Rule, ...]

    def ignores(self, path: str) -> bool:
        """Whether the path, relative and with `/`, is left out."""
        parts = path.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        ignored = False
        for rule in self.rules:
            # a rule that could only repeat what holds already need not be tried
            if rule.include == ignored and any(map(rule.matches.match, above)):
                ignored = not rule.include
        return ignored

    @property
    def includes_again(self) -> bool:
        """Whether something below an ignored folder can be wanted all the same."""
        return any(rule.include for rule in self.rules)


def read_ignore(lines: Iterable[str]) -> Ignore:
    """The rules of a `.dockerignore`, given as its lines.

    Raises:
        BuildError: a pattern is not well-formed.
    """
    rules = []
    for number, line in enumerate(lines):
        text = line.removeprefix("\ufeff") if number == 0 else line
        if text.startswith("#"):
            continue
        pattern = text.strip()
        if not pattern:
            continue
        include = pattern.startswith("!")
        if include:
            pattern = pattern[1:].strip()
        if not pattern:
            raise BuildError(f"the ignore pattern `{text.strip()}` has nothing after `!`")
        cleaned = posixpath.normpath(pattern).lstrip("/") or "/"
        rules.append(_Rule(matches=_compile(cleaned), include=include))
    return Ignore(rules=tuple(rules))


def only(path: str) -> str:
    """The pattern that matches this path alone, and what is below it."""
    return "/" + re.sub(r"([*?\[\]\\])", r"\\\1", path)


def _compile(pattern: str) -> re.Pattern[str]:
    parts = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            if at == 0 and _LITERAL.match(pattern, 2):
                return re.compile(".*" + re.escape(pattern[2:]) + r"\Z", re.DOTALL)
            at += 2
            if pattern.startswith("/", at):
                at += 1
            parts.append(".*" if at == len(pattern) else "(?:.*/)?")
            continue
        at += 1
        if char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            text, at = _class(pattern, at)
            parts.append(text)
        elif char == "\\":
            if at == len(pattern):
                raise BuildError(f"the ignore pattern `{pattern}` ends with a single `\\`")
            parts.append(re.escape(pattern[at]))
            at += 1
        else:
            parts.append(re.escape(char))
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The class of characters that begins before `at`, as a regular expression, and where it ends."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or not ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1)
        ranges.append((low, high))
    if at >= len(pattern):
        raise BuildError(f"the ignore pattern `{pattern}` has `[` without `]`")
    body = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    if not body:
        return ("." if negated else r"(?!)"), at + 1
    return (f"[^{body}]" if negated else f"[{body}]"), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith("\\", at):
        at += 1
    if at >= len(pattern) or (pattern[at] in "-]" and pattern[at - 1] != "\\"):
        raise BuildError(f"the ignore pattern `{pattern}` has a malformed `[…]`")
    return pattern[at], at + 1
