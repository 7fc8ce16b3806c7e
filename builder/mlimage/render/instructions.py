"""Single instructions of a Dockerfile as text, and as BuildKit writes them into an image's history."""

import json
import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Final

from mlimage.errors import UsageError
from mlimage.plan.model import BuildPlan, RunStep

VENV: Final = "/opt/venv"
RUNTIME: Final = "/runtime"
"""Where the context or stage `runtime` has the files of the runtime layer."""
PIP: Final = "/pip"
"""Where the context or stage `pip` has the folder of the package pip."""
WHEELS: Final = "/wheels"
"""Where the context or stage `wheels` has the wheels."""
DEBS: Final = "/debs"
"""Where the context or stage `debs` has the Debian packages."""
_REQUIREMENTS: Final = "/requirements.txt"
_SECRETS: Final = "/run/secrets"
_PLAIN: Final = "--no-deps --no-cache-dir --root-user-action=ignore"
_STRICT: Final = f"--require-hashes {_PLAIN}"
_NEXT: Final = " \\\n    "
_NOT_IN_LINE: Final = re.compile(r"<<|\\\s*\Z|\A\s*[\[#-]")
"""Here-documents, a line that goes on, lists in JSON, comments and options."""


def packages_command(plan: BuildPlan) -> str:
    """What the shell runs to install the packages, in one line."""
    python = plan.dockerfile.python
    return " && ".join(
        (
            f"export PYTHONPATH={PIP} PYTHONDONTWRITEBYTECODE=1",
            f"{python} -m venv --without-pip {VENV}",
            (
                f"{VENV}/bin/python -m pip install --no-index --find-links={WHEELS} {_STRICT} "
                f"--requirement={_REQUIREMENTS}"
            ),
            # Those whose files stay where others write them too, once more: what is installed last is there.
            *(
                f"{VENV}/bin/python -m pip install --force-reinstall --no-index --find-links={WHEELS} "
                f"{_PLAIN} {shlex.quote(each)}"
                for each in plan.dockerfile.kept
            ),
        )
    )


def packages_run(plan: BuildPlan) -> str:
    """The words behind `RUN` that install the packages: without network, from what others stages hold."""
    mounts = (
        "--network=none",
        f"--mount=type=bind,from=pip,source={PIP},target={PIP}",
        f"--mount=type=bind,from=wheels,source={WHEELS},target={WHEELS}",
        f"--mount=type=bind,source={plan.dockerfile.requirements},target={_REQUIREMENTS}",
    )
    first, *rest = packages_command(plan).split(" && ")
    commands = [first, *(f"&& {each}" for each in rest)]
    text = _NEXT.join((*mounts, *commands))
    for options in (f" {_STRICT}", f"={WHEELS} {_PLAIN}"):
        before, _, after = options.partition(" ")
        text = text.replace(options, f"{before} \\\n       {after}")
    return text


def debs_command() -> str:
    """What the shell runs to install the Debian packages, in one line."""
    return (
        "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "
        f"--option=APT::Sandbox::User=root {DEBS}/*.deb"
    )


def debs_run() -> str:
    """The words behind `RUN` that install the Debian packages on the base: without network."""
    mounts = ("--network=none", f"--mount=type=bind,from=debs,source={DEBS},target={DEBS}")
    return _NEXT.join((*mounts, debs_command())).replace(" --yes", " \\\n       --yes")


def wheels_run(plan: BuildPlan) -> str:
    """The words behind `RUN` that fetch the wheels, where it is built without mlimage."""
    mounts = (
        f"--mount=type=bind,from=pip,source={PIP},target={PIP}",
        f"--mount=type=bind,source={plan.dockerfile.requirements},target={_REQUIREMENTS}",
    )
    indexes = "".join(f"\\\n       --extra-index-url={shlex.quote(url)} " for url in plan.dockerfile.indexes)
    command = (
        f"PYTHONPATH={PIP} {plan.dockerfile.python} -m pip download --require-hashes --no-deps "
        f"{indexes}\\\n       --no-cache-dir --only-binary=:all: --dest={WHEELS} "
        f"--requirement={_REQUIREMENTS}"
    )
    return _NEXT.join((*mounts, command))


