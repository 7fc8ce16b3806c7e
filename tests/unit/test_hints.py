"""What messages tell people to type exists, and what they tell them to write loads, every one of them."""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, Final, Literal, get_args, get_origin

import pytest

from mlimage.cli.verbs import VERBS, application, load_verb
from mlimage.errors import SpecError
from mlimage.process import Command, run
from mlimage.spec.load import parse_spec
from mlimage.spec.model import ImageSpec
from mlimage.spec.schema import json_schema
from support.hints import PLACEHOLDER, SOURCES, Told, hints, texts_of, told

OTHERS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "apt-cache": {"search": frozenset()},
    "apt-get": {"install": frozenset()},
    "brew": {"install": frozenset()},
    "cd": {"": frozenset()},
    "conda": {"env export": frozenset()},
    "cosign": {"generate-key-pair": frozenset(), "public-key": frozenset({"--key"})},
    "dmesg": {"": frozenset()},
    "docker": {
        "build": frozenset({"-f"}),
        "builder prune": frozenset(),
        "buildx build": frozenset(),
        "buildx create": frozenset({"--driver", "--use"}),
        "buildx ls": frozenset(),
        "buildx use": frozenset(),
        "buildx version": frozenset(),
        "context ls": frozenset(),
        "load": frozenset(),
        "login": frozenset(),
        "pull": frozenset(),
        "run": frozenset({"--gpus", "--pids-limit", "--ulimit"}),
        "system df": frozenset(),
        "system prune": frozenset(),
        "version": frozenset(),
    },
    "git": {"checkout": frozenset({"--ours"}), "config": frozenset({"--system", "--add"})},
    "keyring": {"set": frozenset()},
    "ln": {"": frozenset({"-sfn"})},
    "nvidia-ctk": {
        "cdi generate": frozenset({"--output"}),
        "runtime configure": frozenset({"--runtime"}),
    },
    "nvidia-smi": {"": frozenset({"-L", "-c", "-d", "-i", "-q"})},
    "pipenv": {"requirements": frozenset()},
    "sh": {"": frozenset({"-c"})},
    "pixi": {"workspace export conda-environment": frozenset()},
    "sed": {"": frozenset({"-i"})},
    "sha256sum": {"": frozenset()},
    "systemctl": {"start docker": frozenset()},
    "ulimit": {"": frozenset({"-Hn", "-f", "-n", "-u", "-v"})},
    "usermod": {"": frozenset({"-aG"})},
}
"""Programs of others, their commands and options, as their manuals have them: look up what you add here."""

TOLD: Final = tuple(told())

OF_FILES: Final = frozenset({"--hash"})
"""Options of lines of requirements files."""
FOREIGN_KEYS: Final = frozenset({"id_tokens", "permissions"})
"""Keys of files that are not ours: workflows of GitHub and GitLab."""
MINIMAL: Final = {
    "name": "name: x",
    "python": 'python: "3.11"',
    "base": "base: {debian: bookworm}",
    "train": "train: {command: python train.py}",
    "serve": "serve: {command: python serve.py}",
}
NO_KEYS: Final = frozenset({"data.tar"})
NO_EDITS: Final = frozenset({"name: value"})
"""What looks like one and is not: a file, a line of an example."""
FILLS: Final = (
    "x",
    "3.11",
    "{debian: bookworm}",
    "bookworm",
    "/x",
    "1",
    "[x]",
    "python train.py",
    "https://x.example",
    "linux/amd64",
    "at: x",
    "{packages: [x, y], reason: z}",
)
"""What may stand where a text has a value that is known at run time only."""


def words(text: str) -> list[str]:
    """A command's words up to where the shell takes its output, without variables that are set before it."""
    found = shlex.split(text.replace("\N{HORIZONTAL ELLIPSIS}", "x").replace(PLACEHOLDER, "x"))
    end = next((at for at, word in enumerate(found) if word in {">", "|", "&&"}), len(found))
    return found[1 if found[0] == "sudo" else 0 : end]


def is_command(text: str, program: str) -> bool:
    return re.match(rf"(sudo )?{re.escape(program)}( |$)", text) is not None


def commands(program: str) -> list[Told]:
    return [each for each in TOLD if is_command(each.text, program)]


