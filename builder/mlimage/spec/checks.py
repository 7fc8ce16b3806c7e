"""Rules over several keys of a spec, judged on the document, so that one mistake does not hide another."""

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from mlimage.errors import Problem
from mlimage.spec.explain import place
from mlimage.spec.nodes import Mapping, Path, Scalar, Sequence, at, dotted, scalars, text_at
from mlimage.spec.places import AT, clean_place, wrong_place
from mlimage.spec.pythons import KNOWN_PYTHONS
from mlimage.spec.scalars import describe
from mlimage.spec.suites import PYTHON_OF_SUITE
from mlimage.spec.tags import ROLES


class _Problem(Protocol):
    def __call__(self, steps: Path, message: str, hint: str | None = None) -> Problem: ...


def check_values(root: Mapping, *, path: str) -> Iterator[tuple[Path, Problem]]:
    """Values that are wrong whatever their key: nothing where something must stand."""
    for steps, scalar in scalars(root):
        if scalar.value is None:
            line, column = place(root, steps, of_key=True)
            yield (
                steps,
                Problem(
                    path=path,
                    line=line,
                    column=column,
                    key=dotted(steps),
                    message=_empty(scalar),
                    hint=_fill(steps),
                ),
            )


def _empty(scalar: Scalar) -> str:
    return "has no value" if not scalar.text else f"`{scalar.text}` is {describe(scalar)} in YAML"


def _fill(steps: Path) -> str:
    if isinstance(steps[-1], int):
        return "write something behind the `-`, or remove it"
    if len(steps) == 2 and steps[0] == "variants":
        return f"write `{steps[-1]}: {{}}`"
    return "write a value, indented below it or behind the `:`, or remove the key"


def check_rules(root: Mapping, *, path: str, folder: str) -> Iterator[Problem]:
    """Rules over several keys; values of the wrong kind are left to the model.

    Args:
        root: the document.
        path: what messages call the file.
        folder: name of the image's folder.
    """

    def problem(steps: Path, message: str, hint: str | None = None) -> Problem:
        line, column = place(root, steps)
        return Problem(path=path, line=line, column=column, key=dotted(steps), message=message, hint=hint)

    name = text_at(root, ("name",))
    if name and name != folder and re.fullmatch(r"[a-z0-9._-]+", name):
        yield problem(
            ("name",),
            f"`{name}` is in the folder `{folder}`",
            f"write `name: {folder}`, or rename the folder to `{name}`",
        )
    if root.get("train") is None and root.get("serve") is None:
        yield problem(
            (),
            "neither `train` nor `serve` is there",
            "write `train: {command: python train.py}`, or `serve:` the same way",
        )
    suite, python = text_at(root, ("base", "debian")), text_at(root, ("python",))
    if (
        suite in PYTHON_OF_SUITE
        and python
        and re.fullmatch(r"3\.[0-9]+", python)
        and python != PYTHON_OF_SUITE[suite]
    ):
        other = next((choice for choice in KNOWN_PYTHONS if choice.python == python), None)
        hint = f'write `python: "{PYTHON_OF_SUITE[suite]}"`' + (
            f", or `base: {other.base}`, which has {python}" if other else ""
        )
        yield problem(("python",), f"Debian {suite} has no python {python}", hint)
    absent = [role for role in ROLES if root.get(role) is None]
    split = at(root, ("split",))
    if isinstance(split, Scalar) and split.value is True and len(absent) == 1:
        yield problem(("split",), f"there is no `{absent[0]}` to split from", "remove `split`")
    yield from _platforms(root, problem)
    yield from _indexes(root, problem)
    yield from _twice(root, problem)
    yield from _places(root, problem)
    yield from _template(root, problem)
    yield from _allowed(root, problem)


