"""What a container engine says of itself, as a value; and what of it mlimage cannot do without."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from mlimage.errors import RunError
from mlimage.platforms import Platform

GPU: Final = "nvidia.com/gpu"
"""Vendor and class of NVIDIA's GPUs, as the Container Device Interface names devices."""
OLDEST_API: Final = (1, 41)
"""Docker 20.10 of December 2020; Podman 4 and 5 say the same."""
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SNAPSHOTTER: Final = ("driver-type", "io.containerd.snapshotter.v1")
_PODMAN: Final = "Podman Engine"
_STORE_SINCE: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an engine is.

    Attributes:
        product: whose engine it is; Podman speaks Docker's protocol on its own socket.
        version: of the server, `26.1.5`.
        api: of Docker's protocol.
        platform: of the containers that it runs as they are.
        address: where it was found, for instance `unix:///var/run/docker.sock`.
        containerd_store: whether it keeps images as they came, by the digest of their manifest.
        rootless: whether root in its containers is the person who runs it.
        desktop: whether it is Docker Desktop, which runs in a virtual machine.
        limits: whether it can hold a container's memory and processors to a limit.
        runtimes: names of those that it starts containers with.
        devices: folders where it says that it looks for devices' descriptions (CDI).
        gpus: whether it says that it has found descriptions of NVIDIA's GPUs.
    """

    product: Literal["docker", "podman"] = "docker"
    version: str
    api: tuple[int, int]
    platform: Platform
    address: str
    containerd_store: bool = False
    rootless: bool = False
    desktop: bool = False
    limits: bool = True
    runtimes: frozenset[str] = frozenset()
    devices: tuple[str, ...] = ()
    gpus: bool = False

    @property
    def local(self) -> bool:
        """Whether it is on this machine, so that the ports that it publishes are this machine's."""
        parts = urlsplit(self.address)
        return parts.scheme in {"unix", "http+unix", "npipe"} or parts.hostname in _HERE

    @property
    def title(self) -> str:
        """What a person calls it: `Docker 26.1.5`."""
        return f"{self.product.title()} {self.version}"


def read_facts(version: Mapping[str, Any], info: Mapping[str, Any], *, address: str) -> Facts:
    """From the answers to `GET /version` and `GET /info`.

    Raises:
        ValueError: they are no engine's.
    """
    try:
        major, minor = str(version["ApiVersion"]).split(".")
        components = {part.get("Name") for part in version.get("Components") or ()}
        # Podman 4 says it in a field of its own, Docker and Podman 5 among the options.
        rootless = info.get("Rootless") is True or any(
            "name=rootless" in option for option in info.get("SecurityOptions") or ()
        )
        return Facts(
            product="podman" if _PODMAN in components else "docker",
            version=str(version["Version"]).partition("+")[0],
            api=(int(major), int(minor)),
            platform=Platform(str(version["Os"]), str(version["Arch"])),
            address=address,
            containerd_store=_SNAPSHOTTER in {tuple(pair) for pair in info.get("DriverStatus") or ()},
            rootless=rootless,
            desktop=info.get("OperatingSystem") == "Docker Desktop",
            # Podman says that it could, and lets them go without a word.
            limits=info.get("MemoryLimit") is not False
            and not (rootless and info.get("CgroupVersion") == "1"),
            runtimes=frozenset(info.get("Runtimes") or ()),
            devices=tuple(info.get("CDISpecDirs") or ()),
            gpus=any(
                str(each.get("ID", "")).startswith(f"{GPU}=") for each in info.get("DiscoveredDevices") or ()
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("what answers is no container engine") from error


def need_usable(facts: Facts) -> None:
    """Refuse an engine that cannot run images of mlimage; raises `RunError`."""
    if facts.api < OLDEST_API:
        raise RunError(
            f"{facts.title} at {facts.address} is too old", hint="mlimage needs Docker 20.10 or Podman 4"
        )
    if facts.platform.os != "linux":
        raise RunError(
            f"{facts.title} at {facts.address} runs containers of {facts.platform.os}, not of Linux",
            hint="in Docker Desktop's menu: `Switch to Linux containers`",
        )


def need_limits(facts: Facts) -> None:
    """Refuse an engine that would let `--memory` and `--cpus` go; raises `RunError`."""
    if not facts.limits:
        raise RunError(
            f"{facts.title} cannot hold a run to --memory or --cpus: the kernel lets only root do so here",
            hint="leave them out, or start Linux with cgroups of version 2 "
            "(kernel parameter systemd.unified_cgroup_hierarchy=1)",
        )


def emulation(facts: Facts, platform: Platform) -> str | None:
    """What a person should know before an image of this platform runs there; None when it is at home."""
    if facts.platform == platform:
        return None
    return (
        f"{facts.title} is of {facts.platform}: what is for {platform} needs emulation, which is slower, and "
        "numbers may differ"
    )


def store_hint(facts: Facts) -> str:
    """How to turn the containerd image store on in an engine that lacks it."""
    if facts.product == "podman":
        return "Podman has none: use Docker for this"
    if facts.desktop:
        return "in Docker Desktop: Settings, General, `Use containerd for pulling and storing images`"
    place, restart = (
        ("~/.config/docker/daemon.json", "systemctl --user restart docker")
        if facts.rootless
        else ("/etc/docker/daemon.json", "sudo systemctl restart docker")
    )
    hint = f'write `{{"features": {{"containerd-snapshotter": true}}}}` to {place}, then `{restart}`'
    major = facts.version.partition(".")[0]
    if major.isdigit() and int(major) < _STORE_SINCE:
        return f"{facts.title} is too old to have it: install Docker {_STORE_SINCE} or newer, then {hint}"
    return hint
