"""Golden records of a built image: computed several times in fresh processes, kept where all agree."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlimage.atomic import scratch_folder, temporary_folder, write_atomically
from mlimage.errors import RunError, VerificationError
from mlimage.host.request import Mount, RunRequest
from mlimage.plan.golden import FROZEN
from mlimage.runtime.golden.compare import STAGES, TIERS, compare_arrays, tolerances, worst
from mlimage.runtime.golden.record import MANIFEST, Record, files_of_model, write_golden
from mlimage.signals import deferred
from mlimage.spec.frozen import DIGEST, digest_line
from mlimage.spec.golden import Golden
from mlimage.verify.models import take_model
from mlimage.verify.parity.words import told
from mlimage.verify.requests import Request
from mlimage.verify.returned import returned_record

_INSIDE: Final = "/data/golden"
"""Where the image finds the requests and puts the record."""
_RECORD: Final = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One of the processes that compute the record.

    Attributes:
        what: how it differs from the first one, for people.
        env: variables that it gets.
    """

    what: str
    env: tuple[tuple[str, str], ...] = ()


TAKES: Final = (
    Take(what="the same once more"),
    Take(what="with another PYTHONHASHSEED", env=(("PYTHONHASHSEED", "20261"),)),
    Take(what="with one thread", env=(("OMP_NUM_THREADS", "1"),)),
    Take(what="with two threads", env=(("OMP_NUM_THREADS", "2"),)),
)
"""What follows the first one; one of the numbers of threads is most likely another than its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What freezing gave: the record, and how far its processes were apart, by stage and type of number."""

    record: Record
    spread: dict[str, dict[str, float]]


def agree(records: Sequence[Record], takes: Sequence[Take]) -> Frozen:
    """The first record, with tolerances that the spread of all justifies.

    Args:
        records: the first one, and one for each of `takes`.
        takes: how each of the others was made.

    Raises:
        VerificationError: they are further apart than machines may be: nobody could verify such a model.
    """
    first, *others = records
    spread: dict[str, dict[str, float]] = {stage: {} for stage in TIERS}
    for other, take in zip(others, takes, strict=True):
        for case, again in zip(first.cases, other.cases, strict=True):
            for stage in STAGES[:2]:
                recorded = getattr(case, stage)
                found = compare_arrays(case.name, stage, getattr(again, stage), recorded, TIERS)
                bad = worst(found)
                if bad and not bad.passed:
                    raise VerificationError(
                        f"it is not stable: {take.what}, {told(bad)}", hint=_hint(stage, take)
                    )
                for verdict in found:
                    dtype = recorded[verdict.what].dtype
                    spread[stage][dtype] = max(spread[stage].get(dtype, 0.0), verdict.error)
    return Frozen(record=first._replace(tolerance=tolerances(spread)), spread=spread)


def _hint(stage: str, take: Take) -> str:
    if "thread" in take.what:
        return (
            "sums depend on how threads share the work: compute in float64, or ask the library for fixed ones"
        )
    if "HASHSEED" in take.what:
        return "something goes through a set, or through hash(): sort it"
    what = "preprocessing" if stage == "features" else "model"
    return f"the {what} draws random numbers, or reads a clock or the network: leave that out"


def freeze(
    request: RunRequest, golden: Golden, requests: Sequence[Request], *, run: Callable[[RunRequest], int]
) -> Frozen:
    """Compute the record in the image, each time in a process of its own.

    Args:
        request: a run of the image, with its folder of models.
        golden: what the spec says.
        requests: what is computed.
        run: runs a request, and gives its exit status.

    Raises:
        RunError: the image could not compute it, and its own lines said why; or what it wrote is no record
            of these requests.
        VerificationError: it did not compute the same each time.
    """
    records = []
    for take in (Take(what=""), *TAKES):
        with _exchange(requests) as folder:
            status = run(
                replace(
                    request,
                    arguments=("record", *_arguments(golden)),
                    env=(*request.env, *take.env),
                    mounts=(*request.mounts, Mount(source=folder, target=_INSIDE, writable=True)),
                )
            )
            if status:
                raise RunError(
                    f"the cases could not be computed in `{request.image.name}` (status {status})",
                    hint="its last lines above say why",
                )
            records.append(returned_record(folder, _RECORD, golden, requests, image=request.image.name))
    return agree(records, TAKES)


def _arguments(golden: Golden) -> tuple[str, ...]:
    calls = ("--preprocess", golden.preprocess, "--predict", golden.predict, "--model", golden.model)
    state = (word for path in golden.state for word in ("--state", path))
    return ("--cases", f"{_INSIDE}/cases", "--to", f"{_INSIDE}/{_RECORD}", *calls, *state)


@contextmanager
def _exchange(requests: Sequence[Request]) -> Iterator[Path]:
    """A folder with the requests and an empty one for the record, for whatever user the image runs as."""
    with temporary_folder("golden") as folder:
        folder.chmod(0o755)
        (folder / "cases").mkdir(mode=0o755)
        for each in requests:
            write_atomically(folder / "cases" / each.name, each.content)
        (folder / _RECORD).mkdir()
        (folder / _RECORD).chmod(0o777)
        yield folder


def keep(frozen: Frozen, folder: Path, *, models: Path) -> None:
    """Put record, model and fitted state into the project, in place of what was there.

    Args:
        frozen: what was recorded.
        folder: where it belongs.
        models: the folder of models of the run.

    Raises:
        RunError: the model has changed meanwhile.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder.parent) as scratch:
        made = scratch / "golden"
        made.mkdir()
        write_golden(frozen.record, str(made))
        (made / DIGEST).write_text(digest_line((made / MANIFEST).read_bytes()))
        for path, digest in files_of_model(frozen.record).items():
            take_model(models, path, made / FROZEN / path, digest)
        made.chmod(0o755)
        with deferred():  # or neither record is there
            if os.path.lexists(folder):
                folder.rename(scratch / "before")
            made.rename(folder)
