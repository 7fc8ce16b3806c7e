"""Runs pip-compile with the image's own python against one index: it decides versions and nothing else.

File names and digests are read from the index afterwards (`lock.wheels`): what pip-compile says about hashes
is slow and, for some indexes, wrong (pip-tools issues 1051, 1135).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.content.interpreter import Interpreter
from mlimage.errors import ResolveError
from mlimage.process import Completed, Runner

INPUT: Final = "spec.in"
"""Name of the file that pip-compile reads, one requirement to a line; its messages speak of lines in it."""

OLDEST_PYTHON: Final = "3.10"
"""The oldest that pip, which resolves, runs on."""

CONSTRAINTS: Final = "constraints.txt"
"""Name of the file with the versions that other variants have."""

_TOOLS: Final = ("piptools", "pip", "click", "build", "pyproject_hooks", "packaging", "setuptools", "wheel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package that pip-compile decided on.

    Attributes:
        name: normalized name.
        version: its version.
        required_by: normalized names of the packages that ask for it, sorted.
        direct: whether the spec asks for it.
    """

    name: str
    version: Version
    required_by: tuple[str, ...]
    direct: bool


class CompileError(Exception):
    """pip-compile found no solution; `lock.explain` says why in the user's words."""

    def __init__(self, done: Completed) -> None:
        super().__init__(done.errors)
        self.output = done.text + done.errors


def tool_versions() -> Mapping[str, str]:
    """Versions of what resolves, for the record."""
    return {name: installed_version(name) for name in ("pip", "pip-tools")}


def tool_folders() -> tuple[Path, ...]:
    """The folders of mlimage's own environment that hold pip-tools and what it imports.

    Raises:
        ResolveError: one of them is not installed.
    """
    folders: dict[Path, None] = {}
    for name in _TOOLS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ResolveError(
                f"`{name}`, which resolves packages, is not installed", hint="install mlimage again"
            )
        folders[Path(spec.origin).parent.parent] = None
    return tuple(folders)


def compile_pins(
    interpreter: Interpreter,
    requirements: Sequence[str],
    *,
    index_url: str,
    seeds: Mapping[str, Version],
    constraints: Mapping[str, Version],
    upgrade_packages: Iterable[str],
    scratch: Path,
    run: Runner,
) -> tuple[Pin, ...]:
    """Resolve for the interpreter's target.

    Args:
        interpreter: the image's python.
        requirements: one to a line of pip-compile's input.
        index_url: the only index that it sees.
        seeds: versions that are kept where the requirements allow it.
        constraints: versions that a package has if it is there at all.
        upgrade_packages: names among the seeds that are not kept.
        scratch: an empty folder.
        run: starts the process.

    Raises:
        CompileError: there is no solution, or pip-compile failed.
    """
    (scratch / INPUT).write_text("".join(f"{line}\n" for line in requirements))
    result = scratch / "spec.txt"
    if seeds:
        result.write_text("".join(f"{name}=={version}\n" for name, version in sorted(seeds.items())))
    (scratch / CONSTRAINTS).write_text(
        "".join(f"{name}=={version}\n" for name, version in sorted(constraints.items()))
    )
    command = interpreter.command(
        "-m", "piptools", "compile",
        "--verbose",  # without it pip does not say what caused a conflict
        "--no-config",
        "--no-header",
        "--no-emit-options",
        "--annotation-style", "line",
        "--allow-unsafe",  # setuptools too is locked, or hash mode would fail (pip-tools issue 806)
        "--strip-extras",
        "--newline", "LF",
        "--index-url", index_url,
        "--pip-args", "--only-binary=:all: --no-cache-dir --no-input --progress-bar=off",
        *(f"--upgrade-package={name}" for name in sorted(upgrade_packages)),
        *(("--constraint", str(scratch / CONSTRAINTS)) if constraints else ()),
        "--output-file", str(result),
        str(scratch / INPUT),
        env={
            "PYTHONPATH": ":".join(map(str, tool_folders())),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "PATH": str(scratch),  # no program of this machine is asked anything
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "NO_COLOR": "1",
        },
    )  # fmt: skip
    done = run(command)
    if done.status != 0:
        raise CompileError(done)
    return parse_pins(result.read_text())


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Read what pip-compile wrote: `name==version  # via one, -r spec.in`.

    Raises:
        ResolveError: a line is something else.
    """
    pins = []
    for line in text.splitlines():
        pinned, _, via = (part.strip() for part in line.partition("#"))
        if not pinned:
            continue
        sources = [source.strip() for source in via.removeprefix("via").split(",") if source.strip()]
        sources = [source for source in sources if not source.startswith("-c ")]
        try:
            requirement = Requirement(pinned)
            [specifier] = requirement.specifier
            version = Version(specifier.version)
        except (InvalidRequirement, ValueError) as error:
            raise ResolveError(f"pip-compile wrote `{pinned}`, which is not a pinned package") from error
        pins.append(
            Pin(
                name=canonicalize_name(requirement.name),
                version=version,
                required_by=tuple(sorted({canonicalize_name(s) for s in sources if not s.startswith("-r ")})),
                direct=any(source.startswith("-r ") for source in sources),
            )
        )
    return tuple(sorted(pins, key=lambda pin: pin.name))
