"""Which files of an index the target can install, and which one of a version pip would take."""

from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import product

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from mlimage.content.interpreter import Target
from mlimage.digest import Digest
from mlimage.errors import ResolveError
from mlimage.lock.files import IndexFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A wheel that the target can install.

    Attributes:
        file: what the index says about it.
        version: its version.
        rank: pip's preference among the files of one version; the smallest wins.
    """

    file: IndexFile
    version: Version
    rank: tuple[bool, int, tuple[int, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The file that is locked, and the digests of all that pip may install in its place."""

    file: IndexFile
    sha256: Digest
    hashes: tuple[Digest, ...]


def offered(
    files: Iterable[IndexFile], *, as_of: datetime | None, tags: AbstractSet[Tag], python: str
) -> tuple[IndexFile, ...]:
    """The wheels that the resolver may see.

    What the target's python is too new for is left out here, since uv does not count upper bounds of it.
    A wheel without a sha256 stays in: dropping it would quietly give an older version, while choosing it is
    an error that the lock can explain.

    Args:
        files: of one project; of several with one name the first counts.
        as_of: nothing that came later is offered; a file whose date the index does not tell stays in.
        tags: what the target's interpreter takes.
        python: its version.
    """
    kept: dict[str, IndexFile] = {}
    tagged = _Tagged({str(tag) for tag in tags})
    for file in files:
        if (
            file.filename not in kept
            and tagged(file.filename)
            and not _newer(file, as_of)
            and _fits(file, tags)
            and accepts(file.requires_python, python)
        ):
            kept[file.filename] = file
    return tuple(kept.values())


def candidates(files: Iterable[IndexFile], target: Target, as_of: datetime | None) -> tuple[Candidate, ...]:
    """The wheels that the target can install.

    Args:
        files: of one project.
        target: the image's python.
        as_of: files known to be newer do not count; None: all count.
    """
    ranks = {tag: rank for rank, tag in enumerate(target.tags)}
    tagged = _Tagged(ranks)
    return tuple(
        candidate
        for file in files
        if file.is_wheel
        and tagged(file.filename)
        and not _newer(file, as_of)
        and accepts(file.requires_python, target.version)
        and (candidate := _candidate(file, ranks)) is not None
    )


def choose(found: Sequence[Candidate], version: Version) -> Chosen | None:
    """The file that pip takes for this version: not withdrawn, the best tag, the highest build number.

    Raises:
        ResolveError: the index gives no sha256 for it.
    """
    ordered = sorted(
        (candidate for candidate in found if candidate.version == version),
        key=lambda candidate: candidate.rank,
    )
    if not ordered:
        return None
    best = ordered[0].file
    if best.sha256 is None:
        raise ResolveError(
            f"index `{best.index}` gives no sha256 for `{best.filename}`, so it cannot be locked",
            hint="use an index that names the digests of its files (`#sha256=…`), or a mirror that does",
        )
    # The digests of other files are for pip, which may prefer one of them elsewhere.
    hashes = {candidate.file.sha256 for candidate in ordered if candidate.file.sha256 is not None}
    return Chosen(file=best, sha256=best.sha256, hashes=tuple(sorted(hashes)))


class _Tagged:
    """Whether a wheel's name ends with one of the tags: said soon, and most of a page's thousands do not.

    Whether it is the name of a wheel at all is for others.
    """

    def __init__(self, tags: Container[str]) -> None:
        self._tags = tags
        self._known: dict[tuple[str, ...], bool] = {}

    def __call__(self, filename: str) -> bool:
        parts = tuple(filename.removesuffix(".whl").lower().rsplit("-", 3)[1:])
        if parts not in self._known:
            written = product(*(part.split(".") for part in parts))
            self._known[parts] = any("-".join(tag) in self._tags for tag in written)
        return self._known[parts]


def _fits(file: IndexFile, tags: AbstractSet[Tag]) -> bool:
    try:
        name, _, _, own = parse_wheel_filename(file.filename)
    except ValueError:
        return False
    return name == file.project and not own.isdisjoint(tags)


def _newer(file: IndexFile, as_of: datetime | None) -> bool:
    return as_of is not None and file.upload_time is not None and file.upload_time > as_of


@lru_cache(maxsize=1024)
def accepts(requires_python: str | None, version: str) -> bool:
    """Whether a python of this version may have a file; as for pip, what cannot be read forbids nothing."""
    if not requires_python:
        return True
    try:
        return SpecifierSet(requires_python).contains(version, prereleases=True)
    except ValueError:
        return True


def _candidate(file: IndexFile, ranks: Mapping[str, int]) -> Candidate | None:
    try:
        _, version, build, tags = parse_wheel_filename(file.filename)
    except ValueError:
        return None
    rank = min((ranks[text] for tag in tags if (text := str(tag)) in ranks), default=None)
    if rank is None:
        return None
    number, suffix = build or (-1, "")
    # A higher build number wins; its suffix decides only between equal numbers, so its order hardly matters.
    return Candidate(
        file=file, version=version, rank=(file.yanked is not None, rank, (-number, suffix), file.filename)
    )
