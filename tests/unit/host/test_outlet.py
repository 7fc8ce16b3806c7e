"""Which program connects a sandbox's own network, and what it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlimage.host.outlet import Outlet, command, find_outlet, lacks_outlet, resolver
from mlimage.host.request import Port
from mlimage.host.sandbox import outlet_for
from support.running import request

PASTA = Outlet(program="/usr/bin/pasta", nameserver="169.254.1.1")
SLIRP = Outlet(program="/usr/bin/slirp4netns", nameserver="10.0.2.3")
PORT = Port(address="127.0.0.1", number=9000, inside=8080)


def has(*names: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in names else None


@pytest.mark.parametrize(
    ("names", "root", "found"),
    [
        (("pasta", "slirp4netns"), False, PASTA),
        (("pasta", "slirp4netns"), True, SLIRP),
        (("pasta",), True, None),
        (("slirp4netns",), False, SLIRP),
        ((), False, None),
    ],
)
def test_what_is_used(
    tmp_path: Path,
    names: tuple[str, ...],
    root: bool,  # noqa: FBT001 - a table
    found: Outlet | None,
) -> None:
    tun = tmp_path / "tun"
    tun.touch()
    assert find_outlet(root=root, which=has(*names), tun=tun) == found
    assert find_outlet(root=root, which=has(*names), tun=tmp_path / "none") is None


@pytest.mark.parametrize(
    "changes", [{"port": None}, {"network": False}, {"port": Port(address="::1", number=1, inside=2)}]
)
def test_who_needs_none(changes: dict[str, Any]) -> None:
    assert outlet_for(request("serve", **{"port": PORT, **changes})) is None


def test_what_is_lacking(tmp_path: Path) -> None:
    tun, none = tmp_path / "tun", tmp_path / "none"
    tun.touch()
    assert lacks_outlet(root=False, which=has(), tun=tun) == (
        "install pasta (Debian: apt-get install passt) or slirp4netns"
    )
    assert lacks_outlet(root=True, which=has("pasta"), tun=tun) == "install slirp4netns"
    assert lacks_outlet(root=False, which=has("pasta"), tun=none) == f"let this user open {none}"
    assert lacks_outlet(root=True, which=has(), tun=none) == (
        f"install slirp4netns and let this user open {none}"
    )


def test_what_they_are_told() -> None:
    assert " ".join(command(PASTA, PORT, 7, Path("/t")).argv) == (
        "/usr/bin/pasta --foreground --quiet --log-file /t/log --pid /t/ready --config-net "
        "--dns-forward 169.254.1.1 -t 127.0.0.1/9000:8080 -u none -T none -U none --no-map-gw 7"
    )
    assert " ".join(command(SLIRP, PORT, 7, Path("/t")).argv) == (
        "/usr/bin/slirp4netns --configure --mtu=65520 --disable-host-loopback --api-socket /t/ready 7 tap0"
    )


def test_names_are_resolved_as_this_machine_does() -> None:
    machines = "# by hand\nnameserver 127.0.0.53\noptions edns0\nsearch example.com\n"
    assert resolver(SLIRP, machines) == "nameserver 10.0.2.3\noptions edns0\nsearch example.com\n"
    assert resolver(PASTA, "") == "nameserver 169.254.1.1\n"