def complaint(arguments: Sequence[str]) -> str | None:
    """What is wrong with arguments of `mlimage`; None when nothing is."""
    command: Any = application()
    context = command.make_context("mlimage", [], resilient_parsing=True)
    rest = list(arguments)
    while hasattr(command, "list_commands"):
        if not rest or rest[0] in {"--help", "VERB", "x"}:
            return None
        name = rest.pop(0)
        below = command.get_command(context, name)
        if below is None:
            return f"there is no `{name}`"
        command = below
    return _misfit(command, rest)


def _misfit(command: Any, rest: Sequence[str]) -> str | None:
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}
    places = [each.nargs for each in command.params if each.param_type_name == "argument"]
    given = 0
    left = iter(rest)
    for word in left:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if not word.startswith("-"):
            given += 1
        elif name == "--help":
            continue
        elif name not in options:
            return f"there is no option `{name}`"
        elif not options[name].is_flag and not equals:
            value = next(left, "")
        choices = _choices(options[name]) if name in options else ()
        if choices and value and value not in {*choices, "x"} and not value.isupper():
            return f"`{name}` takes no `{value}`"
    if given > sum(places) and -1 not in places:
        return f"{given} words where {sum(places)} can stand"
    return None


def _choices(option: Any) -> tuple[object, ...]:
    """The values of an option that has a few, by the type of the function's argument."""
    kind = option.type_descriptor.annotation
    return get_args(kind) if get_origin(kind) is Literal else ()


def test_what_is_typed_to_mlimage_exists() -> None:
    found = commands("mlimage")
    wrong = [
        f"{each.place}: `{each.text}`: {why}" for each in found if (why := complaint(words(each.text)[1:]))
    ]
    assert wrong == []
    assert len(found) > 60


def options(command: Any) -> set[str]:
    """All options of a command and of those below it."""
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return own.union({"--help"}, *map(options, getattr(command, "commands", {}).values()))


def test_options_that_hints_name_exist() -> None:
    """Those without their command: `choose another with --port NUMBER`."""
    known = set().union(*(options(load_verb(verb)) for verb in VERBS))
    wrong = []
    for each in hints():
        bare = re.sub(r"`[^-`][^`]*`", "", each.text)
        found = re.findall(r"(?<![\w-])--[a-z][a-z-]*", bare)
        wrong += [f"{each.place}: {one}" for one in found if one not in {*known, *OF_FILES}]
    assert wrong == []
    assert len(list(hints())) > 300


def test_variables_that_hints_name_are_read() -> None:
    """By their whole name, or as `MLIMAGE_MIRROR_` and the name of an index."""
    read = {text for path in SOURCES for text, _ in texts_of(path.read_text()) if text.startswith("MLIMAGE_")}
    wrong = []
    for each in hints():
        found = re.findall(r"MLIMAGE_[A-Z_]*[A-Z]", each.text)
        wrong += [f"{each.place}: {one}" for one in found if not one.startswith(tuple(read))]
    assert wrong == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("lokc x", "there is no `lokc`"),
        ("cache prun", "there is no `prun`"),
        ("lock x --upgrad", "there is no option `--upgrad`"),
        ("lock x --resolver poetry", "`--resolver` takes no `poetry`"),
        ("freeze x y z", "3 words where 1 can stand"),
        ("lock x -P numpy --resolver=uv", None),
        ("run NAME -- ls -l", None),
        ("cache prune --all", None),
    ],
)
def test_what_is_wrong(arguments: str, why: str | None) -> None:
    assert complaint(arguments.split()) == why


@cache
def pip_help(*command: str) -> str:
    done = run(Command(argv=(sys.executable, "-m", "pip", "help", *command), env={"PATH": "/nowhere"}))
    assert done.status == 0, command
    return done.text


def test_what_is_typed_to_pip_exists() -> None:
    found = commands("pip")
    wrong = []
    for each in found:
        _, *rest = words(each.text)
        if rest:  # else the program is spoken of
            text = pip_help(rest[0]).replace(",", " ")
            options = [word.partition("=")[0] for word in rest if word.startswith("-")]
            wrong += [f"{each.place}: `{each.text}`: {one}" for one in options if one not in text.split()]
    assert wrong == []
    assert len(found) > 8


