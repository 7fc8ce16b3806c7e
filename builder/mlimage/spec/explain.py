"""Pydantic's errors in our words, at their places in the user's file."""

import re
from collections.abc import Mapping as AnyMapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel

from mlimage.errors import Problem
from mlimage.spec.fields import REFUSED
from mlimage.spec.model import (
    App,
    DebianBase,
    Dockerfile,
    ImageSpec,
    Index,
    Layers,
    RegistryBase,
    Role,
    RunStep,
    Serve,
    Variant,
)
from mlimage.spec.nodes import KEY, Mapping, Node, Odd, Path, Scalar, Sequence, at, dotted
from mlimage.spec.places import Models
from mlimage.spec.policy import Determinism
from mlimage.spec.scalars import describe, quoted

_SYNONYMS: Final = {
    "apt": "base.packages",
    "args": "command",
    "cmd": "command",
    "cuda": "variants",
    "entrypoint": "command",
    "environment": "env",
    "from": "base",
    "gpu": "variants",
    "image": "base.image",
    "pip": "dependencies",
    "python_packages": "dependencies",
    "python_requirements": "requirements",
    "python_version": "python",
    "system_packages": "base.packages",
}
"""What other tools call it."""

_HOMES: Final[AnyMapping[str, tuple[type[BaseModel], ...]]] = {
    "base": (DebianBase, RegistryBase),
    "serve": (Serve,),
    "train": (Role,),
    "app": (App,),
    "layers": (Layers,),
    "determinism": (Determinism,),
    "dockerfile": (Dockerfile,),
    "models": (Models,),
    "run": (RunStep,),
    "indexes.NAME": (Index,),
    "variants.NAME": (Variant,),
}

_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "`true` or `false`",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
}


_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._=~<>!/-]*"
"""What needs no quotes in a list in brackets."""

_SPOKEN: Final = {
    **dict.fromkeys(("yes", "true", "on", "1", "y"), "true"),
    **dict.fromkeys(("no", "false", "off", "0", "n"), "false"),
}

_TAGS: Final = frozenset({"<debian>", "<image>", "<names>", "<places>"})
"""Names that the model gives to the kinds of bases and data; pydantic writes them into its paths."""


def explain(error: AnyMapping[str, Any], root: Mapping, *, path: str) -> Problem:
    """One of pydantic's errors as a problem of the file.

    Args:
        error: an item of `ValidationError.errors()`.
        root: the document that was validated.
        path: what messages call the file.
    """
    steps = walk(error["loc"])
    kind = error["type"]
    node = at(root, steps)
    line, column = place(root, steps, of_key=kind in {"extra_forbidden", "missing"} or steps[-1:] == (KEY,))
    message, hint = _words(error, root, steps, node)
    if kind == REFUSED and isinstance(node, Scalar) and node.plain:
        column += error["ctx"]["offset"]
    named = steps[:-1] if steps[-1:] == (KEY,) else steps
    return Problem(path=path, line=line, column=column, key=dotted(named), message=message, hint=hint)


def walk(loc: tuple[str | int, ...]) -> Path:
    """Pydantic's way to an error as a way in the document."""
    return tuple(step for number, step in enumerate(loc) if not (number == 1 and step in _TAGS))


def place(root: Mapping, path: Path, *, of_key: bool = False) -> tuple[int, int]:
    """Line and column of the value at a path, or of its key; of what is nearest above where it is missing."""
    if path[-1:] == (KEY,) and at(root, path) is None:
        return place(root, path[:-1], of_key=True)
    for length in range(len(path), 0, -1):
        parent, step = at(root, path[: length - 1]), path[length - 1]
        if isinstance(parent, Mapping) and isinstance(step, str):
            key, value = parent.key(step), parent.get(step)
            if key and value:
                chosen = key if of_key or length < len(path) else value
                return chosen.line, chosen.column
        elif isinstance(parent, Sequence) and isinstance(step, int) and step < len(parent.items):
            return parent.items[step].line, parent.items[step].column
    return 1, 1


def _words(
    error: AnyMapping[str, Any], root: Mapping, steps: Path, node: Node | None
) -> tuple[str, str | None]:
    context = error.get("ctx", {})
    last = str(steps[-1]) if steps else ""
    match error["type"]:
        case kind if kind == REFUSED:
            return context["message"], context["hint"]
        case "missing":
            return "is missing", _example(steps)
        case "extra_forbidden" if steps == ("base", "image"):
            return "both `debian` and `image` are there", "keep one of them"
        case "extra_forbidden":
            return "unknown key", _elsewhere(root, steps)
        case "literal_error" if isinstance(node, Scalar):
            known = _choices(context["expected"])
            near = get_close_matches(str(error["input"]), known, n=1)
            return (
                f"`{node.text}` is none of " + ", ".join(f"`{one}`" for one in known),
                f"did you mean `{near[0]}`?" if near else None,
            )
        case "too_short":
            return "is empty", f"name at least one, or remove `{last}:`"
        case "greater_than_equal" | "less_than_equal":
            return f"`{error['input']}` is out of range", f"write a number {_range(steps)}"
        case "literal_error":
            return _wrong_kind("string_type", steps, node)
        case kind if kind in _EXPECTED:
            return _wrong_kind(kind, steps, node)
        case _:
            return str(error["msg"]).lower(), None


def _choices(expected: str) -> list[str]:
    return [one.strip("' ") for one in expected.replace(" or ", ", ").split(",")]


