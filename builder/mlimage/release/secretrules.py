"""What a secret looks like: the shapes in `secrets.toml`, and what is only a placeholder of one."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from mlimage.digest import Digest, canonical_json

_FILE: Final = Path(__file__).with_name("secrets.toml")
_DECIDES: Final = (_FILE, Path(__file__), Path(__file__).with_name("secrettext.py"))
"""All that decides what is found."""

LONGEST: Final = 4096
"""Bytes of the longest match of any pattern."""

_ENTROPY: Final = 3.0
_PART: Final = re.compile(r"\(\?&(?P<name>[a-z]+)\)")
_ESCAPED: Final = r"(?:(?<![%s])|(?<=\\[nrt])|(?<=%%[0-9A-Fa-f]{2}))"
"""What may stand before a token: none of these characters, but as the end of an escape."""

_SHAM: Final = re.compile(
    rb"example|placeholder|change[-_]?(?:me|it|this)|replace|your[-_]|(?<![a-z])(?:dummy|fake|sample)(?![a-z])"
    rb"|redacted|insert[-_]|secret[-_]?here|(?:token|key|password)[-_]?here|not[-_]?a[-_]?(?:real|secret)"
    rb"|x{6}|0{8}|123456|abcdef|qwerty|deadbeef",
    re.IGNORECASE,
)
"""What is in no token by chance: the shorter a word is, the more has to stand around it."""

_SHAM_AS_A_WHOLE: Final = re.compile(
    # One of these words, or several: `your-password-here`, `my_secret_token`.
    rb"(?=.{1,64}\Z)(?:(?:admin|an?|api|auth|bar|baz|change|credentials?|demo|dummy|empty|enter|example|fake|false|foo"
    rb"|guest|here|hidden|hunter2|insert|it|key|letmein|login|masked|me|my|name|none|not|null"
    rb"|pass|passphrase|passw0rd|passwd|password1?|placeholder|postgres|psw|put|pw|pwd|real|redacted|removed"
    rb"|replace|root|sample|secret|string|test(?:ing)?|the|this|to|todo|token|true|undefined|use|user"
    rb"|value|with|x{3,}(?!x)|your?)[-_. ]?)+"
    # A variable, where a template puts something in, or what stands in the place of something.
    rb"|\$\w+|.*(?:\$[{(]|\{\{|%\(|\*{3}).*|%[sdr]|%\w+%|<.*>|\[.*\]|.*\.{3,}"
    rb"|0+|1234567?8?9?0?|abcdef|qwerty|deadbeef",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A kind of secret.

    Attributes:
        kind: what it is, for people: `an AWS access key`.
        begins: the words with which it begins; none where the file's path tells.
        path: by which paths of files it is looked for; None: in all.
        pattern: its shape.
        entropy: the least of its characters, in bits each.
        typed: a person chose it, and no machine rolled it.
        once: the first in a file is enough.
    """

    kind: str
    begins: tuple[bytes, ...]
    path: re.Pattern[str] | None
    pattern: re.Pattern[bytes]
    entropy: float
    typed: bool
    once: bool

    def find(self, text: bytes, start: int, stop: int) -> Iterator[int]:
        """Where a secret begins, from `start` up to, not including, `stop`; it may end behind that."""
        for at in self._candidates(text, start, stop):
            found = self.pattern.match(text, at)
            if found is not None and not self._is_sham(found["secret"]):
                yield found.start("secret") if self.path else at

    def _is_sham(self, secret: bytes) -> bool:
        """Whether it only stands for one: a placeholder, an example, a variable, a pattern of characters."""
        return (
            bool(_SHAM_AS_A_WHOLE.fullmatch(secret) if self.typed else _SHAM.search(secret))
            or _bits(secret) < self.entropy
            or _goes_up(secret)
            or secret.startswith(_public())
            or (len(secret) > 7 and secret in (secret + secret)[1:-1])  # one thing again and again
        )

    def _candidates(self, text: bytes, start: int, stop: int) -> Iterator[int]:
        if self.path is not None:
            found = self.pattern.finditer(text, start)
            yield from (each.start() for each in found if each.start() < stop)
            return
        for word in self.begins:
            at = text.find(word, start)
            while 0 <= at < stop:
                yield at
                at = text.find(word, at + 1)


def _bits(secret: bytes) -> float:
    """Shannon's entropy, in bits for each character."""
    counts = Counter(secret).values()
    return -sum(count / len(secret) * math.log2(count / len(secret)) for count in counts)


def _goes_up(secret: bytes) -> bool:
    """Whether most characters are the one that follows the one before, as in `0123456789`."""
    steps = sum(after - before == 1 for before, after in pairwise(secret))
    return len(secret) > 7 and steps * 2 > len(secret)


@cache
def rules() -> tuple[Rule, ...]:
    """All kinds of secrets that are looked for."""
    said = _said()
    return tuple(_rule(each) for each in (*said["token"], *said["file"]))


@cache
def _public() -> tuple[bytes, ...]:
    return tuple(text.encode() for text in _said()["public"])


@cache
def _said() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


@cache
def rules_digest() -> Digest:
    """Digest of all that decides what is found: after any change of it every layer is looked at anew."""
    return Digest.of(canonical_json([Digest.of_file(path) for path in _DECIDES]))


def _rule(said: dict[str, Any]) -> Rule:
    pattern = _ESCAPED % said["alone"] if "alone" in said else ""
    pattern += _PART.sub(lambda part: _said()["parts"][part["name"]], said["pattern"])
    return Rule(
        kind=said["is"],
        begins=tuple(word.encode() for word in said.get("begins", ())),
        path=re.compile(said["path"]) if "path" in said else None,
        pattern=re.compile(pattern.encode(), re.MULTILINE),
        entropy=said.get("entropy", _ENTROPY),
        typed=said.get("typed", "path" in said),
        once=said.get("once", False),
    )
