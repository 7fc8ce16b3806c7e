"""Templates of users: what is wrong with one is said at its line, as with a spec."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mlimage.errors import Problem, SpecError
from mlimage.plan.model import Moment

BLOCKS = tuple(moment.block for moment in Moment)
"""What a user's template may fill."""
_NAMES = "docs/dockerfiles.md says what a template may name"


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


def check_template(
    jinja: Environment, source: str, *, path: str, extends: str, filled: Collection[str] = ()
) -> None:
    """A user's template extends mlimage's and fills blocks that are there.

    Args:
        jinja: the environment.
        source: the template.
        path: what messages call it.
        extends: the name of mlimage's template.
        filled: blocks that hold steps of the spec, which a template must keep.

    Raises:
        SpecError: names all that is wrong, each at its line.
    """
    try:
        tree = jinja.parse(source)
        jinja.compile(source)
    except TemplateSyntaxError as error:
        raise _error(path, error.lineno, str(error.message)) from None
    problems = [*_of_parents(tree, path, extends), *_of_blocks(tree, path, filled), *_of_rest(tree, path)]
    if problems:
        raise SpecError(problems)


def _of_parents(tree: nodes.Template, path: str, extends: str) -> Iterator[Problem]:
    parents = list(tree.find_all(nodes.Extends))
    named = [parent.template.value for parent in parents if isinstance(parent.template, nodes.Const)]
    if named != [extends]:
        yield _problem(
            path,
            parents[0].lineno if parents else 1,
            f"a template extends `{extends}`",
            f'begin it with `{{% extends "{extends}" %}}`, and fill blocks: {", ".join(BLOCKS)}',
        )


def _of_blocks(tree: nodes.Template, path: str, filled: Collection[str]) -> Iterator[Problem]:
    for block in tree.find_all(nodes.Block):
        if block.name not in BLOCKS:
            near = get_close_matches(block.name, BLOCKS, n=1)
            yield _problem(
                path,
                block.lineno,
                f"there is no block `{block.name}` to fill",
                f"did you mean `{near[0]}`?" if near else f"blocks: {', '.join(BLOCKS)}",
            )
        elif block.name in filled and not any(
            isinstance(call.node, nodes.Name) and call.node.name == "super"
            for call in block.find_all(nodes.Call)
        ):
            yield _problem(
                path,
                block.lineno,
                f"the block `{block.name}` leaves out the steps that `run:` has there",
                "write `{{ super() }}` where they belong in it",
            )


def _of_rest(tree: nodes.Template, path: str) -> Iterator[Problem]:
    """Jinja drops what a template has outside of its blocks, without a word."""
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else ():
            text = node.data if isinstance(node, nodes.TemplateData) else "x"
            if text.strip():
                skipped = text[: len(text) - len(text.lstrip())].count("\n")
                yield _problem(
                    path,
                    node.lineno + skipped,
                    "what stands outside of blocks is in no Dockerfile",
                    f"put it into a block: {', '.join(BLOCKS)}",
                )
                return


@contextmanager
def rendering(path: str, names: Collection[str] = ()) -> Iterator[None]:
    """Turn what fails in a user's template into a problem at its line; `names` are what it may name."""
    try:
        yield
    except TemplateNotFound as error:
        raise _error(path, _line(error), f"there is no template `{error.name}`") from None
    except TemplateError as error:
        message = str(error.message)
        unknown = re.match(r"'(\w+)' is undefined", message)
        near = get_close_matches(unknown[1], names, n=1) if unknown else []
        hint = f"did you mean `{near[0]}`?" if near else None
        raise _error(path, _line(error), message, hint) from None
    except RecursionError as error:
        raise _error(path, _line(error), "it calls itself without end") from None
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
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


def _error(path: str, line: int, message: str, hint: str | None = None) -> SpecError:
    """A problem in Jinja's words, in our spelling."""
    text = re.sub(r"(?<!\w)'([^']+)'(?!\w)", r"`\1`", message[:1].lower() + message[1:]).rstrip(".")
    return SpecError(
        [_problem(path, line, text, hint or "docs/dockerfiles.md says what a template may name")]
    )


def _problem(path: str, line: int, message: str, hint: str) -> Problem:
    return Problem(path=path, line=line, column=1, key="", message=message, hint=hint)