def test_what_is_typed_to_other_programs_is_looked_up() -> None:
    wrong = []
    for program, known in OTHERS.items():
        for each in commands(program):
            _, *rest = words(each.text)
            bare = " ".join(word for word in rest if not word.startswith("-"))
            verb = max(
                (name for name in known if f"{bare} ".startswith(name and f"{name} ")), key=len, default=None
            )
            options = {word.partition("=")[0] for word in rest if word.startswith("-")}
            if rest and (verb is None or not options <= known[verb]):
                wrong.append(f"{each.place}: `{each.text}`")
    assert wrong == []


def test_no_program_is_told_of_that_is_not_looked_up() -> None:
    known = {*OTHERS, "mlimage", "pip", "sudo"}
    wrong = []
    for each in TOLD:
        program = re.match(r"([a-z][a-z0-9-]*) (?:.* )?--?[a-z]", each.text)
        if program and program[1] not in known:
            wrong.append(f"{each.place}: `{each.text}`")
    assert wrong == []


@cache
def schema() -> dict[str, Any]:
    return json_schema()


def keys_of(part: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether the schema has a key at this path."""
    if not path:
        return True
    if "$ref" in part:
        return keys_of(schema()["$defs"][part["$ref"].rpartition("/")[2]], path)
    first, *rest = path
    below = part.get("properties", {}).get(first)
    parts = [*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())]
    parts += [items for items in (part.get("items"),) if isinstance(items, dict)]
    return (below is not None and keys_of(below, rest)) or any(keys_of(each, path) for each in parts)


def names() -> Iterator[str]:
    """All keys that a spec may have somewhere."""
    for part in (schema(), *schema()["$defs"].values()):
        yield from part.get("properties", ())


def test_keys_of_the_spec_exist() -> None:
    """`layers.single` and `indexes:`, where a text speaks of a key."""
    known = {*names(), *FOREIGN_KEYS}
    wrong = []
    for each in TOLD:
        dotted = re.fullmatch(r"([a-z_]+)((?:\.[a-z_]+)+)", each.text)
        if each.text in NO_KEYS:
            continue
        if dotted and dotted[1] in ImageSpec.model_fields and not keys_of(schema(), each.text.split(".")):
            wrong.append(f"{each.place}: `{each.text}`")
        alone = re.fullmatch(r"([a-z_]+):", each.text)
        if alone and alone[1] not in known:
            wrong.append(f"{each.place}: `{each.text}`")
    assert wrong == []


def edits() -> list[Told]:
    return [
        each
        for each in TOLD
        if (match := re.match(r"([a-z_]+): \S", each.text))
        and match[1] in ImageSpec.model_fields
        and each.text not in NO_EDITS
    ]


def loads(edit: str) -> bool:
    """Whether a spec with this line is one, whatever stands for what is known at run time only."""
    unknown = edit.replace("\N{HORIZONTAL ELLIPSIS}", PLACEHOLDER).replace("X.Y", "3.11")
    parts = unknown.split(PLACEHOLDER)
    for fills in product(FILLS, repeat=len(parts) - 1):
        line = "".join(text for pair in zip(parts, (*fills, ""), strict=True) for text in pair)
        lines = {**MINIMAL, edit.partition(":")[0]: line}
        if "require: cuda" in edit:
            lines["variants"] = "variants: {cuda: {}}"
        try:
            parse_spec("\n".join(lines.values()).encode(), path="mlimage.yaml", folder="x")
        except SpecError:
            continue
        return True
    return False


def test_what_is_to_be_written_into_a_spec_loads() -> None:
    found = edits()
    assert [f"{each.place}: `{each.text}`" for each in found if not loads(each.text)] == []
    assert len(found) > 15


@pytest.mark.parametrize(
    "edit", ["base: {debian: wheezy}", "indexes: {x: {packages: [y]}}", "bytecode: maybe"]
)
def test_what_does_not_load(edit: str) -> None:
    assert not loads(edit)


SOURCE = '''\
A = "b"

def f(x):
    """Not `this`."""
    return f"`{A} {x}" + y() + "` " "and" if x else "`c`"
'''


def test_the_texts_of_a_module() -> None:
    found = [text for text, _ in texts_of(SOURCE)]
    assert found == ["b", f"`b {PLACEHOLDER}{PLACEHOLDER}` and", "`c`"]
