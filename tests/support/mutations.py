"""Documents that are almost right: any part of one is replaced, left out, doubled, wrapped, or moved."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import strategies as st

Path = tuple[str | int, ...]

_ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 1.5, float("nan"), 2**63, 2**70, "HUGE", 1e308,
    "", "x", "A=\0", "\x1b[2J", "\ud800", "\u202e", "9" * 5000, "../../etc/passwd",
    "sha256:" + "A" * 64, "sha256:../../x", "sha512:" + "0" * 128, "sha256:" + "0" * 64,
    [], [None], [[]], ["x"], {}, {"": {}}, {"x": None}, {"a\0b": "x"},
)  # fmt: skip


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _paths(each, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    _at(value, path[:-1])[path[-1]] = new
    return value


def _without(value: Any, path: Path) -> Any:
    if path:
        del _at(value, path[:-1])[path[-1]]
    return value


def _changed(value: Any, kind: str, path: Path, odd: Any, elsewhere: Path) -> Any:
    here = copy.deepcopy(_at(value, path))
    match kind:
        case "replace":
            return _with(value, path, copy.deepcopy(odd))
        case "leave out":
            return _without(value, path)
        case "double":
            return _with(value, path, here * 2 if isinstance(here, list | str) else [here, here])
        case "wrap":
            return _with(value, path, {"x": here} if isinstance(here, list) else [here])
        case "deep":
            for _ in range(150):
                here = [here]
            return _with(value, path, here)
        case _:
            return _with(value, path, copy.deepcopy(_at(value, elsewhere)))


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> bytes:
    """The JSON of a document in which up to three things are wrong; its keys may stand twice."""
    value = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(value))
        kind = draw(st.sampled_from(["replace", "replace", "leave out", "double", "wrap", "move", "deep"]))
        value = _changed(
            value,
            kind,
            draw(st.sampled_from(paths)),
            draw(st.sampled_from(_ODD)) if kind == "replace" else None,
            draw(st.sampled_from(paths)) if kind == "move" else (),
        )
    text = _dumped(value)
    if isinstance(value, dict) and draw(st.booleans()):
        text = text[:-1] + ("," if value else "") + f'"config":{_dumped(document)}}}'
    return text.encode()


def _dumped(value: Any) -> str:
    return json.dumps(value).replace('"HUGE"', "1" + "0" * 5000)
