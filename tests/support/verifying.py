"""What verifications are made of, made up."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from mlimage.errors import MlimageError
from mlimage.host.reach import Server
from mlimage.runtime.fingerprint import fingerprint
from mlimage.runtime.golden.compare import TIERS
from mlimage.runtime.golden.record import Case, Record
from mlimage.runtime.probe.record import make_record
from mlimage.verify.parity.model import PartName, Report, Subject
from mlimage.verify.parity.verify import Image, Wanted, verify
from support.misbehaving import Handler, echoes, serving

SUBJECT: Final = Subject(
    name="demo:cpu",
    digest="sha256:" + "1" * 64,
    image_id="sha256:" + "2" * 64,
    platform="linux/amd64",
    runtime="the sandbox",
)
CREATED: Final = "2026-01-02T03:04:05Z"
JSON: Final = "application/json"


@cache
def here() -> dict[str, Any]:
    """This machine's own fingerprint, without libraries."""
    return fingerprint({}, modules=())


@cache
def probe() -> dict[str, Any]:
    """This machine's own probe, of what needs no library; as JSON gives it."""
    found: dict[str, Any] = json.loads(json.dumps(make_record(profile="fast", groups=["python"])))
    return found


def golden(*names: str, answers: bool = True) -> Record:
    """A record of cases of these names, whose answer is their request."""
    cases = tuple(
        Case(name, JSON, b"[1.5]", {}, {}, b"[1.5]" if answers else None, JSON if answers else "")
        for name in names or ("one.json", "two.json")
    )
    calls = {"preprocess": "features:transform", "predict": "model:scores"}
    return Record(calls, {}, {}, 0, "fast", here(), TIERS, cases)


def verdict(case: str, stage: str, error: float | None = 0.0, why: str = "") -> dict[str, Any]:
    """As the word `verify` of an image says it."""
    word = (
        "changed"
        if error is None
        else "identical"
        if error == 0
        else "within"
        if error <= 1e-10
        else "beyond"
    )
    return {
        "case": case,
        "stage": stage,
        "what": "",
        "word": word,
        "error": error,
        "tolerance": 0.0 if error is None else 1e-10,
        "why": why,
    }


def checked(
    *verdicts: Mapping[str, Any], changed: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """The whole of it; by default all is as recorded."""
    own = verdicts or tuple(
        verdict(case, stage) for stage in ("features", "outputs") for case in ("one.json", "two.json")
    )
    return {"verdicts": list(own), "changed": changed or {}, "patterns": {}, "fingerprint": here()}


def image(
    *,
    record: Record | MlimageError | None = None,
    behave: Callable[[Handler, bytes], None] | MlimageError = echoes,
    lacks: Mapping[PartName, str] | None = None,
    **words: Any,
) -> Image:
    """An image whose words say this, or raise it; its server behaves so."""

    def ask(word: str, *rest: str) -> Mapping[str, Any]:
        usual = {"verify": checked(), "probe": probe(), "fingerprint": here()}
        said = {**usual, **words}[word]
        if isinstance(said, MlimageError):
            raise said
        if word != "verify":
            return dict(said)
        return {**said, "verdicts": [each for each in said["verdicts"] if each["stage"] in rest]}

    def serve(work: Callable[[Server], None]) -> None:
        if isinstance(behave, MlimageError):
            raise behave
        with serving(behave) as (port, _):
            work(port)

    def taken() -> Record | None:
        if isinstance(record, MlimageError):
            raise record
        return record

    return Image(ask=ask, serve=serve, record=taken, lacks=lacks or {})


def report(own: Image, *parts: PartName, **wanted: Any) -> Report:
    """The report on these parts, on all by default; few requests are measured."""
    every: tuple[PartName, ...] = ("fingerprint", "probe", "features", "outputs", "response", "latency")
    asked = Wanted(**{"parts": frozenset(parts or every), "requests": 5, **wanted})
    return verify(own, asked, subject=SUBJECT, created=CREATED, pause=lambda _: None)
