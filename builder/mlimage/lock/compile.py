"""pip-compile, run by the image's own python.

It is not asked for hashes: what it says about them is slow and, for some indexes, wrong (pip-tools issues
1051, 1135).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mlimage.errors import ResolveError
from mlimage.lock.explain import explain
from mlimage.lock.resolver import Pin, Question, UnresolvedError, parse_pins, read_answer, write_question
from mlimage.lock.situation import Situation
from mlimage.process import Runner

_TOOLS: Final = ("piptools", "pip", "click", "build", "pyproject_hooks", "packaging", "setuptools", "wheel")


@dataclass(frozen=True, slots=True, kw_only=True)
class PipCompile:
    """The resolver of pip itself, by way of pip-tools."""

    @property
    def name(self) -> str:
        """As the spec has it."""
        return "pip-compile"

    def tools(self, run: Runner) -> Mapping[str, str]:  # noqa: ARG002 - a resolver may have to ask a program
        """Versions of what resolves, for the record."""
        return {name: installed_version(name) for name in ("pip", "pip-tools")}

    def pins(self, question: Question, run: Runner) -> tuple[Pin, ...]:
        """The answer, in order of names.

        Raises:
            UnresolvedError: there is no solution, or pip-compile failed.
            ResolveError: a part of pip-compile is not installed.
        """
        write_question(question, question.seeds)
        scratch = str(question.scratch)
        command = question.interpreter.command(
            "-m", "piptools", "compile",
            "--verbose",  # without it pip does not say what caused a conflict
            "--no-config",
            "--no-header",
            "--no-emit-options",
            "--no-annotate",
            "--allow-unsafe",  # setuptools too is locked, or hash mode would fail (pip-tools issue 806)
            "--strip-extras",
            "--newline", "LF",
            "--index-url", question.index_url,
            # The index tries again itself, and takes its time.
            "--pip-args", "--only-binary=:all: --no-cache-dir --no-input --progress-bar=off --retries=0 "
            "--timeout=600",
            *(f"--upgrade-package={name}" for name in sorted(question.upgrade_packages)),
            *(("--constraint", str(question.constraint_file)) if question.constraints else ()),
            "--output-file", str(question.output),
            str(question.input),
            env={
                "PYTHONPATH": ":".join(map(str, _tool_folders())),
                "HOME": scratch,
                "TMPDIR": scratch,
                "LANG": "C.UTF-8",
                "PATH": scratch,  # no program of this machine is asked anything
                "PIP_CONFIG_FILE": "/dev/null",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "NO_COLOR": "1",
            },
        )  # fmt: skip
        done = run(command)
        if done.status != 0:
            raise UnresolvedError(done)
        return parse_pins(read_answer(question), resolver=self.name)

    def explain(self, output: str, situation: Situation) -> ResolveError:
        """The error for what it wrote when there was no answer."""
        return explain(output, situation)


PIP_COMPILE: Final = PipCompile()


def _tool_folders() -> tuple[Path, ...]:
    """The folders of mlimage's own environment that hold pip-tools and what it imports."""
    folders: dict[Path, None] = {}
    for name in _TOOLS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ResolveError(
                f"`{name}`, which resolves packages, is not installed", hint="install mlimage again"
            )
        folders[Path(spec.origin).parent.parent] = None
    return tuple(folders)