def _range(steps: Path) -> str:
    """The bounds of a number, as the model has them."""
    metadata = _HOMES[str(steps[0])][0].model_fields[str(steps[-1])].metadata
    low = next(one.ge for one in metadata if hasattr(one, "ge"))
    high = next(one.le for one in metadata if hasattr(one, "le"))
    return f"from {low} to {high}"


def _wrong_kind(kind: str, steps: Path, node: Node | None) -> tuple[str, str | None]:
    """A value of another kind than the key takes; YAML's surprises by their name."""
    expected = "text" if len(steps) == 2 and steps[0] == "run" else _EXPECTED[kind]
    key = next((step for step in reversed(steps) if isinstance(step, str)), "")
    before = f"{key}: " if steps and steps[-1] == key else "- "
    if not isinstance(node, Scalar):
        hint = f"write `{before.strip()} …` in one line" if expected == "text" else None
        file = node.get("requirements") if isinstance(node, Mapping) and key == "dependencies" else None
        if isinstance(file, Scalar):
            hint = f"`requirements: {file.text}` stands at the top of the file, beside `dependencies:`"
        return f"expected {expected}, not {_kind(node)}", hint
    if expected == "text":
        return (
            f"`{node.text}` without quotes is {describe(node)} in YAML, and text is meant here",
            f"write `{before}{quoted(node.text)}`",
        )
    if isinstance(node.value, Odd):
        decimal = re.search(r"the number (-?[0-9]+)", node.value.what)
        hint = f"write `{before}{decimal.group(1)}`" if decimal else None
        return f"expected {expected}; `{node.text}` is {node.value.what} in YAML", hint
    if expected == "a list":
        hint = f"write `{before}[{node.text if re.fullmatch(_WORD, node.text) else quoted(node.text)}]`"
    elif expected == "`true` or `false`" and node.text.lower() in _SPOKEN:
        hint = f"write `{before}{_SPOKEN[node.text.lower()]}`"
    elif expected == "a whole number" and re.fullmatch(r"[0-9]{1,15}", node.text):
        hint = f"write `{before}{int(node.text)}`" + ("" if node.plain else ", without quotes")
    elif expected == "keys and values" and steps in _EXAMPLES:
        hint = _example(steps)
    elif expected == "keys and values" and steps == ("dockerfile",):
        hint = f"write `dockerfile: {{template: {node.text}}}`"
    elif expected == "keys and values" and steps and steps[-1] in {"train", "serve"}:
        hint = f"write `{steps[-1]}: {{command: {node.text}}}`"
    else:
        hint = None
    shown = describe(node) if not isinstance(node.value, str | float) else f"`{node.text}`"
    return f"expected {expected}, not {shown}", hint


def _kind(node: Node | None) -> str:
    return (
        "a list"
        if isinstance(node, Sequence)
        else "keys and values"
        if isinstance(node, Mapping)
        else "one value"
    )


_EXAMPLES: Final[AnyMapping[Path, str]] = {
    ("name",): "name: my-model",
    ("python",): 'python: "3.11"',
    ("base",): "base: {debian: bookworm}",
    ("base", "debian"): "base: {debian: bookworm}",
}


_DROPS: Final = frozenset({"drop", "except", "exclude", "omit", "remove", "skip", "without"})
"""Keys by which a variant might want to be rid of a package that all others have."""


def _example(steps: Path) -> str | None:
    if steps in _EXAMPLES:
        return f"write `{_EXAMPLES[steps]}`"
    if steps and steps[-1] == "command":
        return f"write `command: {'git --version' if steps[0] == 'run' else f'python {steps[0]}.py'}`"
    if steps and steps[-1] in {"url", "packages"}:
        return "an index has `url: https://…/simple` and `packages: [name, …]`"
    return None


def _elsewhere(root: Mapping, steps: Path) -> str:
    """What an unknown key may mean: a near name, a name of another level, or another tool's."""
    wrong = str(steps[-1])
    here = known_keys(root, steps[:-1])
    near = get_close_matches(wrong.lower().replace("-", "_"), here, n=1, cutoff=0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    lower = wrong.lower().replace("-", "_")
    homes = [home for home, parts in _HOMES.items() if any(lower in part.model_fields for part in parts)]
    if lower in ImageSpec.model_fields and steps[:-1]:
        return f"`{lower}` belongs to the top of the file: look at its indentation"
    if homes and not steps[:-1]:
        return "it belongs under " + " or ".join(f"`{home}:`" for home in homes)
    if steps[0] == "variants" and len(steps) == 3 and lower in _DROPS:
        return "a variant only adds packages: what only some need goes into their own `dependencies:`"
    other = _SYNONYMS.get(lower)
    if other:
        return f"mlimage's word is `{other}`"
    return "known here: " + ", ".join(f"`{one}`" for one in here)


def known_keys(root: Mapping, steps: Path) -> list[str]:
    """The keys that the mapping at this path may have; none for a mapping whose keys the user chooses."""
    if not steps:
        return list(ImageSpec.model_fields)
    if steps == ("base",):
        base = root.get("base")
        image = isinstance(base, Mapping) and base.get("image") and not base.get("debian")
        return list((RegistryBase if image else DebianBase).model_fields)
    if len(steps) > 3 and steps[2] == "indexes":
        return list(Index.model_fields)
    home = f"{steps[0]}.NAME" if steps[0] in {"indexes", "variants"} else str(steps[0])
    return list(_HOMES[home][0].model_fields) if home in _HOMES else []
