"""How verbs become commands."""

import re
import sys
import types
from typing import Annotated

import pytest
import typer

from mlimage.cli import main
from mlimage.cli.verbs import VERBS, help_text, load_verb

DOCSTRING = """Make it.

It is made here. This is a paragraph
that click may fill anew.

Examples:
  mlimage make a
  mlimage make b

Args:
    name: for readers of the code.

Raises:
    UsageError: never.
"""


def test_examples_keep_their_lines_and_sections_for_readers_of_code_go() -> None:
    assert help_text(DOCSTRING) == (
        "Make it.\n\n"
        "It is made here. This is a paragraph\nthat click may fill anew.\n\n"
        "\b\nExamples:\n  mlimage make a\n  mlimage make b"
    )


def _verb(monkeypatch: pytest.MonkeyPatch, **members: object) -> None:
    module = types.ModuleType("mlimage.cli.run")
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, "mlimage.cli.run", module)


def _status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_function_is_a_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(image: str, command: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        print(image, command)
        raise typer.Exit(7)

    _verb(monkeypatch, run=run)
    assert _status("run", "digits", "train", "--", "--epochs", "3") == 7
    assert capsys.readouterr().out == "digits ['train', '--epochs', '3']\n"


def test_help_shows_no_types_of_python(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(
        image: Annotated[str, typer.Argument(help="Which.", show_default=False)],
        words: Annotated[list[str] | None, typer.Argument(metavar="-- WORD", help="What.")] = None,
    ) -> None:
        raise AssertionError(image, words)

    _verb(monkeypatch, run=run)
    assert _status("run", "--help") == 0
    assert capsys.readouterr().out == (
        "Usage: mlimage run [OPTIONS] IMAGE [-- WORD]...\n"
        "\n"
        f"  {VERBS['run']}\n"
        "\n"
        "Arguments:\n"
        "  IMAGE    Which.  [required]\n"
        "  -- WORD  What.\n"
        "\n"
        "Options:\n"
        "  --help  Show this message and exit.\n"
    )


_ALL = [
    "",
    *VERBS,
    *(f"{verb} {below}" for verb in VERBS for below in getattr(load_verb(verb), "commands", ())),
]


@pytest.mark.parametrize("verb", _ALL)
def test_no_help_shows_types_of_python_or_marks_of_click(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _status(*verb.split(), "--help") == 0
    said = capsys.readouterr().out
    assert re.findall(r"<[a-z]+.*>|\\b|\x08", said) == []
    assert re.search(r"^  Examples:\n    mlimage ", said, flags=re.MULTILINE) or verb == "cache"


def test_every_verb_can_be_quiet() -> None:
    leaves = {verb: load_verb(verb) for verb in VERBS}
    leaves |= {f"cache {name}": below for name, below in leaves.pop("cache").commands.items()}
    assert {
        verb: [option.secondary_opts for option in command.params if option.name == "verbose"]
        for verb, command in leaves.items()
    } == {verb: [["--quiet", "-q"]] for verb in leaves}


def test_a_verb_may_have_verbs_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = typer.Typer(add_completion=False, rich_markup_mode=None)

    @run.command()
    def ls() -> None:
        print("listed")

    @run.command()
    def prune() -> None:
        print("pruned")

    _verb(monkeypatch, run=run)
    assert _status("run", "prune") == 0
    assert capsys.readouterr().out == "pruned\n"
    assert _status("run", "prnue") == 2
    assert capsys.readouterr().err == "error: no such verb `prnue`\nhint: did you mean `prune`?\n"


def test_wrong_values_are_said_in_our_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(jobs: Annotated[int, typer.Option(min=1)] = 1) -> None:
        raise AssertionError(jobs)

    _verb(monkeypatch, run=run)
    said = []
    for value in ("many", "0"):
        assert _status("run", "--jobs", value) == 2
        said.append(capsys.readouterr().err.partition("\nhint: ")[0])
    assert said == [
        (
            "error: invalid value for `--jobs`: "
            "it should be a valid integer, unable to parse string as an integer"
        ),
        "error: invalid value for `--jobs`: it should be greater than or equal to 1",
    ]
