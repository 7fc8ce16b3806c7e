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
_VERSION: Final = 1
"""Counts up when this code finds something else by the same file."""

LONGEST: Final = 4096
"""Bytes of the longest match of any pattern."""

_ENTROPY: Final = 3.0
_SHAM: Final = re.compile(
    rb"example|placeholder|change[-_]?(?:me|it|this)|replace|your[-_]|dummy|fake|sample|redacted|insert[-_]"
    rb"|secret[-_]?here|(?:token|key|password)[-_]?here|not[-_]?a[-_]?(?:real|secret)|x{4}|\*{3}|\.{3}|0{8}"
    rb"|123456|abcdef|qwerty|deadbeef|\$[{(A-Za-z]|\{\{|%\(|%[sd]\b|<[a-z]",
    re.IGNORECASE,
)
_WORDS: Final = frozenset(
    b"admin bar changeit changeme demo empty false foo foobar guest hunter2 letmein mypassword mysecret "
    b"mytoken none null pass passw0rd passwd password password1 postgres pw pwd root secret test testing "
    b"testpass testpassword token true undefined user username xxx".split()
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
        once: the first in a file is enough.
    """

    kind: str
    begins: tuple[bytes, ...]
    path: re.Pattern[str] | None
    pattern: re.Pattern[bytes]
    entropy: float
    once: bool

    def find(self, text: bytes, start: int, stop: int) -> Iterator[int]:
        """Where a secret begins, from `start` up to, not including, `stop`; it may end behind that."""
        for at in self._candidates(text, start, stop):
            found = self.pattern.match(text, at)
            if found is not None and not is_sham(found["secret"], self.entropy):
                yield found.start("secret") if self.path else at

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


def is_sham(secret: bytes, entropy: float) -> bool:
    """Whether it only stands for a secret: a placeholder, an example, a variable, a pattern of characters."""
    return (
        _SHAM.search(secret) is not None
        or secret.lower().strip(b"'\"<>[]()") in _WORDS
        or _bits(secret) < entropy
        or _goes_up(secret)
        or secret.startswith(_public())
        or (len(secret) > 7 and secret in (secret + secret)[1:-1])  # one thing again and again
    )


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
    """Digest of all that decides what is found."""
    return Digest.of(canonical_json({"version": _VERSION, "rules": Digest.of_file(_FILE)}))


def _rule(said: dict[str, Any]) -> Rule:
    return Rule(
        kind=said["is"],
        begins=tuple(word.encode() for word in said.get("begins", ())),
        path=re.compile(said["path"]) if "path" in said else None,
        pattern=re.compile(said["pattern"].encode(), re.MULTILINE),
        entropy=said.get("entropy", _ENTROPY),
        once=said.get("once", False),
    )
