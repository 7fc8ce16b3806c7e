"""The packages of one layer, and those that BuildKit installed, without what they lose to each other."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.content.entry import Entry
from mlimage.content.listing import read_small
from mlimage.content.wheel import wheel_entries
from mlimage.engines.together import Together
from mlimage.errors import BuildError
from mlimage.lock.collisions import Allowed
from mlimage.plan.layers import yields_of
from mlimage.plan.model import PackageLayer
from mlimage.progress import SILENT
from support.locks import digest_of
from support.sealing import plan_of
from support.tinyproject import locked
from support.wheels import make_wheel

SITE = "opt/venv/lib/python3.11/site-packages"


class _Two:
    """Packages `one` and `two`, in one layer."""

    def __init__(self, folder: Path, *allowed: Allowed) -> None:
        self.wheels = {
            name: make_wheel(
                folder, name, "1.0", {"README": name.encode(), "x.py": b"", f"{name}.py": b"", **more}
            )
            for name, more in {"one": {"d/y.bin": b"1"}, "two": {"d/y.bin": b"2"} if allowed else {}}.items()
        }
        self.packages = {name: locked(name, path) for name, path in self.wheels.items()}
        members = tuple(self.packages.values())
        yields = yields_of(members, allowed)
        self.layer = PackageLayer(
            name="packages-0",
            packages=members,
            key=digest_of("layer"),
            yields=tuple(each for name in yields for each in yields[name]),
        )
        self.plan = replace(plan_of([]), layers=(self.layer,), allowed=allowed)
        self.together = Together(self.plan, Cache(folder / "cache"), SILENT)
        self.together.check(lambda package: self.wheels[package.name])

    def entries(self, name: str) -> Sequence[Entry]:
        return wheel_entries(self.wheels[name], python="3.11", origin=f"{name} 1.0")

    def files(self) -> list[dict[str, bytes]]:
        found = self.together.files_of(
            self.layer, [self.entries("one"), self.entries("two")], lambda package: self.wheels[package.name]
        )
        return [
            {
                entry.path.removeprefix(f"{SITE}/"): read_small(entry)
                for entry in each
                if "-info" not in entry.path
            }
            for each in found
        ]


def test_of_what_passes_the_last_one_stays(tmp_path: Path) -> None:
    first, second = _Two(tmp_path).files()
    assert first == {"x.py": b"", "d/y.bin": b"1", "one.py": b""}
    assert second == {"README": b"two", "x.py": b"", "two.py": b""}


def test_the_one_that_is_kept_stays(tmp_path: Path) -> None:
    first, second = _Two(tmp_path, Allowed(packages=("one", "two"), keep="one")).files()
    assert first == {"README": b"one", "x.py": b"", "d/y.bin": b"1", "one.py": b""}
    assert second == {"two.py": b""}


def test_only_at_these_paths(tmp_path: Path) -> None:
    two = _Two(tmp_path, Allowed(packages=("one", "two"), keep="one", paths=("**/y.bin",)))
    first, second = two.files()
    assert first == {"x.py": b"", "d/y.bin": b"1", "one.py": b""}
    assert second == {"README": b"two", "x.py": b"", "two.py": b""}


def test_what_pip_wrote_over_is_as_in_the_wheel(tmp_path: Path) -> None:
    two = _Two(tmp_path)
    of_one = {entry.path: entry for entry in two.entries("one")}
    installed = [of_one.get(entry.path, entry) for entry in two.entries("two")]
    found = two.together.as_in_wheels("two", installed, lambda package: two.wheels[package.name])
    assert [read_small(entry) for entry in found] == [read_small(entry) for entry in two.entries("two")]


def test_what_was_found_good_is_not_looked_at_again(tmp_path: Path) -> None:
    two = _Two(tmp_path)
    again = Together(two.plan, Cache(tmp_path / "cache"), SILENT)
    assert again.done
    again.check(lambda _: pytest.fail("a wheel was asked for"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"passed": 1, "unused": 2}', b"\xff"])
def test_a_damaged_note_does_not_count(tmp_path: Path, content: bytes) -> None:
    two = _Two(tmp_path)
    [noted] = (tmp_path / "cache/layers").glob("*.together")
    noted.write_bytes(content)
    again = Together(two.plan, Cache(tmp_path / "cache"), SILENT)
    assert not again.done
    again.check_noted()
    assert again.done


def test_another_accelerator_is_looked_at_anew(tmp_path: Path) -> None:
    two = _Two(tmp_path)
    other = replace(two.plan, accelerator="cuda")
    assert not Together(other, Cache(tmp_path / "cache"), SILENT).done


def test_as_far_as_wheels_are_at_hand(tmp_path: Path) -> None:
    two = _Two(tmp_path, Allowed(packages=("one", "two"), keep="one"))
    plain = replace(two.plan, allowed=())
    with pytest.raises(BuildError, match=r"^`demo:cpu` has packages that cannot be together:"):
        Together(plain, Cache(tmp_path / "cache"), SILENT).check_noted()
    elsewhere = Together(plain, Cache(tmp_path / "other"), SILENT)
    elsewhere.check_at_hand()
    elsewhere.check(lambda package: two.wheels["one"] if package.name == "one" else None)
    assert not elsewhere.done
