"""BuildKit's progress (`--progress=rawjson`) as values: steps, what they write, and which one failed."""

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_MAX_LOG: Final = 64 * 1024
"""Bytes of a step's own output that are kept for the case that it fails."""
_CUT: Final = re.compile(r"\s*[-+.\\\w]{0,8}\Z")
"""What of a JSON document may stand behind the place where its decoder gives up, when the rest is to come."""
_KNOWN: Final = frozenset({"vertexes", "statuses", "logs", "warnings"})
"""Keys of what BuildKit says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A step of the build began; `name` as BuildKit shows it, `[packages 2/3] RUN …`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A step ended well; `cached` when BuildKit knew its result."""

    name: str
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A step wrote something."""

    name: str
    text: str


Event = Begun | Ended | Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The step that failed, why, and the end of what it wrote."""

    name: str
    error: str
    output: str


@dataclass(slots=True)
class _Vertex:
    name: str = ""
    begun: bool = False
    ended: bool = False
    error: str = ""
    log: bytearray = field(default_factory=bytearray)


class ProgressReader:
    """Reads the stream, in whatever pieces it comes; what is no JSON in it is kept as `other`."""

    def __init__(self) -> None:
        self._waiting = ""
        self._decoder = json.JSONDecoder()
        # A character may be cut in two.
        self._text = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._vertexes: dict[str, _Vertex] = {}
        self.other = ""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that the piece completes."""
        yield from self._read(self._text.decode(piece))

    def _read(self, text: str) -> Iterator[Event]:
        self._waiting = (self._waiting + text).lstrip()
        while self._waiting:
            value, end = None, self._waiting.find("\n")
            if self._waiting.startswith("{"):
                try:
                    value, end = self._decoder.raw_decode(self._waiting)
                except json.JSONDecodeError as error:
                    if error.msg.startswith("Unterminated string") or _CUT.match(self._waiting, error.pos):
                        return  # the rest of it is still to come
            if end < 0:
                return
            if isinstance(value, dict) and _KNOWN & value.keys():
                yield from self._events(value)
            else:
                self.other += self._waiting[:end] + "\n"
            self._waiting = self._waiting[end:].lstrip()

    def finish(self) -> None:
        """The stream ended."""
        self._waiting += self._text.decode(b"", final=True)
        self.other += self._waiting
        self._waiting = ""

    def failure(self) -> Failure | None:
        """The step that failed first, if one did; cancelled ones are not to blame."""
        failed = [vertex for vertex in self._vertexes.values() if vertex.error]
        blamed = [vertex for vertex in failed if "context canceled" not in vertex.error] or failed
        if not blamed:
            return None
        [first, *_] = blamed
        return Failure(name=first.name, error=first.error, output=first.log.decode(errors="replace"))

    def _events(self, value: dict[str, Any]) -> Iterator[Event]:
        for each in _parts(value, "vertexes"):
            yield from self._vertex(each)
        for each in _parts(value, "logs"):
            vertex = self._vertexes.setdefault(str(each.get("vertex")), _Vertex())
            data = _decoded(each.get("data"))
            vertex.log += data
            del vertex.log[:-_MAX_LOG]
            yield Said(name=vertex.name, text=data.decode(errors="replace"))

    def _vertex(self, said: dict[str, Any]) -> Iterator[Event]:
        vertex = self._vertexes.setdefault(str(said.get("digest")), _Vertex())
        vertex.name = str(said.get("name") or vertex.name)
        if said.get("error"):
            vertex.error = str(said["error"])
        if said.get("started") and not vertex.begun:
            vertex.begun = True
            yield Begun(name=vertex.name)
        if said.get("completed") and not vertex.ended and not vertex.error:
            vertex.ended = True
            yield Ended(name=vertex.name, cached=bool(said.get("cached")))


def _parts(value: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    parts = value.get(key)
    return (each for each in (parts if isinstance(parts, list) else ()) if isinstance(each, dict))


def _decoded(data: object) -> bytes:
    """Go's JSON has bytes as base64."""
    try:
        return base64.b64decode(str(data or ""), validate=True)
    except (binascii.Error, ValueError):
        return str(data).encode()
