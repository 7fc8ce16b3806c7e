"""Two packages and one path."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.lock.collisions import Allowed, Verdict, is_used, judge
from mlimage.lock.contents import AbsentError, Contents
from mlimage.lock.model import LockedPackage
from support.elf import elf_library
from support.tinyproject import locked
from support.wheels import make_wheel

SITE = "opt/venv/lib/python3.11/site-packages"
NAMESPACE = b"__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


class _Wheels:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[LockedPackage, Path] = {}
        self.asked: list[str] = []

    def add(self, name: str, files: Mapping[str, bytes], **more: Mapping[str, bytes]) -> None:
        path = make_wheel(self.folder, name, "1.0", files, **more)  # type: ignore[arg-type]
        self.paths[locked(name, path)] = path

    def give(self, package: LockedPackage) -> Path | None:
        self.asked.append(package.name)
        path = self.paths[package]
        return path if path.exists() else None

    def judge(self, *allowed: Allowed) -> Verdict:
        contents = Contents(Cache(self.folder / "cache"), python="3.11", wheel=self.give)
        return judge(tuple(self.paths), contents, allowed)

    def said(self, *allowed: Allowed) -> list[str]:
        verdict = self.judge(*allowed)
        assert verdict.complete
        return [f"{each.first.name}, {each.second.name}: {each.what}" for each in verdict.conflicts]


@pytest.fixture
def wheels(tmp_path: Path) -> _Wheels:
    return _Wheels(tmp_path)


def test_packages_that_share_folders_only(wheels: _Wheels) -> None:
    wheels.add("one", {"x/a.py": b"1"})
    wheels.add("two", {"x/b.py": b"2"})
    assert wheels.said() == []


def test_the_same_file_twice(wheels: _Wheels) -> None:
    for name in ("one", "two", "three"):
        wheels.add(name, {"nvidia/__init__.py": b"", "nvidia/data.bin": b"\0"})
    verdict = wheels.judge()
    assert (verdict.conflicts, verdict.passed) == ((), {})


def test_different_files_at_one_path(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(name, {"x/b.py": f"of = {name!r}\n".encode(), "x/a.bin": name.encode(), "x/c.bin": b""})
    assert wheels.said() == [f"one, two: both write `/{SITE}/x/b.py` and 1 more file, with different content"]


def test_libraries_below_lib64(wheels: _Wheels) -> None:
    wheels.add("one", {}, data={"data/lib64/libx.so.1": elf_library("libx.so.1", needed=("libx.so.1",))})
    wheels.add("two", {}, data={"data/lib/libx.so.1": elf_library("libx.so.1", filling=b"another build")})
    assert wheels.said() == ["one, two: both write `/opt/venv/lib/libx.so.1`, with different content"]
    assert wheels.said(Allowed(packages=("one", "two"), keep="two")) == []


def test_programs_of_one_name(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(name, {}, scripts={"tool": f"#!/bin/sh\necho {name}\n".encode()})
    assert wheels.said() == ["one, two: both write `/opt/venv/bin/tool`, with different content"]


def test_entry_points_and_data(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(
            name,
            {},
            entry_points=f"[console_scripts]\ntool = {name}:run\n",  # type: ignore[arg-type]
            data={"data/etc/x.conf": name.encode(), "data/etc/same.conf": b""},
        )
    assert wheels.said() == [
        "one, two: both write `/opt/venv/bin/tool` and 1 more file, with different content"
    ]


def test_three_of_one_path(wheels: _Wheels) -> None:
    for name, content in {"one": b"1", "two": b"2", "three": b"1"}.items():
        wheels.add(name, {"x/data": content})
    assert wheels.said() == [
        f"one, two: both write `/{SITE}/x/data`, with different content",
        f"two, three: both write `/{SITE}/x/data`, with different content",
    ]


def test_a_file_of_one_is_a_folder_of_the_other(wheels: _Wheels) -> None:
    wheels.add("one", {"deep/shared": b""})
    wheels.add("two", {"deep/shared/a/b.py": b"", "deep/shared/a/c.py": b""})
    settled = Allowed(packages=("one", "two"), keep="one")
    for allowed in ((), (settled,)):
        [said] = wheels.said(*allowed)
        assert said == (
            f"one, two: the first writes the file `/{SITE}/deep/shared`, the second "
            f"`/{SITE}/deep/shared/a/c.py` below it"
        )


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("google/__init__.py", b"", NAMESPACE),
        ("x/__init__.py", b"# One\na = 1\n", b"a = 1\n"),
        ("README.md", b"one", b"two"),
        ("LICENSE", b"one", b"two"),
        ("pyproject.toml", b"one", b"two"),
        ("tests/__init__.py", b"a = 1\n", b"a = 2\n"),
        ("docs/conf.py", b"a = 1\n", b"a = 2\n"),
        ("x/py.typed", b"", b"partial\n"),
        ("x/y.pyi", b"a: int\n", b"a: str\n"),
        ("x/NOTICE.txt", b"one", b"two"),
    ],
)
def test_what_no_program_can_tell_apart_passes(
    wheels: _Wheels, path: str, first: bytes, second: bytes
) -> None:
    wheels.add("one", {path: first})
    wheels.add("two", {path: second})
    verdict = wheels.judge()
    assert verdict.conflicts == ()
    assert verdict.passed == {f"{SITE}/{path}": ("one", "two")}


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("readme.py", True),
        ("x.pth", True),
        ("x.so", True),
        ("x/data.json", True),
        ("x/tests/a.py", True),
        ("x/LICENSE.py", True),
        ("tests.py", True),
        ("tests/a.py", False),
        ("x.json", False),
    ],
)
def test_what_programs_may_load_from_the_folder_of_packages(path: str, used: bool) -> None:  # noqa: FBT001
    assert is_used(f"{SITE}/{path}") == used


@pytest.mark.parametrize(
    ("path", "used"),
    [
        ("bin/tool", True),
        ("etc/x.conf", True),
        ("share/x/y", True),
        ("tests/x.json", True),
        ("x.conf", False),
        ("share/doc/x/y", False),
        ("share/man/man1/x.1", False),
    ],
)
def test_what_programs_may_load_from_the_environment(path: str, used: bool) -> None:  # noqa: FBT001
    assert is_used(f"opt/venv/{path}") == used


def test_what_settles_a_conflict(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(name, {"x/a.bin": name.encode(), "x/b.bin": name.encode()})
    both = ("one", "two")
    assert wheels.said(Allowed(packages=both, keep="one")) == []
    assert wheels.said(Allowed(packages=(*both, "three"), keep="two")) == []
    left = [f"one, two: both write `/{SITE}/x/b.bin`, with different content"]
    assert wheels.said(Allowed(packages=both, keep="one", paths=("**/a.*",))) == left
    every = [f"one, two: both write `/{SITE}/x/a.bin` and 1 more file, with different content"]
    unused = [
        Allowed(packages=both),
        Allowed(packages=both, keep="one", paths=("/x/**",)),
        Allowed(packages=("one", "three"), keep="one"),
        Allowed(packages=(*both, "three"), keep="three"),
    ]
    for allowed in unused:
        assert wheels.said(allowed) == every
        assert wheels.judge(allowed).unused == (allowed,)


def test_what_gives_way_conflicts_with_nobody(wheels: _Wheels) -> None:
    for name in ("one", "two", "three"):
        wheels.add(
            name,
            {"x/a.bin": name.encode()}
            if name == "three"
            else {"x/a.bin": name.encode(), "x/b": name.encode()},
        )
    left = [f"one, two: both write `/{SITE}/x/b`, with different content"]
    assert wheels.said(Allowed(packages=("one", "two", "three"), keep="three")) == left
    chain = Allowed(packages=("one", "two"), keep="two"), Allowed(packages=("two", "three"), keep="three")
    assert wheels.said(*chain) == []
    assert wheels.judge(*chain).unused == ()


def test_what_is_not_at_hand_is_not_judged(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(name, {"x/a.py": f"of = {name!r}\n".encode()})
    (wheels.folder / "two-1.0-py3-none-any.whl").rename(wheels.folder / "away")
    verdict = wheels.judge()
    assert (verdict.conflicts, verdict.complete) == ((), False)
    (wheels.folder / "away").rename(wheels.folder / "two-1.0-py3-none-any.whl")
    assert len(wheels.said()) == 1


def test_what_is_noted_needs_no_wheel(wheels: _Wheels) -> None:
    for name in ("one", "two"):
        wheels.add(name, {"x/a.bin": name.encode()})
    before = wheels.said()
    for path in wheels.paths.values():
        path.unlink()
    wheels.asked.clear()
    assert wheels.said() == before
    assert wheels.asked == []


@pytest.mark.parametrize("content", [b"", b"{}", b"sha256:0\n{}", b"\xff"])
def test_a_damaged_note_is_no_note(wheels: _Wheels, content: bytes) -> None:
    wheels.add("one", {"x/a.bin": b""})
    wheels.said()
    [noted] = (wheels.folder / "cache/metadata").rglob("*.files-3.11-*")
    noted.write_bytes(content)
    wheels.asked.clear()
    assert wheels.said() == []
    assert wheels.asked == ["one"]


def test_a_wheel_that_is_not_there(wheels: _Wheels) -> None:
    wheels.add("one", {})
    contents = Contents(Cache(wheels.folder / "cache"), python="3.11", wheel=lambda _: None)
    [package] = wheels.paths
    with pytest.raises(AbsentError):
        contents.files(package)
