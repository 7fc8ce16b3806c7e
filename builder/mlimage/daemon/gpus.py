"""How an engine gives NVIDIA's GPUs to containers: by their descriptions (CDI), or by NVIDIA's runtime."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from mlimage.daemon.facts import GPU, Facts

CDI_FOLDERS: Final = ("/etc/cdi", "/var/run/cdi")
"""Where engines look for descriptions that do not say so."""
ALL: Final = "all"
TOOLKIT: Final = (
    "install `nvidia-container-toolkit`, then `sudo nvidia-ctk runtime configure --runtime=docker`, "
    "and restart Docker"
)
_DESCRIBED: Final = (
    "install `nvidia-container-toolkit`, then `sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
)
_PODMAN: Final = 5
"""Its first version that was seen to give devices which are asked for in Docker's words; 4.3 ignores them."""
_HOOK: Final = "nvidia-container-runtime-hook"
"""Docker gives GPUs where it finds this program, though no runtime is registered."""

Way = Literal["cdi", "runtime"]


def way_to_gpus(
    facts: Facts, *, root: str = "", which: Callable[[str], str | None] = shutil.which
) -> Way | None:
    """How the engine gives GPUs; None where it cannot.

    Args:
        facts: what the engine is.
        root: in front of the folders of descriptions, for tests.
        which: finds programs.
    """
    if facts.product == "podman" and _major(facts) < _PODMAN:
        return None
    if facts.gpus or (facts.local and description_files(folders_of(facts), root)):
        return "cdi"
    if "nvidia" in facts.runtimes:
        return "runtime"
    return "runtime" if facts.product == "docker" and facts.local and which(_HOOK) else None


def remedy(facts: Facts) -> str:
    """What to do so that the engine can give GPUs."""
    if facts.product == "docker":
        return TOOLKIT
    return _DESCRIBED if _major(facts) >= _PODMAN else f"use Podman {_PODMAN} or newer, or Docker"


def folders_of(facts: Facts) -> tuple[str, ...]:
    """Where the engine looks for descriptions; Docker names no folder where that is turned off."""
    return CDI_FOLDERS if facts.product == "podman" else facts.devices


def description_files(folders: Sequence[str], root: str = "") -> tuple[str, ...]:
    """The files in which NVIDIA's GPUs are described."""
    files = (path for folder in folders for path in sorted(Path(f"{root}{folder}").glob("*")))
    return tuple(
        str(path).removeprefix(root)
        for path in files
        if path.suffix in {".yaml", ".yml", ".json"} and GPU in _read(path)
    )


def device_request(ids: Sequence[str], way: Way) -> dict[str, Any]:
    """What the SDK's `containers.create` takes for these GPUs: `all`, or numbers or UUIDs."""
    if way == "cdi":
        return {"driver": "cdi", "device_ids": [f"{GPU}={each}" for each in ids]}
    which = {"count": -1} if tuple(ids) == (ALL,) else {"device_ids": list(ids)}
    return {**which, "capabilities": [["gpu"]]}


def _major(facts: Facts) -> int:
    major = facts.version.partition(".")[0]
    return int(major) if major.isdigit() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
