"""`--fitting`: leave out, by name, the tests that this machine cannot hold. Without it they run, and fail.

Tests of large images, marked `heavy`, are left out as well, but for `-m heavy`.

With `MLIMAGE_TEST_ALL=1` in the environment nothing else may be left out or skipped: that is how CI runs.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mlimage.host.outlet import find_outlet
from support import machine
from support.emulation import QEMU

HEAVY = "heavy"
"""Marker of tests with a large image: on no machine are they part of `make test`."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that tests need and this machine does not have, or that is wanted only when asked for."""

    what: str
    cure: str


def lacks() -> dict[str, Lack]:
    """By the marker, or the fixture, that tests with this need carry."""
    found: dict[str, Lack] = {}
    if machine.engine_address() is None:
        found["engine"] = Lack("no Docker Engine answers", "make engine-up (as root, on Debian)")
    for name in machine.ENGINES:
        if machine.engine_named(name) is None:
            found[name] = Lack(f"the engine {name} does not answer", "make engine-up (as root, on Debian)")
    for name in machine.COSIGNS:
        if machine.cosign_named(name) is None:
            found[name] = Lack(f"{name} is not there", "make engine-up (as root, on Debian)")
    if machine.registry_address() is None:
        found["registry"] = Lack("there is no registry to fill", "make engine-up (as root, on Debian)")
    if os.geteuid() != 0:
        found["root"] = Lack("this is not root", "run as root")
    if not machine.has_namespaces():
        found["namespaces"] = Lack(
            "`unshare` makes no namespaces", "install util-linux, and run as root or allow user namespaces"
        )
    if not machine.has_index():
        found["network"] = Lack("the package index does not answer", "configure pip for an index that does")
    if os.geteuid() != 0 or not QEMU.exists():
        found["emulation"] = Lack(
            "nothing emulates arm64", "apt-get install qemu-user-static, and run as root"
        )
    if find_outlet(root=os.geteuid() == 0) is None:
        found["outlet"] = Lack(
            "nothing connects a sandbox's own network", "apt-get install slirp4netns, and open /dev/net/tun"
        )
    if shutil.which("faketime") is None:
        found["faketime"] = Lack("there is no `faketime`", "apt-get install faketime")
    return found


def _must_hold_all() -> bool:
    return os.environ.get("MLIMAGE_TEST_ALL", "0") not in {"", "0"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fitting", action="store_true", help="leave out the tests that this machine cannot hold"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--fitting"):
        found = lacks()
        if "heavy" not in config.option.markexpr:
            found[HEAVY] = Lack("their images are large", "make test-heavy")
        config.pluginmanager.register(_Fitting(found), "mlimage-fitting")


def _engines_of(item: pytest.Item) -> set[str]:
    """The engines, and the cosigns, that this test has as a parameter."""
    call = getattr(item, "callspec", None)
    given = {value for value in call.params.values() if isinstance(value, str)} if call else set()
    return given & {*machine.ENGINES, *machine.COSIGNS}


class _Fitting:
    def __init__(self, missing: dict[str, Lack]) -> None:
        self._missing = missing
        self._left_out: Counter[str] = Counter()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        lacking = {name: lack for name, lack in self._missing.items() if name != HEAVY}
        if _must_hold_all() and lacking:
            reasons = "; ".join(f"{name}: {lack.what} ({lack.cure})" for name, lack in lacking.items())
            raise pytest.UsageError(f"MLIMAGE_TEST_ALL=1, and this machine cannot hold all tests: {reasons}")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept, dropped = [], []
        for item in items:
            # Only this fixture is a need: others may have a need's name by chance, `root` for instance.
            needs = {mark.name for mark in item.iter_markers()}
            needs |= {"registry"} & set(getattr(item, "fixturenames", ()))
            needs |= _engines_of(item)
            unmet = next((name for name in self._missing if name in needs), None)
            if unmet is None:
                kept.append(item)
            else:
                self._left_out[unmet] += 1
                dropped.append(item)
        if dropped:
            config.hook.pytest_deselected(items=dropped)
            items[:] = kept

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["left_out"] = dict(self._left_out)
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        if _must_hold_all() and reporter is not None and reporter.stats.get("skipped"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        # Every worker of xdist collects everything: any one of them knows it all.
        self._left_out = Counter(getattr(node, "workeroutput", {}).get("left_out", {})) or self._left_out

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._left_out:
            terminalreporter.section("left out, and how to have them", yellow=True)
        for name, count in self._left_out.items():
            lack = self._missing[name]
            tests = "test" if count == 1 else "tests"
            terminalreporter.line(f"{count} {tests} ({name}): {lack.what}. To have them: {lack.cure}")
        if _must_hold_all() and terminalreporter.stats.get("skipped"):
            terminalreporter.section(
                "MLIMAGE_TEST_ALL=1: tests were skipped, which counts as a failure", red=True
            )
