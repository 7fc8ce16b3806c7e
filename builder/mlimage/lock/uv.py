"""uv, for the image's target: quicker than pip-compile.

It runs on this machine and is told the target. Which files count is decided by the index (`lock.simple`), by
the tags of the image's own python; so uv may think the target a little newer than it is.
"""

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlimage import DISTRIBUTION
from mlimage.errors import ResolveError, UsageError
from mlimage.lock.derivation import explain
from mlimage.lock.resolver import (
    CONSTRAINTS,
    INPUT,
    OUTPUT,
    Pin,
    Question,
    UnresolvedError,
    parse_pins,
    pinned,
    read_answer,
    write_question,
)
from mlimage.lock.situation import Situation
from mlimage.platforms import Platform
from mlimage.process import Command, Runner

OLDEST: Final = Version("0.12")
NEXT: Final = Version("0.14")
"""From `OLDEST` to before `NEXT`: tested. An older uv takes unfinished versions in other cases than pip."""

_INSTALL: Final = f"`pip install '{DISTRIBUTION}[uv]'`"
_HELD: Final = "held.txt"
_GLIBC: Final = (17, 28, *range(31, 41))
"""The minor versions of glibc 2 that uv knows as a platform."""

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """The resolver uv.

    Attributes:
        program: its path; None where this machine has none.
    """

    program: str | None

    @property
    def name(self) -> str:
        """As the spec has it."""
        return "uv"

    def tools(self, run: Runner) -> Mapping[str, str]:
        """The version of uv, for the record.

        Raises:
            UsageError: this machine has none, or one that is not tested.
        """
        if self.program is None:
            raise UsageError(
                "uv, which is to resolve packages, is not installed", hint=f"{_INSTALL} brings it"
            )
        try:
            done = run(Command(argv=(self.program, "--version")))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise UsageError(
                f"`{self.program}` cannot be started: {why}", hint=f"{_INSTALL} brings one"
            ) from error
        said = done.text.split()
        try:
            version = Version(said[1]) if said[:1] == ["uv"] and done.status == 0 else None
        except (IndexError, InvalidVersion):
            version = None
        if version is None or not OLDEST <= version < NEXT:
            raise UsageError(
                f"`{self.program}` is "
                + (f"uv {version}" if version else "no uv")
                + f"; tested are the versions from {OLDEST} to before {NEXT}",
                hint=f"{_INSTALL} brings one that is",
            )
        return {"uv": str(version)}

    def pins(self, question: Question, run: Runner) -> tuple[Pin, ...]:
        """The answer, in order of names.

        For uv a version to keep is a wish, which a newer version of another package overrides. So they are
        constraints as well, as for pip-compile, until they stand in the way of a solution.

        Raises:
            UnresolvedError: there is no solution, or uv failed.
        """
        seeds = {
            name: version for name, version in question.seeds.items() if name not in question.upgrade_packages
        }
        write_question(question, seeds)
        held = dict(seeds)
        while True:
            (question.scratch / _HELD).write_text(pinned(held))
            done = run(self.command(question))
            if done.status == 0:
                return parse_pins(read_answer(question), resolver=self.name)
            blamed = held.keys() & {canonicalize_name(name) for name in _NAME.findall(done.errors)}
            if not blamed:
                raise UnresolvedError(done)
            for name in blamed:
                del held[name]

    def command(self, question: Question) -> Command:
        """The command that resolves, in the folder of the question."""
        scratch = str(question.scratch)
        target = question.target
        return Command(
            argv=(
                self.program or self.name, "pip", "compile",
                "--no-config",
                "--no-cache",
                "--no-header",
                "--no-progress",
                "--color", "never",
                "--no-annotate",
                "--only-binary", ":all:",
                "--no-python-downloads",
                "--python", sys.executable,  # uv wants one to ask about what the target does not decide
                "--python-version", target.version.removesuffix("+"),
                "--python-platform", uv_platform(question.interpreter.platform, target.glibc),
                "--default-index", question.index_url,
                "--constraints", _HELD,
                *(("--constraints", CONSTRAINTS) if question.constraints else ()),
                "--output-file", OUTPUT,
                INPUT,
            ),
            env={
                "HOME": scratch,
                "TMPDIR": scratch,
                "LANG": "C.UTF-8",
                "PATH": scratch,  # no program of this machine is asked anything
                "UV_NO_WRAP": "1",
                # The index tries again itself, and takes its time.
                "UV_HTTP_RETRIES": "0",
                "UV_HTTP_TIMEOUT": "600",
            },
            cwd=question.scratch,
        )  # fmt: skip

    def explain(self, output: str, situation: Situation) -> ResolveError:
        """The error for what it wrote when there was no answer."""
        return explain(output, situation)


def beside_mlimage() -> str | None:
    """The uv that is installed as a package where mlimage is."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


def find_uv(path: str | None, *, beside: Callable[[], str | None] = beside_mlimage) -> str | None:
    """The uv that belongs to mlimage, or else a program of that name.

    Args:
        path: folders of programs, as in the variable `PATH`.
        beside: finds the first.
    """
    return beside() or shutil.which("uv", path=path or "")


def uv_platform(platform: Platform, glibc: str) -> str:
    """The lowest platform that uv knows and that has this glibc, or else the highest.

    >>> from mlimage.platforms import LINUX_AMD64
    >>> uv_platform(LINUX_AMD64, "2.36")
    'x86_64-manylinux_2_36'
    """
    minor = int(glibc.split(".")[1])
    known = min((each for each in _GLIBC if each >= minor), default=_GLIBC[-1])
    return f"{platform.machine}-manylinux_2_{known}"
