"""The layers that no lock names, as runtime and application. Their own bytes are their key."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Final

from mlimage.bounds import shown
from mlimage.content.app import app_entries, files_below, left_out
from mlimage.content.entry import Entry, Kind, arrange, file_of_bytes
from mlimage.content.runtime import runtime_entries
from mlimage.digest import Digest, canonical_json
from mlimage.engines.golden import golden_files
from mlimage.errors import BuildError, reason_of
from mlimage.lock.model import ImageBase
from mlimage.plan.config import APP, ROLES
from mlimage.plan.layers import SEAL_VERSION
from mlimage.plan.model import AppLayer, BuildPlan, Compression, GoldenLayer, RecipeLayer, RuntimeLayer

_LARGE: Final = 100_000_000
"""A file of an application from this size on is most likely data or a model that got there by mistake."""
_FIRST_LINE: Final = 256
"""Bytes that Linux reads of a script to find its program (BINPRM_BUF_SIZE)."""
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_NAMED: Final = 5
"""Files that are named, of those left out."""

OwnLayer = RuntimeLayer | RecipeLayer | AppLayer | GoldenLayer


def own_files(layer: OwnLayer, plan: BuildPlan, folder: Path) -> tuple[Entry, ...]:
    """The files of a layer that no lock names."""
    match layer:
        case RuntimeLayer():
            program = plan.base.installation.program if isinstance(plan.base, ImageBase) else None
            return arrange(runtime_entries(plan.python, program=program))
        case RecipeLayer():
            return arrange([file_of_bytes(path, content, origin="recipe") for path, content in layer.files])
        case AppLayer():
            roles = file_of_bytes(ROLES, layer.roles, origin="roles")
            entries = app_entries(
                folder / layer.source,
                ignore=layer.ignore,
                destination=APP,
                data=layer.data,
                links=dict(layer.links),
            )
            return arrange([*entries, roles])
        case GoldenLayer():
            return golden_files(layer, plan, folder)


def covered(layer: AppLayer, folder: Path) -> tuple[str, ...]:
    """What to say of what the application has where it looks for data and models, which stays out.

    Raises:
        BuildError: a module is among it, which the program would not find.
    """
    source = folder / layer.source
    found = []
    for place, target in layer.links:
        if (source / place).is_symlink() and str((source / place).readlink()) == target:
            continue
        files = files_below(source, place, ignore=layer.ignore)
        module = next((path for path in files if path.endswith(".py")), None)
        if module is not None:
            raise BuildError(
                f"the app's `{module}` would not be in the image, which has `{target}` at `{place}`",
                hint="move it, change the place (`at:`), or add it to `app.ignore` if nothing imports it",
            )
        if files:
            count = "1 file" if len(files) == 1 else f"{len(files)} files"
            what = f"`{place}`" if files == (place,) else f"`{place}` ({count})"
            found.append(f"left out of the image: the app's {what}, where a run has `{target}`")
    return tuple(found)


def large_files(entries: Sequence[Entry]) -> tuple[str, ...]:
    """What to say of files that are most likely in the application by mistake, largest first."""
    found = sorted((-entry.size, entry.path) for entry in entries if entry.size >= _LARGE)
    return tuple(
        f"`{path}` has {-size / 1e6:.0f} MB and goes into the image; data and models stay outside: "
        f"ignore it in `app.ignore` or .dockerignore"
        for size, path in found
    )


def said_of_app(layer: AppLayer, folder: Path) -> str | None:
    """What to say of what patterns leave out of the application; None where they leave out nothing."""
    paths = left_out(folder / layer.source, layer.ignore)
    if not paths:
        return None
    named = ", ".join(f"`{shown(path)}`" for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"ignored, so not in the app: {named}{more}"


def unstartable_scripts(entries: Sequence[Entry], layer: AppLayer, folder: Path) -> tuple[str, ...]:
    """What to say of the application's scripts that do not start, since their first line ends in CRLF.

    Of files that nobody may execute, those for a shell alone: python reads such a file all the same.
    """
    found = []
    for entry in entries:
        if entry.kind is not Kind.FILE or entry.open is None or not entry.path.startswith(f"{APP}/"):
            continue
        try:
            with entry.open() as stream:
                first = stream.read(_FIRST_LINE).partition(b"\n")[0]
        except OSError as error:
            raise BuildError(f"cannot read `{entry.path}`: {reason_of(error)}") from error
        line = first.decode(errors="replace").strip()
        words = line.removeprefix("#!").split()
        if not first.startswith(b"#!") or not first.endswith(b"\r") or not words:
            continue
        if entry.mode & 0o100 or any(word.rpartition("/")[2] in _SHELLS for word in words):
            file = Path("images", folder.name, layer.source, entry.path.removeprefix(f"{APP}/"))
            found.append(
                f"`{shown(entry.path)}` has lines that end in CRLF, and Linux takes the CR for a part of "
                f"`{line}`, so that it does not start; `sed -i 's/\\r$//' {quote(str(file))}` mends it"
            )
    return tuple(found)


def key_of_own(entries: Sequence[Entry], compression: Compression) -> Digest:
    """The key of a layer that no lock names: its files themselves. Reads each of them once."""
    listing = [
        [entry.path, entry.kind.value, entry.mode, entry.uid, entry.gid, entry.target, _content(entry)]
        for entry in entries
    ]
    return Digest.of(
        canonical_json({"seal": SEAL_VERSION, "kind": "own", "files": listing, "compression": compression})
    )


def _content(entry: Entry) -> str:
    if entry.kind is not Kind.FILE or entry.open is None:
        return ""
    try:
        with entry.open() as stream:
            return Digest.of_stream(stream)
    except OSError as error:
        raise BuildError(f"cannot read `{entry.path}`: {reason_of(error)}") from error
