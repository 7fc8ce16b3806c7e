"""BuildKit's layers to the planned ones: RECORD tells whose a file is, the instruction tells the rest.

BuildKit has a layer for each instruction, mlimage one for each package. Files of the packages' instruction go
to the layer of their package; the runtime and the application are copied by instructions of their own; what
any other instruction wrote is a step's. The layer of the steps lies above all: a step may change everything.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath

from mlimage.content.entry import Entry, Kind, arrange, file_of_bytes
from mlimage.content.installed import installed_packages
from mlimage.engines.docker.noise import without_noise
from mlimage.engines.docker.output import OutputLayer, entries_of
from mlimage.errors import BuildError
from mlimage.oci.tree import OPAQUE, WHITEOUT
from mlimage.oci.untar import Member, MemberKind
from mlimage.plan.config import APP, ROLES
from mlimage.plan.model import AppLayer, AptLayer, BuildPlan, PackageLayer, RuntimeLayer, StepsLayer
from mlimage.render.instructions import RUNTIME, app_words, debs_command, in_history, packages_command

_VENV = "opt/venv"


class _Author(Enum):
    """Whose an instruction is."""

    PACKAGES = "packages"
    RUNTIME = "runtime"
    APP = "app"
    FOLDER = "folder"
    APT = "apt"
    STEP = "step"


_FREE = frozenset({_Author.STEP, _Author.APT})
"""Who may remove files, and write anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recut:
    """The files of a build by planned layer; see `engines.work.Made`.

    Attributes:
        by_package: installed files of each package, by its normalized name.
        by_layer: files of the layers that no lock names, by name of the layer.
        dropped: paths that are in no layer: what venv and pip leave beside the packages, and noise of steps.
        incapable: files that a step gave capabilities (`setcap`), which no layer of mlimage's keeps.
    """

    by_package: Mapping[str, Sequence[Entry]]
    by_layer: Mapping[str, Sequence[Entry]]
    dropped: tuple[str, ...]
    incapable: tuple[str, ...] = ()

    def packages(self, layer: PackageLayer) -> Sequence[Sequence[Entry]]:
        """The installed files of each package of a layer, without bytecode."""
        return tuple(self.by_package[package.name] for package in layer.packages)

    def own(self, layer: RuntimeLayer | AppLayer | StepsLayer | AptLayer) -> Sequence[Entry]:
        """The files of a layer that no lock names."""
        return self.by_layer[layer.name]


def recut(plan: BuildPlan, layers: Sequence[OutputLayer], *, folders: Sequence[Entry]) -> Recut:
    """Share out what BuildKit built.

    Args:
        plan: what was to be built.
        layers: what came out above the base, bottom first.
        folders: those of the runtime's layer, as planned: BuildKit has them in whichever layer made them.

    Raises:
        BuildError: an instruction of mlimage's own is not there once, a package is missing or too many, or a
            step left what no layer can hold.
    """
    authors = _authors(plan)
    seen = [authors.get(layer.instruction, _Author.STEP) for layer in layers]
    for author in (_Author.PACKAGES, _Author.RUNTIME, _Author.APP):
        if seen.count(author) != 1:
            raise BuildError(
                f"BuildKit built {seen.count(author)} layers of the {author.value}, where one is right",
                hint="does a block of the template repeat an instruction of mlimage's own, or set another "
                "SHELL?",
            )
    merge = _Merge()
    for author, layer in zip(seen, layers, strict=True):
        merge.lay(author, layer)
    installed, owned = installed_packages(
        merge.of[_Author.PACKAGES], library=f"{_VENV}/lib/python{plan.python}/site-packages"
    )
    by_package = {package.name: package.entries for package in installed}
    _check_packages(plan, by_package)
    steps, noise = _steps(merge.of[_Author.STEP])
    unowned = [
        path
        for path, entry in merge.of[_Author.PACKAGES].items()
        if path not in owned and entry.kind is not Kind.DIRECTORY and path not in merge.of[_Author.RUNTIME]
    ]
    debs, more = _steps(merge.of[_Author.APT])
    own = {
        RuntimeLayer: _runtime(merge, folders), AppLayer: _app(merge), StepsLayer: steps, AptLayer: debs,
    }  # fmt: skip
    return Recut(
        by_package=by_package,
        by_layer={layer.name: own[type(layer)] for layer in plan.layers if type(layer) in own},
        dropped=tuple(sorted([*unowned, *noise, *more])),
        incapable=tuple(sorted(merge.capable)),
    )


