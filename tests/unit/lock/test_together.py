"""What is said of packages that cannot be together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.cache import Cache
from mlimage.errors import BuildError, ResolveError
from mlimage.lock.collisions import Allowed, Conflict, Verdict
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.sources import Sources
from mlimage.lock.together import check_locked, never_together, refuse_conflicts, unused_text
from mlimage.progress import SILENT
from mlimage.spec.load import LoadedSpec, parse_spec
from mlimage.spec.requirements import SpecRequirement
from support.locks import lock, package
from support.tinyproject import locked
from support.wheels import make_wheel


def _package(name: str, *required_by: str, size: int = 10) -> LockedPackage:
    return replace(package(name, size=size), required_by=required_by)


def _refused(
    packages: Sequence[LockedPackage],
    *conflicts: tuple[str, str],
    kept: bool = True,
    settled: bool = True,
    unused: tuple[Allowed, ...] = (),
) -> BuildError:
    by_name = {each.name: each for each in packages}
    verdict = Verdict(
        conflicts=tuple(
            Conflict(
                first=by_name[first],
                second=by_name[second],
                what="both write `/x`",
                kept=kept,
                settled=settled,
            )
            for first, second in conflicts
        ),
        passed={},
        unused=unused,
        complete=True,
    )
    with pytest.raises(BuildError) as error:
        refuse_conflicts(verdict, packages, image="demo:cpu", error=BuildError)
    return error.value


def test_who_asks_for_each_and_what_settles_it() -> None:
    error = _refused(
        [
            _package("albumentations", "-r requirements.txt"),
            _package("albucore", "albumentations"),
            _package("cv", "imgaug", size=20),
            _package("cv-headless", "albucore", "albumentations"),
            _package("imgaug", "-r train.dependencies"),
        ],
        ("cv", "cv-headless"),
    )
    assert str(error) == (
        "`demo:cpu` has packages that cannot be together:\n"
        "  `cv` and `cv-headless` both write `/x`\n"
        "    `cv` 1.0 is asked for by `imgaug`, in `train.dependencies`\n"
        "    `cv-headless` 1.0 is asked for by `albumentations`, in `requirements.txt`"
    )
    assert error.hint == (
        "remove `albumentations` from `requirements.txt`, or ask for other releases of them, or say in the "
        "spec why it does not matter: `allow_conflicts: [{packages: [cv, cv-headless], keep: cv, "
        'reason: "…"}]`'
    )


def test_the_shortest_way_is_named_and_as_little_as_may_be_is_removed() -> None:
    error = _refused(
        [
            _package("a", "-r dependencies", "b"),
            _package("b", "c", "d"),
            _package("c", "-r dependencies"),
            _package("d", "-r serve.dependencies"),
            _package("x", "a"),
            _package("y", "b", size=30),
        ],
        ("x", "y"),
        kept=False,
    )
    assert str(error).splitlines()[2:] == [
        "    `x` 1.0 is asked for by `a`, in `dependencies`",
        "    `y` 1.0 is asked for by `b`, that by `c`, in `dependencies`",
    ]
    assert error.hint == (
        "remove `c` from `dependencies` and `d` from `serve.dependencies`, or ask for other releases of "
        "them, or say in the spec why it does not matter: `allow_conflicts: [{packages: [x, y], "
        'reason: "…"}]`'
    )


def test_several_conflicts_are_said_and_settled_at_once() -> None:
    packages = [_package(name, "-r dependencies") for name in "abc"]
    error = _refused(packages, ("a", "b"), ("a", "c"))
    assert str(error).count("both write") == 2
    assert error.hint == (
        "remove `b` from `dependencies`, or ask for other releases of them, or say in the spec why it does "
        'not matter: `allow_conflicts: [{packages: [a, b], keep: a, reason: "…"}, {packages: [a, c], '
        'keep: a, reason: "…"}]`'
    )


@pytest.mark.parametrize(
    ("allowed", "why"),
    [
        (Allowed(packages=("a", "b"), keep="b", paths=("/y",)), "its `paths` match nothing of this"),
        (Allowed(packages=("a", "b")), "it does not say which one to `keep`"),
        (Allowed(packages=("a", "b", "d"), keep="d"), "`d` has nothing of this"),
    ],
)
def test_an_entry_that_does_not_settle_it_is_to_be_mended(allowed: Allowed, why: str) -> None:
    packages = [_package(name, "-r dependencies") for name in "abc"]
    names = " and ".join(f"`{name}`" for name in allowed.packages)
    hint = (
        "remove `b` from `dependencies`, or ask for other releases of them, or mend the entry of "
        f"{names} in `allow_conflicts`: {why}"
    )
    assert _refused(packages, ("a", "b"), unused=(allowed,)).hint == hint
    assert _refused(packages, ("a", "b"), ("b", "c"), unused=(allowed,)).hint == (
        f"{hint}, or say in the spec why it does not matter: "
        '`allow_conflicts: [{packages: [b, c], keep: b, reason: "…"}]`'
    )


def test_what_nobody_can_settle() -> None:
    packages = [_package("a", "-r dependencies"), _package("b", "-r dependencies")]
    error = _refused(packages, ("a", "b"), settled=False)
    assert error.hint == "remove `b` from `dependencies`, or ask for other releases of them"


def test_what_many_ask_for_is_not_to_be_removed() -> None:
    many = [_package(f"m{number}", "-r dependencies") for number in range(4)]
    packages = [*many, *(_package(name, *(each.name for each in many)) for name in "ab"), _package("z")]
    error = _refused(packages, ("a", "b"), settled=False)
    assert error.hint == "ask for other releases of them"
    assert "`z` 1.0 is asked for by nobody that is known" in str(_refused(packages, ("a", "z")))


def test_where_it_stands() -> None:
    packages = [_package("a", "-r dependencies"), _package("b", "-r dependencies")]
    verdict = Verdict(
        conflicts=(Conflict(first=packages[0], second=packages[1], what="both", kept=True),),
        passed={},
        unused=(),
        complete=False,
    )
    with pytest.raises(ResolveError) as error:
        refuse_conflicts(
            verdict, packages, image="demo:cpu", error=ResolveError, places={"a": "x:1:1", "b": "x:2:1"}
        )
    assert error.value.where == "x:2:1"


def test_nothing_is_said_of_packages_that_can_be_together() -> None:
    verdict = Verdict(conflicts=(), passed={"x": ("a", "b")}, unused=(), complete=True)
    refuse_conflicts(verdict, [], image="demo:cpu", error=BuildError)


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (Allowed(packages=("a", "b")), ""),
        (Allowed(packages=("a", "b"), keep="a", paths=("/x", "/y")), " at `/x`, `/y`"),
    ],
)
def test_an_entry_that_settles_nothing(allowed: Allowed, text: str) -> None:
    assert unused_text(allowed, "demo:cpu") == (
        f"`allow_conflicts` has `a` and `b`, and nothing of theirs conflicts in `demo:cpu`{text}"
    )


SPEC = b"""\
name: demo
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py, dependencies: [two]}
serve: {command: python serve.py}
dependencies: [one]
"""
SETTLED = SPEC + b"allow_conflicts: [{packages: [One, two], keep: two, reason: r}]\n"


def _loaded(text: bytes = SPEC) -> LoadedSpec:
    requirements = tuple(
        SpecRequirement(text=name, place=place, path="images/demo/mlimage.yaml", line=line, column=3)
        for name, place, line in (("one", "dependencies", 6), ("two", "train.dependencies", 4))
    )
    spec = parse_spec(text, path="images/demo/mlimage.yaml", folder="demo")
    return LoadedSpec(spec=spec, requirements=requirements, ignore=())


def _locked(folder: Path) -> Lock:
    packages = []
    for name, place in (("one", "-r dependencies"), ("two", "-r train.dependencies")):
        path = make_wheel(folder, name, "1.0", {"x.py": f"of = {name!r}\n".encode()})
        packages.append(replace(locked(name, path), required_by=(place,)))
    return lock(packages)


def _check(loaded: LoadedSpec, made: Lock, folder: Path, cache: Path) -> None:
    environ = {"MLIMAGE_MIRROR_DEFAULT": str(folder), "HOME": str(cache)}
    with Sources(loaded.spec, "cpu", cache=Cache(cache), environ=environ, progress=SILENT) as sources:
        check_locked(loaded, made, sources)


def test_what_a_folder_has_is_refused_when_it_is_locked(tmp_path: Path) -> None:
    made = _locked(tmp_path / "wheels")
    for _ in range(2):
        with pytest.raises(ResolveError) as error:
            _check(_loaded(), made, tmp_path / "wheels", tmp_path / "cache")
        assert str(error.value) == (
            f"images/demo/mlimage.yaml:4:3: `{made.image}:cpu` has packages that cannot be together:\n"
            "  `one` and `two` both write `/opt/venv/lib/python3.11/site-packages/x.py`, with different "
            "content\n"
            "    `one` 1.0 is in `dependencies`\n"
            "    `two` 1.0 is in `train.dependencies`"
        )
    assert not (tmp_path / "cache/inputs").exists()


def test_what_the_hint_says_is_right(tmp_path: Path) -> None:
    made = _locked(tmp_path / "wheels")
    with pytest.raises(ResolveError) as error:
        _check(_loaded(), made, tmp_path / "wheels", tmp_path / "cache")
    removed, _, entry = str(error.value.hint).rpartition(": `")
    assert removed.startswith("remove `two` from `train.dependencies`, or ")
    _check(_loaded(SPEC + f"{entry[:-1]}\n".encode()), made, tmp_path / "wheels", tmp_path / "cache")
    _check(_loaded(), replace(made, packages=made.packages[:1]), tmp_path / "wheels", tmp_path / "cache")


def test_images_of_roles_are_looked_at_each(tmp_path: Path) -> None:
    made = _locked(tmp_path / "wheels")
    one, two = made.packages
    apart = replace(made, packages=(replace(one, required_by=("-r serve.dependencies",)), two))
    split = _loaded(SPEC + b"split: true\n")
    _check(split, apart, tmp_path / "wheels", tmp_path / "cache")
    with pytest.raises(ResolveError, match=r"`[a-z]+:cpu-train` has packages that cannot be together:"):
        _check(split, made, tmp_path / "wheels", tmp_path / "cache")


def test_what_is_not_at_hand_is_not_fetched(tmp_path: Path) -> None:
    made = _locked(tmp_path / "wheels")
    (tmp_path / "wheels/two-1.0-py3-none-any.whl").unlink()
    _check(_loaded(), made, tmp_path / "wheels", tmp_path / "cache")


def test_an_entry_of_packages_that_are_never_together(tmp_path: Path) -> None:
    made = _locked(tmp_path / "wheels")
    alone = replace(made, packages=made.packages[:1])
    assert never_together(_loaded(SETTLED), [alone, made]) == ()
    assert never_together(_loaded(SETTLED), [alone]) == (
        "`allow_conflicts` has `one` and `two`, which are not together in any lock of `demo`",
    )
    assert never_together(_loaded(), [alone]) == ()
