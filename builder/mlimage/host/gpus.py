"""Which GPUs a container gets: those that a person names, else all where the image is for them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlimage.daemon.facts import Facts
from mlimage.daemon.gpus import ALL, Way, device_request, remedy
from mlimage.errors import RunError, UsageError
from mlimage.host.driver import KERNEL
from mlimage.host.request import Gpus

NONE: Final = "none"
_ID: Final = re.compile(r"(?:\d{1,4}(?::\d{1,4})?|(?:GPU|MIG)-[0-9A-Za-z/-]{1,80})\Z")
_SAYS: Final = "NVIDIA_VISIBLE_DEVICES"
"""What images for CUDA set, and NVIDIA's runtime reads."""
_WITHOUT: Final = frozenset({"", "none", "void"})
_WINDOWS: Final = Path("/dev/dxg")


def wanted(text: str | None, env: Mapping[str, str]) -> Gpus | None:
    """What `--gpus` and the environment of the container ask for; None for none.

    Raises:
        UsageError: it names no GPU.
    """
    if text is None:
        return Gpus(ids=(ALL,), required=False) if env.get(_SAYS, "") not in _WITHOUT else None
    if text == NONE:
        return None
    ids = tuple(text.split(","))
    wrong = [each for each in ids if not _ID.match(each)]
    if ids != (ALL,) and wrong:
        raise UsageError(
            f"--gpus: `{wrong[0]}` is no GPU",
            hint="`all`, `none`, or numbers or UUIDs as `nvidia-smi -L` shows them, with commas: 0,1",
        )
    return Gpus(ids=ids, required=True)


def has_gpu() -> bool:
    """Whether NVIDIA's driver is on this machine."""
    return KERNEL.exists() or _WINDOWS.exists()


def requests_of(
    gpus: Gpus | None, facts: Facts | None, way: Way | None, *, here: bool
) -> tuple[tuple[dict[str, Any], ...], str | None]:
    """What the engine is told, and what a person should know. Pure.

    Args:
        gpus: what is wanted.
        facts: the engine; None for the sandbox.
        way: how the engine gives GPUs.
        here: whether this machine has one.

    Raises:
        RunError: GPUs were named, and cannot be given.
    """
    if gpus is None:
        return (), None
    if way == "cdi" or (way and (gpus.required or here or not (facts and facts.local))):
        return (device_request(gpus.ids, way),), None
    title, fix = (facts.title, remedy(facts)) if facts else ("the sandbox", "run it in Docker")
    if gpus.required:
        raise RunError(f"--gpus: {title} cannot give GPUs to what it runs", hint=fix)
    # What is for CUDA computes on the CPU as well; where there is no GPU, that is all there is to it.
    return (), f"{title} cannot give it this machine's GPU: {fix}" if here and way is None else None