def _authors(plan: BuildPlan) -> dict[str, _Author]:
    return {
        in_history("RUN", packages_command(plan)): _Author.PACKAGES,
        in_history("RUN", debs_command()): _Author.APT,
        in_history("COPY", f"{RUNTIME} /"): _Author.RUNTIME,
        in_history("COPY", " ".join(app_words(plan))): _Author.APP,
        f"WORKDIR {plan.config.working_directory}": _Author.FOLDER,
    }


def _check_packages(plan: BuildPlan, found: Mapping[str, object]) -> None:
    wanted = {
        package.name for layer in plan.layers if isinstance(layer, PackageLayer) for package in layer.packages
    }
    if wanted != set(found):
        missing, more = sorted(wanted - set(found)), sorted(set(found) - wanted)
        raise BuildError(
            "pip did not install what the lock names:"
            + "".join(f"\n  `{name}` is missing" for name in missing)
            + "".join(f"\n  `{name}` is not in the lock" for name in more)
        )


def _runtime(merge: "_Merge", folders: Sequence[Entry]) -> tuple[Entry, ...]:
    copied = merge.of[_Author.RUNTIME].items()
    files = (
        entry
        for path, entry in copied
        if entry.kind is not Kind.DIRECTORY and path != ROLES and not path.startswith(f"{APP}/")
    )
    return arrange([*files, *folders])


def _app(merge: "_Merge") -> tuple[Entry, ...]:
    """As `content.app` makes them: no empty folders, modes and names as a fresh clone has them anywhere."""
    roles = merge.of[_Author.RUNTIME].get(ROLES)
    if roles is None:
        raise BuildError(f"BuildKit left `/{ROLES}` out")
    laid = _clean(merge.of[_Author.RUNTIME])
    return arrange([replace(roles, mode=0o644), *laid, *_clean(merge.of[_Author.APP])])


def _clean(entries: Mapping[str, Entry]) -> Iterator[Entry]:
    for entry in entries.values():
        if entry.kind is Kind.DIRECTORY or not entry.path.startswith(f"{APP}/"):
            continue
        path = unicodedata.normalize("NFC", entry.path)
        if entry.kind is Kind.SYMLINK:
            target = PurePosixPath(unicodedata.normalize("NFC", entry.target)).as_posix()
            yield replace(entry, path=path, target=target, uid=0, gid=0)
        else:
            yield replace(entry, path=path, mode=_mode(entry), uid=0, gid=0)


def _mode(entry: Entry) -> int:
    """The mode of something of the application, whatever the umask under which it was cloned."""
    if entry.kind is Kind.FILE:
        return 0o755 if entry.mode & 0o100 else 0o644
    return 0o755 if entry.kind is Kind.DIRECTORY else entry.mode


def _steps(entries: Mapping[str, Entry]) -> tuple[tuple[Entry, ...], list[str]]:
    kept = []
    dropped = []
    for path, entry in entries.items():
        clean = without_noise(entry)
        if clean is None:
            dropped.append(path)
        else:
            kept.append(clean)
    return arrange(kept), dropped