def _allowed(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    """The package that is kept is one of those that conflict, and of two packages one alone is kept."""
    entries = root.get("allow_conflicts")
    above: dict[str, set[str]] = {}
    for number, entry in enumerate(entries.items if isinstance(entries, Sequence) else ()):
        named = at(entry, ("packages",))
        names = {
            _normal(item.value): item.value
            for item in (named.items if isinstance(named, Sequence) else ())
            if isinstance(item, Scalar) and isinstance(item.value, str)
        }
        keep = text_at(entry, ("keep",)) if isinstance(entry, Mapping) else None
        steps = ("allow_conflicts", number, "keep")
        if isinstance(named, Sequence) and (len(named.items) < 2 or 0 < len(names) < len(named.items)):
            yield problem(
                ("allow_conflicts", number, "packages"),
                "fewer than two packages" if len(named.items) < 2 else "a package stands twice",
                "name all that conflict, each once",
            )
        if not keep:
            continue
        if _normal(keep) not in names:
            known = " or ".join(f"`{name}`" for name in names.values())
            yield problem(steps, f"`{keep}` is none of the packages", f"write {known}" if known else None)
            continue
        for name in names.keys() - {_normal(keep)}:
            above.setdefault(name, set()).add(_normal(keep))
        try:
            TopologicalSorter(above).prepare()
        except CycleError:
            yield problem(
                steps,
                f"an entry before keeps another one in place of `{keep}`",
                "keep the same package in both",
            )
            return


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _indexes(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    """A package can come from one index only; a variant's own go before those of the image."""
    variants = root.get("variants")
    names = [key.text for key, _ in variants.entries] if isinstance(variants, Mapping) else []
    for above in ((), *(("variants", name) for name in names)):
        yield from _indexes_at(root, above, problem)


def _indexes_at(root: Mapping, above: Path, problem: _Problem) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    indexes = at(root, (*above, "indexes"))
    for key, value in indexes.entries if isinstance(indexes, Mapping) else ():
        packages = at(value, ("packages",))
        for number, item in enumerate(packages.items if isinstance(packages, Sequence) else ()):
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                continue
            package = _normal(item.value)
            steps = (*above, "indexes", key.text, "packages", number)
            if owner.setdefault(package, key.text) != key.text:
                yield problem(
                    steps,
                    f"`{item.value}` comes from `{owner[package]}` already",
                    "keep one of the two, or give variants an index each (`variants.NAME.indexes`)",
                )


def _twice(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    """Data whose variables would have one name."""
    data = root.get("data")
    names: list[tuple[Path, str]] = []
    if isinstance(data, Sequence):
        names = [
            (("data", number), item.value)
            for number, item in enumerate(data.items)
            if isinstance(item, Scalar) and isinstance(item.value, str)
        ]
    elif isinstance(data, Mapping):
        names = [(("data", key.text), key.text) for key, _ in data.entries]
    seen: dict[str, str] = {}
    for steps, name in names:
        variable = name.upper().replace("-", "_")
        if variable in seen:
            what = (
                "stands twice" if seen[variable] == name else f"has the same variable as `{seen[variable]}`"
            )
            yield problem(steps, f"`{name}` {what}", "choose another name")
        seen.setdefault(variable, name)


def _places(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    """Places in the application: inside it, no two the same, and none within another."""
    taken: dict[str, str] = {}
    for steps, value in _written_places(root):
        wrong = wrong_place(value)
        if wrong:
            if steps[:2] != ("models", "files"):  # these are of a type that says so
                yield problem(steps, *wrong)
            continue
        place = clean_place(value)
        for other, owner in taken.items():
            if place == other:
                yield problem(steps, f"`{value}` is the place of `{owner}` already", "choose another place")
            elif place.startswith(f"{other}/") or other.startswith(f"{place}/"):
                inner, outer = sorted((place, other), key=len, reverse=True)
                yield problem(
                    steps,
                    f"`{inner}` is within `{outer}`: `{owner}` has one of the two places",
                    "choose a place beside it",
                )
        taken.setdefault(place, dotted(steps))
    files = [text for steps, text in _written_places(root) if steps[:2] == ("models", "files")]
    names: dict[str, str] = {}
    for number, text in enumerate(files):
        name = clean_place(text).rpartition("/")[2]
        other = names.setdefault(name, text)
        if other != text and clean_place(other) != clean_place(text):
            yield problem(
                ("models", "files", number),
                f"`{text}` and `{other}` would be one file in `/models`",
                "let the program give one of them another name",
            )


def _written_places(root: Mapping) -> Iterator[tuple[Path, str]]:
    data = root.get("data")
    for name in ("at", "files"):
        found = at(root, ("models", name))
        many = found.items if isinstance(found, Sequence) else ()
        for steps in (("models", name), *(("models", name, number) for number in range(len(many)))):
            text = text_at(root, steps)
            if text:
                yield steps, text
    for key, _ in data.entries if isinstance(data, Mapping) else ():
        steps = ("data", key.text, AT)
        text = text_at(root, steps)
        if text and text.strip():
            yield steps, text


def _platforms(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    platforms = root.get("platforms")
    seen: set[object] = set()
    for number, item in enumerate(platforms.items if isinstance(platforms, Sequence) else ()):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            if item.value in seen:
                yield problem(("platforms", number), f"`{item.value}` stands twice", "remove one of them")
            seen.add(item.value)


def _template(root: Mapping, problem: _Problem) -> Iterator[Problem]:
    """A template that has the name of what is rendered from it would be written over."""
    steps = ("dockerfile", "template")
    name = text_at(root, steps)
    if name and re.fullmatch(r"(?:\./)*Dockerfile\.[a-z0-9._-]+", name):
        variants = root.get("variants")
        names = [key.text for key, _ in variants.entries] if isinstance(variants, Mapping) else ["cpu"]
        if name.rpartition("/")[2].removeprefix("Dockerfile.").removesuffix(".dockerignore") in names:
            yield problem(
                steps, f"`{name}` is the name of what `mlimage render` writes", "call it `my.Dockerfile.j2`"
            )
