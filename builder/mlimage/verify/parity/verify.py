"""Does the parts of a verification one after the other, and judges each; what breaks is a verdict, too."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlimage.errors import MlimageError
from mlimage.host.reach import Server
from mlimage.runtime.golden.compare import Verdict
from mlimage.runtime.golden.record import Case, Record
from mlimage.runtime.probe.measure import without_values
from mlimage.runtime.probe.verdicts import compare
from mlimage.verify.fingerprints import differences, summary
from mlimage.verify.parity import judge
from mlimage.verify.parity.exchange import Answer, NoAnswer
from mlimage.verify.parity.latency import Latency, Limit
from mlimage.verify.parity.model import PARTS, SERVED, Fingerprints, Part, PartName, Probed, Report, Subject
from mlimage.verify.parity.serving import REQUESTS, Send, answers, measured, sender

_STAGES: Final[tuple[PartName, ...]] = ("features", "outputs")
"""Those that are computed in the image."""
_ENDED: Final = 2.0
"""Seconds after which the end of a server is known, from whatever runs it."""
NOT_ASKED: Final = "it was not asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """Another machine or image: its name for people, its fingerprint, and its probe if there is one."""

    name: str
    fingerprint: Mapping[str, Any]
    probe: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be verified.

    Attributes:
        parts: these parts, as far as they can be.
        asked: those of them that were asked for by name: what cannot be done fails.
        budget: of the latency.
        requests: how many are measured.
        against: what fingerprint and probe are held against; None for the recorder of the golden record.
    """

    parts: frozenset[PartName]
    asked: frozenset[PartName] = frozenset()
    budget: tuple[Limit, ...] = ()
    requests: int = REQUESTS
    against: Against | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What can be asked of an image on this machine.

    Attributes:
        ask: runs a word of its runtime, with arguments, and gives the JSON that it said.
        serve: starts its server, does this with it once it is healthy, and ends it.
        record: gives its golden record, None where it has none.
        lacks: why a part cannot be had of this image at all, whatever its record.
    """

    ask: Callable[..., Mapping[str, Any]]
    serve: Callable[[Callable[[Server], None]], None]
    record: Callable[[], Record | None]
    lacks: Mapping[PartName, str]


def verify(
    image: Image,
    wanted: Wanted,
    *,
    subject: Subject,
    created: str,
    pause: Callable[[float], None] = time.sleep,
) -> Report:
    """Do all that is wanted, and judge it; `pause` waits for the end of a server that seems to be gone."""
    return _Course(image, wanted, pause).report(subject, created)


class _Course:
    """The state of one verification."""

    def __init__(self, image: Image, wanted: Wanted, pause: Callable[[float], None]) -> None:
        self._image = image
        self._pause = pause
        self._wanted = wanted
        self._parts: dict[PartName, Part] = {}
        self._record: Record | None = None
        self._verdicts: tuple[Verdict, ...] = ()
        self._check: Mapping[str, Any] | None = None
        self._fingerprints: Fingerprints | None = None
        self._probed: Probed | None = None
        self._latency: Latency | None = None
        self._steady = True

    def report(self, subject: Subject, created: str) -> Report:
        for name in PARTS:
            if name not in self._wanted.parts:
                self._parts[name] = Part(name=name, word="SKIPPED", why=NOT_ASKED)
            elif name in self._image.lacks:
                self._skip(name, self._image.lacks[name])
        self._read_record()
        self._stages()
        self._probe()
        self._fingerprint()
        self._serve()
        changed = self._check["changed"] if self._check else {}
        differences = self._fingerprints.differences if self._fingerprints else ()
        for stage in _STAGES:
            self._parts[stage] = judge.explained(self._parts[stage], differences, steady=self._steady)
        return Report(
            subject=subject,
            created=created,
            parts=tuple(self._parts[name] for name in PARTS),
            verdicts=self._verdicts,
            changed=changed,
            fingerprints=self._fingerprints,
            probed=self._probed,
            latency=self._latency,
            budget=self._latency.held(self._wanted.budget) if self._latency else (),
        )

    def _open(self, *names: PartName) -> list[PartName]:
        """Those on which there is no verdict yet."""
        return [name for name in names if name not in self._parts]

    def _skip(self, name: PartName, why: str, hint: str | None = None) -> None:
        self._parts[name] = judge.skipped(name, why, asked=name in self._wanted.asked, hint=hint)

    def _fail(self, names: list[PartName], error: MlimageError) -> None:
        for name in names:
            self._parts[name] = judge.broken(name, error.message, error.hint)

    def _read_record(self) -> None:
        needing = self._open(*_STAGES, "response", "latency")
        if not needing and self._wanted.against is not None:
            return
        try:
            self._record = self._image.record()
        except MlimageError as error:
            self._fail(needing, error)
            return
        if self._record is None:
            for name in needing:
                what = "requests to measure it with" if name == "latency" else "golden record"
                self._skip(name, f"the image has no {what}", judge.FREEZE)

    def _stages(self) -> None:
        stages = self._open(*_STAGES)
        if not stages:
            return
        try:
            words = [word for stage in stages for word in ("--stage", stage)]
            self._check = self._image.ask("verify", "--json", *words)
        except MlimageError as error:
            self._fail(stages, error)
            return
        self._verdicts = tuple(_verdict(said) for said in self._check["verdicts"])
        for stage in stages:
            seen = self._check.get("patterns", {}).get(stage)
            self._parts[stage] = judge.of_stage(stage, self._verdicts, self._check["changed"], seen)
        self._steady = self._is_steady([stage for stage in stages if self._parts[stage].word == "FAIL"])

    def _is_steady(self, failed: list[PartName]) -> bool:
        """Whether these stages give the same in another process; what has no seed does not."""
        if not failed:
            return True
        words = [word for stage in failed for word in ("--stage", stage)]
        try:
            again = self._image.ask("verify", "--json", *words)["verdicts"]
        except MlimageError:
            return False
        before = [verdict for verdict in self._verdicts if verdict.stage in failed]
        return [_verdict(said) for said in again] == before

    def _probe(self) -> None:
        if not self._open("probe"):
            return
        against = self._wanted.against
        try:
            record = self._image.ask("probe", "--save", "-")
            comparison = compare(record, against.probe) if against and against.probe else None
        except MlimageError as error:
            self._fail(["probe"], error)
            return
        self._probed = Probed(record=without_values(dict(record)), comparison=comparison)
        self._parts["probe"] = judge.of_probe(self._probed)

    def _fingerprint(self) -> None:
        if not self._open("fingerprint"):
            return
        against = self._wanted.against
        try:
            here = self._here()
        except MlimageError as error:
            self._fail(["fingerprint"], error)
            return
        if against is not None:
            self._fingerprints = _compared(here, against.fingerprint, against.name)
        elif self._record is not None:
            # The recorder did not know what its image was called, and it was another one: without the record.
            there = {**self._record.fingerprint, "image": {}}
            self._fingerprints = _compared({**here, "image": {}}, there, "the recorder", shown=here)
        else:
            self._fingerprints = Fingerprints(here=here)
        part = judge.of_fingerprints(self._fingerprints)
        if part.word == "SKIPPED":
            self._skip("fingerprint", part.why, part.hint)
        else:
            self._parts["fingerprint"] = part

    def _here(self) -> Mapping[str, Any]:
        """The fingerprint of the process that is most like the one that it is held against."""
        if self._check and self._wanted.against is None:
            return _mapping(self._check["fingerprint"])
        if self._probed:
            return _mapping(self._probed.record["fingerprint"])
        return self._image.ask("fingerprint", "--json")

    def _serve(self) -> None:
        record = self._record
        if record is not None and "response" not in self._parts and not _has_answers(record):
            self._skip("response", "no answers are in the golden record", "freeze again, with a `serve` role")
        names = self._open(*SERVED)
        if record is None or not names:
            return
        try:
            self._image.serve(lambda server: self._asked(record, sender(server)))
        except MlimageError as error:
            self._fail(names, error)

    def _asked(self, record: Record, send: Send) -> None:
        """While it serves; on a thread of its own, which the other one waits for."""
        lost = False

        def watched(case: Case) -> Answer | NoAnswer:
            nonlocal lost
            answer = send(case)
            lost = lost or (isinstance(answer, NoAnswer) and answer.lost)
            return answer

        self._hold_and_measure(record, watched)
        if lost:
            # That a server has ended is known a little later than its connections break, and says more.
            self._pause(_ENDED)

    def _hold_and_measure(self, record: Record, send: Send) -> None:
        if self._open("response"):
            held = answers(record, send)
            self._verdicts += held.verdicts
            self._parts["response"] = judge.of_stage("response", held.verdicts, {}, held.pattern)
        if self._open("latency"):
            latency = measured(record.cases, send, requests=self._wanted.requests)
            if isinstance(latency, str):
                self._parts["latency"] = judge.broken("latency", latency)
                return
            self._latency = latency
            self._parts["latency"] = judge.of_latency(latency, latency.held(self._wanted.budget))


def _has_answers(record: Record) -> bool:
    return any(case.response is not None for case in record.cases)


def _compared(
    here: Mapping[str, Any], there: Mapping[str, Any], name: str, *, shown: Mapping[str, Any] | None = None
) -> Fingerprints:
    found = differences(there, here)
    return Fingerprints(
        here=shown or here,
        against=name,
        there=there,
        differences=found,
        summary=summary(there, here, found),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = value
    return found


def _verdict(said: Mapping[str, Any]) -> Verdict:
    error = float("inf") if said["error"] is None else said["error"]
    return Verdict(**{**said, "error": error})
