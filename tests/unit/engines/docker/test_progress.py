"""BuildKit's progress: recorded streams of two versions, cut anywhere, and what else may stand in between.

`streams/` has what `docker buildx build --progress=rawjson` wrote: 0.13 indents its JSON, 0.29 does not.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlimage.engines.docker.progress import Begun, Ended, Event, Failure, ProgressReader, Said

STREAMS = {path.name: path.read_bytes() for path in (Path(__file__).parent / "streams").iterdir()}
STEPS = (
    "[packages 1/3] RUN --network=none     <<'EOF_' (set -eu...)",
    "[packages 2/3] RUN rm -rf /opt/a && sleep 1 && echo slept",
    "[packages 3/3] RUN mkdir /opt/a && touch /opt/a/new && rm /bin/touch && rm -rf /tmp && mkdir /tmp",
)


def read(*pieces: bytes) -> tuple[list[Event], ProgressReader]:
    reader = ProgressReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    reader.finish()
    return events, reader


def line(**said: Any) -> bytes:
    return json.dumps(said).encode() + b"\n"


def vertex(name: str, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{name}", "name": name, **more}


def log(name: str, text: bytes) -> dict[str, Any]:
    return {"vertex": f"sha256:{name}", "data": base64.b64encode(text).decode()}


@pytest.mark.parametrize("name", ["docker-trixie-built", "docker-sid-built"])
def test_a_recorded_build(name: str) -> None:
    events, reader = read(STREAMS[name])
    assert (reader.failure(), reader.other) == (None, "")
    assert [event.name for event in events if isinstance(event, Begun) and event.name in STEPS] == [*STEPS]
    assert {event.name for event in events if isinstance(event, Ended)} >= {*STEPS}
    begun = [event.name for event in events if isinstance(event, Begun)]
    assert len(begun) == len(set(begun))


@pytest.mark.parametrize("name", ["docker-trixie-failed", "docker-sid-failed"])
def test_a_recorded_failure(name: str) -> None:
    events, reader = read(STREAMS[name])
    step = "[packages 3/3] RUN echo before && echo oops >&2 && exit 3"
    failure = reader.failure()
    assert failure is not None
    assert failure.name == step
    assert failure.error == (
        'process "/bin/sh -c echo before && echo oops >&2 && exit 3" '
        "did not complete successfully: exit code: 3"
    )
    assert sorted(failure.output.splitlines()) == ["before", "oops"]
    assert step not in {event.name for event in events if isinstance(event, Ended)}
    assert {event.text for event in events if isinstance(event, Said) and event.name == step} == {
        "before\n",
        "oops\n",
    }
    assert [each for each in reader.other.splitlines() if each.startswith("ERROR: ")] == [
        reader.other.splitlines()[-1]
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(STREAMS)))
def test_wherever_it_is_cut(data: st.DataObject, name: str) -> None:
    stream = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=60)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, first = read(stream)
    cut, second = read(*pieces)
    assert cut == whole
    assert (second.other, second.failure()) == (first.other, first.failure())


@pytest.mark.parametrize("name", ["docker-trixie-failed", "docker-sid-failed"])
def test_byte_by_byte(name: str) -> None:
    stream = STREAMS[name][-3000:]
    whole, first = read(stream)
    cut, second = read(*(bytes([byte]) for byte in stream))
    assert (cut, second.other) == (whole, first.other)


ANY = (
    b'{"a": [1, true, "\\u00e4\\n"], "vertexes": null}\n',
    b"{broken {\n",
    b'{"vertexes": 5}\n',
    "{größe}\n".encode(),
    b"\xff\xfe{}\n",
    b"[1, 2]\n",
    b'"text"\n',
    b"   indented\n",
    b"5 lines\n",
    b'{"logs":\n [{"vertex": "v", "data": "%%%"}]}\n',
    line(vertexes=[vertex("one", started="now")]),
    line(logs=[log("one", "größe".encode())]),
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), lines=st.lists(st.sampled_from(ANY), max_size=6))
def test_any_lines_cut_anywhere(data: st.DataObject, lines: list[bytes]) -> None:
    stream = b"".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    whole, first = read(stream)
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    cut, second = read(*pieces)
    assert (cut, second.other) == (whole, first.other)


@pytest.mark.parametrize(
    "garbage",
    [
        "no JSON at all",
        "{ no JSON either",
        '{"message": "JSON of somebody else"}',
        "5 lines",
        "größe",
        "null",
    ],
)
def test_what_is_not_buildkits_is_kept(garbage: str) -> None:
    before, after = line(vertexes=[vertex("a", started="1")]), line(vertexes=[vertex("b", started="2")])
    events, reader = read(before + f"{garbage}\n".encode() + after)
    assert events == [Begun(name="a"), Begun(name="b")]
    assert "".join(reader.other.split()) == "".join(garbage.split())


def test_the_end_of_a_stream_that_was_cut_off_is_kept() -> None:
    events, reader = read(line(vertexes=[vertex("a", started="1")]) + b'{"vertexes": [{"dig')
    assert (events, reader.other) == ([Begun(name="a")], '{"vertexes": [{"dig')


def test_each_step_begins_and_ends_once() -> None:
    events, _ = read(
        line(vertexes=[vertex("a")]),
        line(vertexes=[vertex("a", started="1")]),
        line(vertexes=[vertex("a", started="1", completed="2", cached=True)]),
        line(vertexes=[vertex("a", started="1", completed="2", cached=True)]),
    )
    assert events == [Begun(name="a"), Ended(name="a", cached=True)]


def test_who_was_cancelled_is_not_to_blame() -> None:
    _, reader = read(
        line(vertexes=[vertex("a", started="1"), vertex("b", started="1")]),
        line(vertexes=[vertex("a", error="context canceled"), vertex("b", error="exit code: 1")]),
        line(logs=[log("a", b"of a\n"), log("b", b"of b\n")]),
    )
    assert reader.failure() == Failure(name="b", error="exit code: 1", output="of b\n")


def test_unless_all_were() -> None:
    _, reader = read(line(vertexes=[vertex("a", error="context canceled")]))
    assert reader.failure() == Failure(name="a", error="context canceled", output="")


def test_of_a_long_output_the_end_is_kept() -> None:
    reader = ProgressReader()
    for number in range(40):
        list(reader.feed(line(logs=[log("a", f"{number:04}\n".encode() * 1000)])))
    list(reader.feed(line(vertexes=[vertex("a", error="exit code: 1")])))
    failure = reader.failure()
    assert failure is not None
    assert (len(failure.output), failure.output[-5:]) == (64 * 1024, "0039\n")


def test_output_that_is_no_text() -> None:
    events, reader = read(
        line(vertexes=[vertex("a", started="1", error="exit code: 1")]),
        line(
            logs=[log("a", "grö".encode()[:-1]), log("a", b"\xb6\xff\n"), {"vertex": "sha256:a", "data": "!"}]
        ),
    )
    assert events == [
        Begun(name="a"),
        Said(name="a", text="gr\ufffd"),
        Said(name="a", text="\ufffd\ufffd\n"),
        Said(name="a", text="!"),
    ]
    failure = reader.failure()
    assert failure is not None
    assert failure.output == "grö\ufffd\n!"
