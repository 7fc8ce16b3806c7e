"""`docker run IMAGE fingerprint`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from mlimage.runtime.failure import StartError
from mlimage.runtime.fingerprint import fingerprint
from mlimage.runtime.pins import PROFILE
from mlimage.runtime.roles import read_roles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main(arguments: Sequence[str]) -> int:
    """Print what this machine and image are."""
    parser = argparse.ArgumentParser(
        prog="fingerprint", description="What this machine and image are, numerically: no names, no paths."
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    given = parser.parse_args(arguments)
    found = fingerprint(os.environ, profile=profile())
    text = json.dumps(found, indent=2) if given.json else "\n".join(lines(found))
    sys.stdout.write(text + "\n")
    return 0


def profile() -> str | None:
    """The profile that the entry point started this process with, else the image's; None outside of one."""
    started = os.environ.get(PROFILE)
    if started:
        return started
    try:
        return read_roles().determinism.profile
    except StartError:
        return None


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The fingerprint for people."""
    cpu, limits, python, libc = found["cpu"], found["limits"], found["python"], found["libc"]
    emulated = ", emulated" if cpu["emulated"] else ""
    image = found["image"]
    for name in ("name", "digest", "lock"):
        if image[name]:
            yield f"{'image' if name == 'name' else name:<14}{image[name]}"
    yield f"{'class':<14}{found['numeric_class']}"
    yield f"{'profile':<14}{found['profile'] or 'none'}"
    yield f"{'python':<14}{python['version']}, {libc['name']} {libc['version']}, libm {libc['libm']}"
    yield f"{'packages':<14}{found['packages']['count']}, sha256:{found['packages']['sha256'][:12]}"
    for name, version in found["packages"]["numeric"].items():
        yield f"{'':<14}{name} {version}"
    yield f"{'CPU':<14}{cpu['architecture']} {cpu['vendor']} {cpu['family']}/{cpu['model']}{emulated}"
    yield f"{'':<14}{' '.join(cpu['flags'])}"
    if cpu["ftz"] or cpu["daz"]:
        yield f"{'':<14}flushes the smallest numbers to zero"
    quota = "no quota" if limits["cpu_quota"] is None else f"quota {limits['cpu_quota']:g}"
    yield f"{'processors':<14}{limits['affinity']}, {quota}, {limits['threads']} threads"
    yield f"{'memory':<14}{_bytes(limits['memory'])}, /dev/shm {_bytes(limits['shm'])}"
    for library in found["native"]:
        threads = f"{library['threads']} threads" if library["threads"] else None
        said = ", ".join(word for word in (library["version"], library["kernel"], threads) if word)
        yield f"{library['kind']:<14}of {library['owner']}: {said or 'loaded'}"
    numpy, torch = found["numpy"], found["torch"]
    if numpy:
        on, off = (" ".join(numpy[which]) or "none" for which in ("dispatch_on", "dispatch_off"))
        yield f"{'numpy':<14}{on} (off: {off})"
    if torch:
        onednn, threads = torch["onednn"]["max_isa"], torch["threads"]
        yield f"{'torch':<14}ATen {torch['cpu_capability']}, oneDNN {onednn}, {threads} threads"
    for device in (found["cuda"] or {}).get("devices", ()):
        yield f"{'GPU':<14}{device['name']}, sm {device['sm']}, {_bytes(device['memory'])}"
    for name, value in found["env"].items():
        if value is not None:
            yield f"{'variable':<14}{name}={value}"


def _bytes(size: int | None) -> str:
    if size is None:
        return "no limit"
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