def link_commands(plan: BuildPlan) -> tuple[str, ...]:
    """What the shell runs to make the links of the application, where it is built without mlimage."""
    app = f"{RUNTIME}{plan.config.working_directory}"
    folders = sorted({posixpath.dirname(f"{app}/{place}") for place, _ in plan.dockerfile.links} - {app})
    made = [shlex.join(("mkdir", "-p", *folders))] if folders else []
    links = [shlex.join(("ln", "-s", target, f"{app}/{place}")) for place, target in plan.dockerfile.links]
    return (*made, *links)


def app_words(plan: BuildPlan) -> tuple[str, str]:
    """What is copied into the image as its application, as a pattern, and where to.

    BuildKit finds no folder by `[*]`; `?` matches that one alone, since the build sees no other.
    """
    source = plan.dockerfile.source.replace("[", "[[]").replace("*", "?")
    return source, plan.config.working_directory


def copy_app(plan: BuildPlan) -> str:
    """The words behind `COPY` that bring the application: a list where a word has a space.

    Variables and quotes mean something in both forms.
    """
    words = [re.sub(r"([$'\"])", r"\\\1", word) for word in app_words(plan)]
    spaced = any(re.search(r"\s", word) for word in words)
    return json.dumps(words, ensure_ascii=False) if spaced else " ".join(words)


def run_step(step: RunStep) -> str:
    """A step of the spec as an instruction: several lines as a script that ends at the first that fails.

    A line that means something else to a Dockerfile than to a shell is a script too.
    """
    options = [
        f"--mount=type=secret,id={name},target={_SECRETS}/{name},required=true" for name in step.secrets
    ]
    options += [f"--mount=type=cache,target={folder},sharing=locked" for folder in step.cache]
    options += [] if step.network else ["--network=none"]
    lines = step.command.split("\n")
    if len(lines) == 1 and not _NOT_IN_LINE.search(step.command):
        return "RUN " + _NEXT.join((*options, step.command.strip()))
    end = _end(lines)
    head = "RUN " + _NEXT.join((*options, f"<<'{end}'"))
    # A blank line ends it for hadolint too (https://github.com/hadolint/hadolint), and for readers.
    return "\n".join((head, "set -eu", *lines, end, ""))


def _end(lines: Sequence[str]) -> str:
    """The word that ends a script, which no line of it may be."""
    word = "EOF"
    while word in lines:
        word += "_"
    return word


def pairs(values: Sequence[tuple[str, str]], *, of: str) -> tuple[str, ...]:
    """`NAME="value"` for ENV and LABEL, which expand variables.

    Raises:
        UsageError: a value has a line break, which a Dockerfile cannot say.
    """
    return tuple(f"{name}={_quoted(value, name, of)}" for name, value in values)


def _quoted(value: str, name: str, of: str) -> str:
    if re.search(r"[\r\n]", value):
        raise UsageError(
            f"`{of}.{name}` has a line break, which a Dockerfile cannot say",
            hint="write it in one line, or let the program read it from a file of the app",
        )
    if re.fullmatch(r"[A-Za-z0-9_./:@%+,=-]+", value):
        return value
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def in_history(instruction: str, words: str) -> str:
    """How BuildKit's history has an instruction of ours, less its build arguments; see `normal`."""
    shell = "/bin/sh -c " if instruction == "RUN" else ""
    return normal(f"{instruction} {shell}{words} # buildkit")


def normal(created_by: str) -> str:
    """An entry of the history in one spelling: `RUN |1 A=b /bin/sh -c …` without arguments, single spaces."""
    text = " ".join(created_by.split())
    return re.sub(r"^RUN \|\d+ .*? /bin/sh -c ", "RUN /bin/sh -c ", text)
