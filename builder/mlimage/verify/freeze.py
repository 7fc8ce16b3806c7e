"""Golden records of a built image: computed several times in fresh processes, kept where all agree."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlimage.atomic import scratch_folder, temporary_folder
from mlimage.errors import RunError, UsageError, VerificationError, reason_of
from mlimage.host.request import Mount, RunRequest
from mlimage.plan.golden import FROZEN
from mlimage.runtime.golden.compare import STAGES, TIERS, compare_arrays, tolerances, worst
from mlimage.runtime.golden.failure import GoldenError
from mlimage.runtime.golden.record import Record, files_of_model, read_golden, write_golden
from mlimage.signals import deferred
from mlimage.spec.golden import Golden
from mlimage.verify.parity.words import told

_INSIDE: Final = "/data/golden"
"""Where the image finds the requests and puts the record."""


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


def cases_in(chosen: Path, trained: Path, *, shown: str) -> tuple[Path, ...]:
    """The files of the requests, by name.

    Args:
        chosen: the folder that the spec names; it need not be there where training kept some.
        trained: the folder where training keeps requests; it need not be there.
        shown: what the first one is called in messages.

    Raises:
        UsageError: there are none, or two of one name.
    """
    hint = "put requests there, a file each: `zero.json`, `empty.csv`"
    kept = _files_in(trained) if trained.is_dir() else []
    try:
        own = _files_in(chosen)
    except OSError as error:
        if not (kept and isinstance(error, FileNotFoundError)):
            raise UsageError(f"`{shown}`: {reason_of(error)}", hint=hint) from error
        own = []
    if not own + kept:
        raise UsageError(f"`{shown}` has no requests", hint=hint)
    twice = {path.name for path in own} & {path.name for path in kept}
    if twice:
        raise UsageError(
            f"`{shown}` has a request `{min(twice)}`, and training kept one of that name",
            hint="give one of them another name",
        )
    return tuple(sorted((*own, *kept), key=lambda path: path.name))


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]


def freeze(
    request: RunRequest, golden: Golden, cases: Sequence[Path], *, run: Callable[[RunRequest], int]
) -> Frozen:
    """Compute the record in the image, each time in a process of its own.

    Args:
        request: a run of the image, with its folder of models.
        golden: what the spec says.
        cases: files of the requests.
        run: runs a request, and gives its exit status.

    Raises:
        RunError: the image could not compute it; its own lines said why.
        VerificationError: it did not compute the same each time.
    """
    records = []
    for take in (Take(what=""), *TAKES):
        with _exchange(cases) as folder:
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
            try:
                records.append(read_golden(str(folder / "record")))
            except GoldenError as error:
                raise RunError(str(error)) from error
    return agree(records, TAKES)


def _arguments(golden: Golden) -> tuple[str, ...]:
    calls = ("--preprocess", golden.preprocess, "--predict", golden.predict, "--model", golden.model)
    state = (word for path in golden.state for word in ("--state", path))
    return ("--cases", f"{_INSIDE}/cases", "--to", f"{_INSIDE}/record", *calls, *state)


@contextmanager
def _exchange(cases: Sequence[Path]) -> Iterator[Path]:
    """A folder with the requests and an empty one for the record, for whatever user the image runs as."""
    with temporary_folder("golden") as folder:
        folder.chmod(0o755)
        (folder / "cases").mkdir(mode=0o755)
        for case in cases:
            shutil.copyfile(case, folder / "cases" / case.name)
            (folder / "cases" / case.name).chmod(0o644)
        (folder / "record").mkdir()
        (folder / "record").chmod(0o777)
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
        for path in files_of_model(frozen.record):
            place = made / FROZEN / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(models / path, place)
        check_models(frozen.record, made / FROZEN)
        made.chmod(0o755)
        with deferred():  # or neither record is there
            if folder.exists():
                folder.rename(scratch / "before")
            made.rename(folder)


def check_models(record: Record, folder: Path) -> None:
    """Raises `RunError` where a file of model or state is not what was recorded."""
    for path, digest in files_of_model(record).items():
        with (folder / path).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise RunError(f"`{path}` has changed while it was recorded", hint="end the training first")
