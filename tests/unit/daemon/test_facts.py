from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.daemon.facts import Facts, emulation, need_limits, need_usable, read_facts, store_hint
from mlimage.errors import RunError
from mlimage.platforms import LINUX_AMD64, Platform
from support.running import facts

DOCKER = {
    "Version": "26.1.5+dfsg1",
    "ApiVersion": "1.45",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [{"Name": "Engine"}, {"Name": "containerd"}],
}
PODMAN = {
    "Version": "4.3.1",
    "ApiVersion": "1.41",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}],
}
STORE = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}


@pytest.mark.parametrize(
    ("version", "info", "found"),
    [
        (
            DOCKER,
            {**STORE, "SecurityOptions": ["name=seccomp,profile=builtin"], "OperatingSystem": "Debian"},
            Facts(
                version="26.1.5",
                api=(1, 45),
                platform=LINUX_AMD64,
                address="unix:///x",
                containerd_store=True,
            ),
        ),
        (
            DOCKER,
            {
                "DriverStatus": [["Backing Filesystem", "extfs"]],
                "SecurityOptions": ["name=rootless"],
                "OperatingSystem": "Docker Desktop",
            },
            Facts(
                version="26.1.5",
                api=(1, 45),
                platform=LINUX_AMD64,
                address="unix:///x",
                rootless=True,
                desktop=True,
            ),
        ),
        (
            PODMAN,
            {"DriverStatus": None, "Rootless": False},
            Facts(product="podman", version="4.3.1", api=(1, 41), platform=LINUX_AMD64, address="unix:///x"),
        ),
        (
            PODMAN,
            {
                "SecurityOptions": ["name=seccomp"],
                "Rootless": True,
                "MemoryLimit": True,
                "CgroupVersion": "1",
            },
            Facts(
                product="podman",
                version="4.3.1",
                api=(1, 41),
                platform=LINUX_AMD64,
                address="unix:///x",
                rootless=True,
                limits=False,
            ),
        ),
        (
            PODMAN,
            {"Rootless": True, "CgroupVersion": "2"},
            Facts(
                product="podman",
                version="4.3.1",
                api=(1, 41),
                platform=LINUX_AMD64,
                address="unix:///x",
                rootless=True,
            ),
        ),
    ],
)
def test_what_an_engine_says(version: dict[str, Any], info: dict[str, Any], found: Facts) -> None:
    assert read_facts(version, info, address="unix:///x") == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(DOCKER)), JSON), st.dictionaries(st.just("DriverStatus"), JSON))
def test_any_answer_is_read_or_refused(version: dict[str, Any], info: dict[str, Any]) -> None:
    with suppress(ValueError):
        read_facts(version, info, address="x")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("unix:///run/docker.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://localhost:2375", True),
        ("tcp://[::1]:2375", True),
        ("tcp://gpu-box:2376", False),
        ("ssh://me@gpu-box", False),
    ],
)
def test_whether_it_is_on_this_machine(address: str, *, local: bool) -> None:
    assert facts(address=address).local is local


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (facts(), None),
        (facts(product="podman", version="4.3.1", api=(1, 41)), None),
        (facts(version="19.03.15", api=(1, 40)), "Docker 19.03.15 at unix:///run/docker.sock is too old"),
        (
            facts(platform=Platform("windows", "amd64")),
            "Docker 28.5.2 at unix:///run/docker.sock runs containers of windows, not of Linux",
        ),
    ],
)
def test_engines_that_are_refused(found: Facts, message: str | None) -> None:
    if message is None:
        need_usable(found)
        return
    with pytest.raises(RunError) as caught:
        need_usable(found)
    assert str(caught.value) == message


def test_limits_that_would_be_let_go() -> None:
    need_limits(facts())
    with pytest.raises(RunError) as caught:
        need_limits(facts(product="podman", version="4.3.1", limits=False))
    assert str(caught.value) == (
        "Podman 4.3.1 cannot hold a run to --memory or --cpus: the kernel lets only root do so here"
    )
    assert caught.value.hint == (
        "leave them out, or start Linux with cgroups of version 2 "
        "(kernel parameter systemd.unified_cgroup_hierarchy=1)"
    )


def test_emulation_is_said() -> None:
    assert emulation(facts(), LINUX_AMD64) is None
    assert emulation(facts(), Platform("linux", "arm64")) == (
        "Docker 28.5.2 is of linux/amd64: what is for linux/arm64 needs emulation, which is slower, and "
        "numbers may differ"
    )


WRITE = 'write `{"features": {"containerd-snapshotter": true}}` to '


@pytest.mark.parametrize(
    ("found", "hint"),
    [
        (facts(), WRITE + "/etc/docker/daemon.json, then `sudo systemctl restart docker`"),
        (
            facts(rootless=True),
            WRITE + "~/.config/docker/daemon.json, then `systemctl --user restart docker`",
        ),
        (
            facts(version="20.10.24"),
            "Docker 20.10.24 is too old to have it: install Docker 24 or newer, then "
            + WRITE
            + "/etc/docker/daemon.json, then `sudo systemctl restart docker`",
        ),
        (
            facts(desktop=True),
            "in Docker Desktop: Settings, General, `Use containerd for pulling and storing images`",
        ),
        (facts(product="podman", version="5.4.2"), "Podman has none: use Docker for this"),
    ],
)
def test_how_to_have_containerd_s_store(found: Facts, hint: str) -> None:
    assert store_hint(found) == hint


@pytest.mark.parametrize(
    ("info", "runtimes", "devices", "gpus"),
    [
        ({}, set(), (), False),
        (
            {"Runtimes": {"runc": {}, "nvidia": {}}, "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]},
            {"runc", "nvidia"},
            ("/etc/cdi", "/var/run/cdi"),
            False,
        ),
        ({"Runtimes": None, "CDISpecDirs": None, "DiscoveredDevices": None}, set(), (), False),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/net=0"}]}, set(), (), False),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}, set(), (), True),
    ],
)
def test_what_it_says_of_gpus(
    info: dict[str, Any],
    runtimes: set[str],
    devices: tuple[str, ...],
    gpus: bool,  # noqa: FBT001
) -> None:
    found = read_facts(DOCKER, info, address="unix:///x")
    assert (set(found.runtimes), found.devices, found.gpus) == (runtimes, devices, gpus)
