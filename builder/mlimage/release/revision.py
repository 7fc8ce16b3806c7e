"""The revision of what an image was made of, as git knows it; nothing of the machine or of its user."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from mlimage.process import Command, Completed, Runner
from mlimage.redact import address

_NO_REPOSITORY: Final = "not a git repository"
_COMMIT: Final = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_SCP: Final = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9.-]{2,}):(?P<path>[^/:\\\s][^:\\\s]*)\Z")
_SCHEMES: Final = frozenset({"https", "http", "ssh", "git"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit.

    Attributes:
        commit: its name.
        repository: from where anybody gets it, `git+https://…`, without logins; None where only this machine
            has it.
        changed: whether the files are others than those of the commit.
    """

    commit: str
    repository: str | None
    changed: bool


def revision_of(
    folder: Path, inputs: Sequence[str], *, run: Runner, note: Callable[[str], None]
) -> Revision | None:
    """The commit that is checked out; None where git is missing, or knows nothing of the folder.

    Args:
        folder: of the project.
        inputs: paths in it that must be those of the commit.
        run: starts git.
        note: is told why git does not say.
    """

    def git(*arguments: str) -> Completed:
        # In English, since what it says is read; and without waiting for who else is at the index.
        environment = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        return run(Command(argv=("git", "-C", str(folder), *arguments), env=environment, inherit=True))

    try:
        head = git("rev-parse", "--verify", "HEAD")
    except FileNotFoundError:
        return None
    commit = head.text.strip()
    if head.status or not _COMMIT.match(commit):
        if _NO_REPOSITORY not in head.errors:
            said = head.errors.strip().partition("\n")[0].removeprefix("fatal: ")
            note(f"the provenance names no revision, because git says: {said}")
        return None
    status = git("status", "--porcelain", "--", *inputs)
    known = git("ls-files", "--error-unmatch", "--", *inputs)
    return Revision(
        commit=commit,
        repository=public_url(git("config", "--get", "remote.origin.url").text.strip()),
        changed=bool(status.status or status.text.strip() or known.status),
    )


def public_url(remote: str) -> str | None:
    """What a remote of git is called in provenance; None for a folder.

    >>> public_url("https://anna:s3cret@git.example/acme/churn.git")
    'git+https://git.example/acme/churn.git'
    >>> public_url("git@git.example:acme/churn.git")
    'git+ssh://git.example/acme/churn.git'
    """
    found = _SCP.match(remote)
    if found:
        return f"git+ssh://{found['host']}/{found['path']}"
    try:
        parts = urlsplit(address(remote))
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return None
    scheme = parts.scheme if parts.scheme == "git" else f"git+{parts.scheme}"
    return urlunsplit((scheme, parts.netloc, parts.path, "", ""))
