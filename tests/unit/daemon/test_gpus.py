"""How an engine gives GPUs, by what it says of itself."""

from pathlib import Path
from typing import Any

import pytest

from mlimage.daemon.gpus import description_files, device_request, remedy, way_to_gpus
from support.running import facts

NVIDIA = frozenset({"runc", "nvidia"})
TOOLKIT = (
    "install `nvidia-container-toolkit`, then `sudo nvidia-ctk runtime configure --runtime=docker`, "
    "and restart Docker"
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    for folder, text in (("etc/cdi", "kind: nvidia.com/gpu"), ("opt/cdi", '{"kind": "vendor.com/net"}')):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "device.yaml").write_text(text)
    (tmp_path / "etc/cdi/notes.txt").write_text("nvidia.com/gpu")
    return str(tmp_path)


def test_descriptions_are_found(root: str) -> None:
    assert description_files(("/nowhere", "/opt/cdi", "/etc/cdi"), root) == ("/etc/cdi/device.yaml",)


@pytest.mark.parametrize(
    ("said", "hook", "way"),
    [
        ({}, False, None),
        ({}, True, "runtime"),
        ({"runtimes": NVIDIA}, False, "runtime"),
        ({"runtimes": NVIDIA, "devices": ("/opt/cdi",)}, False, "runtime"),
        ({"runtimes": NVIDIA, "devices": ("/etc/cdi",)}, False, "cdi"),
        ({"gpus": True}, False, "cdi"),
        ({"gpus": True, "address": "tcp://gpu-box:2376"}, False, "cdi"),
        # Neither files nor programs of this machine are another one's.
        ({"devices": ("/etc/cdi",), "address": "tcp://gpu-box:2376"}, True, None),
        ({"product": "podman", "version": "5.4.2"}, True, "cdi"),
        ({"product": "podman", "version": "4.3.1"}, True, None),
    ],
)
def test_the_way_to_gpus(said: dict[str, Any], hook: bool, way: str | None, root: str) -> None:  # noqa: FBT001
    found = way_to_gpus(facts(**said), root=root, which=lambda name: f"/usr/bin/{name}" if hook else None)
    assert found == way


def test_what_is_asked_for() -> None:
    assert device_request(("all",), "cdi") == {"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"]}
    assert device_request(("0", "3"), "cdi") == {
        "driver": "cdi",
        "device_ids": ["nvidia.com/gpu=0", "nvidia.com/gpu=3"],
    }
    assert device_request(("all",), "runtime") == {"count": -1, "capabilities": [["gpu"]]}
    assert device_request(("GPU-1a",), "runtime") == {"device_ids": ["GPU-1a"], "capabilities": [["gpu"]]}


def test_what_helps() -> None:
    assert remedy(facts()) == TOOLKIT
    assert remedy(facts(product="podman", version="5.0")) == (
        "install `nvidia-container-toolkit`, then `sudo nvidia-ctk cdi generate "
        "--output=/etc/cdi/nvidia.yaml`"
    )
    assert remedy(facts(product="podman", version="4.9.3")) == "use Podman 5 or newer, or Docker"
