"""Ask an image something: run a word of its runtime, and keep what it says."""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mlimage.cache import Cache
from mlimage.errors import RunError, VerificationError
from mlimage.host.choose import Choice
from mlimage.host.launch import launch
from mlimage.host.output import Head, kept_by
from mlimage.host.request import RunRequest
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.platforms import native_platform
from mlimage.progress import Progress
from mlimage.regular import shown_limit

SINCE: Final = {"fingerprint": 2, "probe": 2, "record": 2, "verify": 3}
"""The version of the runtime that brought each word, `content/runtime.py`."""
FAILED: Final = 8
"""Exit status of a word whose answer is that something is wrong."""
_FAULTS: Final = (signal.SIGILL, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT)
LARGEST: Final = 64 << 20
"""Bytes of an answer; that of a probe has some hundred kB."""
_PRINTS: Final = "something in the image writes to standard output when Python starts"
_STILL: Final = "`mlimage inspect` and `mlimage diff` still work with it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an image answered.

    Attributes:
        status: 0, or `FAILED`.
        said: the JSON that it wrote.
        emulated: whether its platform is another than that of what runs it.
    """

    status: int
    said: dict[str, Any]
    emulated: bool


def need_word(image: SealedImage, word: str, store: Store) -> Mapping[str, str]:
    """The labels of an image that understands this word.

    Raises:
        RunError: it does not.
    """
    labels = store.configuration(image).labels
    if "dev.mlimage.lock" not in labels:
        raise RunError(
            f"`{image.name}` was not built by mlimage: there is no `{word}` in it",
            hint=f"{_STILL}; to have it, build the image from a spec: `mlimage init`",
        )
    version = labels.get("dev.mlimage.runtime", "1")
    if not (version.isdecimal() and len(version) < 10) or int(version) < SINCE[word]:
        name = image.name.partition(":")[0]
        raise RunError(
            f"`{image.name}` was built by an older mlimage: there is no `{word}` in it",
            hint=f"build it again: `mlimage build {name}`; {_STILL}",
        )
    return labels


def shut_in(request: RunRequest, seconds: float) -> RunRequest:
    """The request as one that computes and ends: nobody speaks with it, and it speaks with nobody."""
    return replace(request, tty=False, interactive=False, network=False, seconds=seconds)


def ask(
    request: RunRequest,
    choice: Choice,
    *,
    store: Store,
    cache: Cache,
    progress: Progress,
    say: Callable[[str], None],
    seconds: float,
) -> Answer:
    """Run a request whose first argument is a word that answers with one JSON object.

    Raises:
        VerificationError: the machine cannot execute it, or does so wrongly: it was killed by a fault.
        RunError: it cannot be run, failed, or needed more memory or time than it may have.
    """
    word = request.arguments[0]
    quiet = replace(shut_in(request, seconds), mounts=())
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        say(line)

    head, status = Head(LARGEST), 0
    try:
        with kept_by(head) as output:
            status = launch(
                quiet, choice, store=store, cache=cache, progress=progress, say=hear, output=output
            )
    except BrokenPipeError:  # of what brings the output of a container engine here
        if not head.full:
            raise
    if head.full:
        raise RunError(
            f"the {word} of `{request.image.name}` wrote more than {shown_limit(LARGEST)} to standard output",
            hint=_PRINTS,
        )
    fault = next((number for number in _FAULTS if status == 128 + number), None)
    if fault is not None:
        raise VerificationError(
            f"this machine cannot compute it: {word} of `{request.image.name}` was killed by {fault.name}",
            hint="its lines above name the operation; a library runs instructions that this CPU, or what "
            "emulates it, does not have or does wrong",
        )
    if status not in {0, FAILED}:
        raise unanswered(word, request.image.name, status, heard)
    try:
        said = _object(head.content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"the {word} of `{request.image.name}` gave no JSON", hint=_PRINTS) from error
    here = choice.daemon.facts.platform if choice.daemon else native_platform()
    return Answer(status=status, said=said, emulated=request.image.platform != here)


def _object(content: bytes | bytearray) -> dict[str, Any]:
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - what was read is wrong, not the program
    return said


def unanswered(word: str, image: str, status: int, heard: Sequence[str]) -> RunError:
    """Why a word gave no answer; a run that the kernel ended says the reason itself. Pure."""
    if status == 128 + signal.SIGKILL and heard:
        return RunError(f"the {word} of `{image}` was {heard[-1]}")
    return RunError(
        f"the {word} of `{image}` ended with status {status}", hint="its last lines above should say why"
    )