@dataclass(slots=True)
class _Merge:
    """What each author wrote and nobody wrote over, by path. A step's entries may be whiteouts."""

    of: dict[_Author, dict[str, Entry]] = field(default_factory=lambda: {author: {} for author in _Author})
    capable: set[str] = field(default_factory=set)

    def lay(self, author: _Author, layer: OutputLayer) -> None:
        """Lay a layer onto those before. It hides nothing of its own, wherever in it a whiteout stands."""
        members = [(path, each) for each in entries_of(layer) if (path := _path(each[0]))]
        hiding = [path for path, _ in members if _name(path).startswith(WHITEOUT)]
        for path in hiding:
            self._hide(author, path, layer.instruction)
        for path, (member, entry) in members:
            if member.capable:
                self.capable.add(path)
            if not _name(path).startswith(WHITEOUT):
                self._place(author, path, self._found(author, path, member, entry))

    def _hide(self, author: _Author, path: str, origin: str) -> None:
        """What mlimage's own instructions remove is gone where a step wrote it; they remove nothing else."""
        mine = self.of[author if author in _FREE else _Author.STEP]
        folder, _, name = path.rpartition("/")
        if name == OPAQUE:
            _empty(mine, folder)
        else:
            _remove(mine, _join(folder, name[len(WHITEOUT) :]))
        if author in _FREE:
            mine[path] = file_of_bytes(path, b"", origin=origin)

    def _found(self, author: _Author, path: str, member: Member, entry: Entry | None) -> Entry:
        """The entry of a member; a hard link becomes a file of its own."""
        if member.kind is MemberKind.HARD_LINK:
            target = member.target.strip("/")
            linked = next(
                (each[target] for each in (self.of[author], *self.of.values()) if target in each), None
            )
            if linked is None or linked.kind is not Kind.FILE:
                raise BuildError(f"a step left the hard link `/{path}` to `/{target}`, which is no file")
            return replace(linked, path=path)
        if entry is None:
            raise BuildError(
                f"a step left `/{path}`, which is a {member.kind.value}: images have none",
                hint="remove it at the end of the step",
            )
        return entry

    def _place(self, author: _Author, path: str, entry: Entry) -> None:
        if author in _FREE:
            _write(self.of[author], path, self._as_cloned(path, entry))
            return
        steps = self.of[_Author.STEP]
        _refuse_hidden(steps, path)
        # Mlimage's own instructions write over what a step wrote before; the mode of a folder stays a step's.
        if not (entry.kind is Kind.DIRECTORY and path in steps and steps[path].kind is Kind.DIRECTORY):
            _remove(steps, path)
        self.of[author][path] = entry

    def _as_cloned(self, path: str, entry: Entry) -> Entry:
        """What of the application a step leaves with its mode: the mode is not that of this checkout."""
        before = self.of[_Author.APP].get(path)
        if before is None or (before.kind, before.mode) != (entry.kind, entry.mode):
            return entry
        if path in self.of[_Author.STEP]:  # a folder that a step made, or gave its mode, before
            return entry
        return replace(entry, mode=_mode(entry))


def _path(member: Member) -> str:
    """The path in the image; empty for its root."""
    path = member.path.strip("/")
    if path in {"", "."}:
        return ""
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise BuildError(f"BuildKit gave an entry outside of the image: {member.path!r}")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise BuildError(f"a step left a file whose name is not UTF-8: {path!r}") from None
    return path


def _write(files: dict[str, Entry], path: str, entry: Entry) -> None:
    """A folder in the place of something that hid one of the layers below hides that one still."""
    folder, _, name = path.rpartition("/")
    before = files.get(path)
    hid = files.pop(_join(folder, WHITEOUT + name), None) or (before and before.kind is not Kind.DIRECTORY)
    if entry.kind is not Kind.DIRECTORY:
        _remove(files, path)
    elif hid:
        opaque = _join(path, OPAQUE)
        files[opaque] = file_of_bytes(opaque, b"", origin=entry.origin)
    files[path] = entry


def _remove(files: dict[str, Entry], path: str) -> None:
    entry = files.pop(path, None)
    if entry is not None and entry.kind is Kind.DIRECTORY:
        _empty(files, path)


def _empty(files: dict[str, Entry], folder: str) -> None:
    for below in [each for each in files if each.startswith(f"{folder}/")]:
        del files[below]


def _refuse_hidden(steps: Mapping[str, Entry], path: str) -> None:
    """The layer of the steps lies above all: what it hides cannot be written afterwards."""
    at = path if steps else ""
    while at:
        folder, _, name = at.rpartition("/")
        if _join(folder, WHITEOUT + name) in steps or (folder and _join(folder, OPAQUE) in steps):
            raise BuildError(
                f"a step removed `/{at}`, and the build writes there again afterwards",
                hint="let the step run later: `at: after-app`",
            )
        at = folder


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _name(path: str) -> str:
    return path.rpartition("/")[2]
