"""What `mlimage verify` found: a verdict on each part, with evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mlimage.runtime.golden.compare import Verdict
from mlimage.runtime.probe.verdicts import Comparison
from mlimage.verify.fingerprints import Difference
from mlimage.verify.parity.latency import Kept, Latency

PartName = Literal["fingerprint", "probe", "features", "outputs", "response", "latency"]
Word = Literal["PASS", "FAIL", "SKIPPED"]

PARTS: Final[Mapping[PartName, str]] = {
    "fingerprint": "what this machine is, and how it differs",
    "probe": "whether this machine computes right",
    "features": "stage 1: from recorded requests to features",
    "outputs": "stage 2: from recorded features to outputs",
    "response": "stage 3: from recorded requests to the server's answers",
    "latency": "how long the server takes to answer",
}
"""In the order in which they are judged: the first that fails is the culprit."""
SERVED: Final[frozenset[PartName]] = frozenset({"response", "latency"})
"""Those that need a running server."""
CULPRITS: Final[Mapping[PartName, str]] = {
    "fingerprint": "this machine's CPU is emulated, which may be silently wrong",
    "probe": "this machine computes wrong, or otherwise than the other one",
    "features": "the preprocessing makes other features of the same requests",
    "outputs": "the model gives other outputs for the same features",
    "response": "the server answers otherwise than it did",
    "latency": "the server takes longer than its budget",
}
"""What a part that fails means, where those before it pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The verdict on one part.

    Attributes:
        name: one of `PARTS`.
        word: the verdict.
        why: evidence, or the reason why it was skipped; one line.
        hint: what to do; None where there is nothing.
        causes: why it probably fails, a sentence each.
        done: whether there is evidence; a part that was asked for and could not be done fails without any.
    """

    name: PartName
    word: Word
    why: str
    hint: str | None = None
    causes: tuple[str, ...] = ()
    done: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """The fingerprint here, and how it differs from another one.

    Attributes:
        here: of this machine and the image.
        against: what the other one is of, for people; None where there is no other one.
        there: the other one.
        differences: each explained.
        summary: what is to be expected of the numbers.
    """

    here: Mapping[str, Any]
    against: str | None = None
    there: Mapping[str, Any] | None = None
    differences: tuple[Difference, ...] = ()
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The record of the probe, without its arrays, and how it differs from another one."""

    record: Mapping[str, Any]
    comparison: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was verified: the image, and where."""

    name: str
    digest: str
    image_id: str
    platform: str
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        subject: what was verified.
        created: when, RFC 3339.
        parts: the verdicts, all of `PARTS` in their order.
        verdicts: on each array and answer of the golden record.
        changed: files of model and preprocessing that are not those of the record, and why.
        fingerprints: None where there is none.
        probed: None where it was not probed.
        latency: None where it was not measured.
        budget: limits, held against it.
    """

    subject: Subject
    created: str
    parts: tuple[Part, ...]
    verdicts: tuple[Verdict, ...] = ()
    changed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fingerprints: Fingerprints | None = None
    probed: Probed | None = None
    latency: Latency | None = None
    budget: Sequence[Kept] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something passed."""
        words = {part.word for part in self.parts}
        return "FAIL" not in words and "PASS" in words

    @property
    def culprit(self) -> Part | None:
        """The first part that failed."""
        return next((part for part in self.parts if part.word == "FAIL"), None)

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        culprit = self.culprit
        if culprit:
            return (
                f"FAIL: {CULPRITS[culprit.name] if culprit.done else f'{culprit.name} could not be verified'}"
            )
        passed = sum(part.word == "PASS" for part in self.parts)
        if not passed:
            return "FAIL: nothing could be verified"
        skipped = len(self.parts) - passed
        return f"PASS: {passed} of {len(self.parts)} parts" + (f", {skipped} skipped" if skipped else "")
