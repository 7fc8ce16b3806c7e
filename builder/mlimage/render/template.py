"""Templates of users: what is wrong with one is said at its line, as with a spec."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mlimage.errors import Problem, SpecError
from mlimage.plan.model import Moment

BLOCKS = tuple(moment.block for moment in Moment)
"""What a user's template may fill."""


def environment(folder: Path) -> Environment:
    """Jinja for the templates of a folder: what is not defined is an error, what is written stays."""
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def check_template(jinja: Environment, source: str, *, path: str, extends: str) -> None:
    """A user's template extends mlimage's and fills blocks that are there.

    Raises:
        SpecError: names all that is wrong, each at its line.
    """
    try:
        tree = jinja.parse(source)
    except TemplateSyntaxError as error:
        raise _error(path, error.lineno, str(error.message).lower().rstrip(".")) from None
    problems = []
    parents = list(tree.find_all(nodes.Extends))
    named = [parent.template.value for parent in parents if isinstance(parent.template, nodes.Const)]
    if named != [extends]:
        problems.append(
            _problem(
                path,
                parents[0].lineno if parents else 1,
                f"a template extends `{extends}`",
                f'begin it with `{{% extends "{extends}" %}}`, and fill blocks: {", ".join(BLOCKS)}',
            )
        )
    for block in tree.find_all(nodes.Block):
        if block.name not in BLOCKS:
            near = get_close_matches(block.name, BLOCKS, n=1)
            problems.append(
                _problem(
                    path,
                    block.lineno,
                    f"there is no block `{block.name}` to fill",
                    f"did you mean `{near[0]}`?" if near else f"blocks: {', '.join(BLOCKS)}",
                )
            )
    if problems:
        raise SpecError(problems)


@contextmanager
def rendering(path: str) -> Iterator[None]:
    """Turn what fails in a user's template into a problem at its line."""
    try:
        yield
    except TemplateError as error:
        raise _error(path, _line(error), str(error.message).rstrip(".")) from None
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise _error(path, _line(error), str(error)) from None


def _line(error: BaseException) -> int:
    """The last line of the template on the way to the error; Jinja gives its frames the name `<template>`."""
    found = 1
    trace: Any = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def _error(path: str, line: int, message: str) -> SpecError:
    return SpecError([_problem(path, line, message, "`docs/dockerfiles.md` says what a template may name")])


def _problem(path: str, line: int, message: str, hint: str) -> Problem:
    return Problem(path=path, line=line, column=1, key="", message=message, hint=hint)
