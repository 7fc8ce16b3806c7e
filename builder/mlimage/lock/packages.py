"""Locks the packages: versions by a resolver for the target, then the one file of each from its index."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from packaging.requirements import Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.atomic import temporary_folder
from mlimage.content.interpreter import Interpreter, Target
from mlimage.errors import MlimageError, ResolveError
from mlimage.lock.askers import askers, requires_of
from mlimage.lock.changes import Upgrade
from mlimage.lock.check import normalized
from mlimage.lock.files import IndexFile
from mlimage.lock.index import Indexes
from mlimage.lock.licenses import license_of
from mlimage.lock.model import Lock, LockedPackage
from mlimage.lock.resolver import Pin, Question, Resolver, UnresolvedError
from mlimage.lock.simple import serve_simple
from mlimage.lock.situation import Situation
from mlimage.lock.unfulfilled import unfulfilled
from mlimage.lock.wheels import Candidate, Chosen, candidates, choose
from mlimage.parallel import at_once
from mlimage.process import Runner, refuse_full
from mlimage.progress import Progress
from mlimage.spec.requirements import SpecRequirement


def lock_packages(
    requirements: Sequence[SpecRequirement],
    interpreter: Interpreter,
    target: Target,
    *,
    image: str,
    platforms: Sequence[str] = (),
    previous: Lock | None,
    constraints: Mapping[str, Version],
    upgrade: Upgrade,
    as_of: datetime | None,
    resolver: Resolver,
    indexes: Indexes,
    progress: Progress,
    run: Runner,
) -> tuple[tuple[LockedPackage, ...], Mapping[str, str]]:
    """The packages in order of their names, and remarks for people by name.

    Args:
        requirements: all that are in effect.
        interpreter: the image's python, which can be run where the resolver runs it.
        target: what that python is.
        image: name of the image, for messages.
        platforms: those that the image is for, likewise.
        previous: the lock before, whose versions are kept where the requirements allow it.
        constraints: versions that other locks have.
        upgrade: whose versions are not kept.
        as_of: files that came later do not count; None: all count.
        resolver: decides versions.
        indexes: where files come from.
        progress: where it is shown.
        run: starts processes.

    Raises:
        ResolveError: there is no solution, or a file cannot be locked.
        FetchError: an index cannot be reached.
    """
    pins = _resolve(
        requirements,
        interpreter,
        situation=Situation(
            image=image,
            requirements=requirements,
            target=target,
            python=interpreter.python,
            as_of=as_of,
            index_of=indexes.index_of,
            files=indexes.files,
            needs=lambda file: requires_of(indexes.metadata(file)),
            page_of=indexes.page,
            platforms=platforms,
        ),
        previous=None if upgrade.everything else previous,
        constraints=constraints,
        upgrade=upgrade,
        resolver=resolver,
        indexes=indexes,
        progress=progress,
        run=run,
    )
    kept = {} if previous is None else {package.name: package for package in previous.packages}
    found = {pin.name: candidates(indexes.files(pin.name), target, as_of) for pin in pins}
    chosen = {pin.name: _choose(pin, found[pin.name], kept.get(pin.name), upgrade, indexes) for pin in pins}
    metadata = {pin.name: indexes.metadata(chosen[pin.name].file) for pin in pins}
    asking = askers(
        metadata,
        [item.text for item in requirements],
        target.markers,
    )
    sizes = _sizes([item.file for item in chosen.values()], kept.values(), indexes, progress)
    packages = tuple(
        LockedPackage(
            name=pin.name,
            version=pin.version,
            index=chosen[pin.name].file.index,
            file=chosen[pin.name].file.filename,
            sha256=chosen[pin.name].sha256,
            size=sizes[chosen[pin.name].file.filename],
            hashes=chosen[pin.name].hashes,
            required_by=(*_asked_at(pin, requirements, target), *asking[pin.name]),
            license=license_of(metadata[pin.name]),
        )
        for pin in pins
    )
    return packages, {
        pin.name: note for pin in pins if (note := _note(pin, chosen[pin.name], found[pin.name], upgrade))
    }


def _note(pin: Pin, chosen: Chosen, found: Sequence[Candidate], upgrade: Upgrade) -> str:
    """What a person should know of a package: it was withdrawn, or did not move as far as was asked."""
    if chosen.file.yanked is not None:
        return f"yanked: {chosen.file.yanked}" if chosen.file.yanked else "yanked"
    if upgrade.names(pin.name):
        newest = max(
            (each.version for each in found if not each.version.is_prerelease and each.file.yanked is None),
            default=pin.version,
        )
        if newest > pin.version:
            return f"{newest} does not fit what is asked for or locked"
    return ""


def _resolve(
    requirements: Sequence[SpecRequirement],
    interpreter: Interpreter,
    *,
    situation: Situation,
    previous: Lock | None,
    constraints: Mapping[str, Version],
    upgrade: Upgrade,
    resolver: Resolver,
    indexes: Indexes,
    progress: Progress,
    run: Runner,
) -> tuple[Pin, ...]:
    seeds = {package.name: package.version for package in previous.packages} if previous else {}
    with (
        progress.task(f"resolving packages with {resolver.name}"),
        serve_simple(
            indexes,
            as_of=situation.as_of,
            tags=_tags(situation.target),
            python=situation.target.version,
            expected=[*(Requirement(item.text).name for item in requirements), *seeds],
        ) as server,
        temporary_folder("resolve") as scratch,
    ):
        try:
            pins = resolver.pins(
                Question(
                    interpreter=interpreter,
                    target=situation.target,
                    requirements=[normalized(item.text) for item in requirements],
                    index_url=server.url,
                    seeds=seeds,
                    constraints=constraints,
                    upgrade_packages=[canonicalize_name(name) for name in upgrade.packages],
                    scratch=scratch,
                ),
                lambda command: refuse_full(run(command), scratch),
            )
        except UnresolvedError as error:
            progress.detail(error.output)
            server.raise_defect()  # what it could not answer the resolver takes for not there
            # The resolver saw a package that is not there; that its index could not be asked is the reason.
            if server.failures:
                raise _placed(server.failures, requirements) from error
            # A resolver stops at the first of these, and the user would meet them one by one.
            raise (unfulfilled(situation) or resolver.explain(error.output, situation)) from error
        if server.failures:
            raise _placed(server.failures, requirements)
    return pins


def _placed(
    failures: Sequence[tuple[str, MlimageError]], requirements: Sequence[SpecRequirement]
) -> MlimageError:
    """The first error of an index, with where the spec asks for the package, if it does so itself."""
    project, error = failures[0]
    for item in requirements:
        if error.where is None and canonicalize_name(Requirement(item.text).name) == project:
            error.where = item.where
    return error


def _tags(target: Target) -> frozenset[Tag]:
    return frozenset(tag for text in target.tags for tag in parse_tag(text))


def _choose(
    pin: Pin, found: Sequence[Candidate], kept: LockedPackage | None, upgrade: Upgrade, indexes: Indexes
) -> Chosen:
    """The file of a pin: that of the lock before, if its version stays and the index still has it."""
    if (
        kept is not None
        and kept.version == pin.version
        and not (upgrade.everything or upgrade.names(pin.name))
    ):
        for each in found:
            if (each.file.filename, each.file.sha256, each.file.index) == (
                kept.file,
                kept.sha256,
                kept.index,
            ):
                return Chosen(file=each.file, sha256=kept.sha256, hashes=kept.hashes)
    chosen = choose(found, pin.version)
    if chosen is None:
        raise ResolveError(
            f"index `{indexes.index_of(pin.name)}` has no file of `{pin.name}=={pin.version}` any more",
            hint=f"`mlimage lock --upgrade-package {pin.name}` takes another version",
        )
    return chosen


def _asked_at(pin: Pin, requirements: Sequence[SpecRequirement], target: Target) -> tuple[str, ...]:
    """The places of the spec that ask for a package, as pip writes its sources."""
    places = set()
    for item in requirements:
        requirement = Requirement(item.text)
        applies = requirement.marker is None or requirement.marker.evaluate(dict(target.markers))
        if applies and canonicalize_name(requirement.name) == pin.name:
            file, colon, line = item.place.rpartition(":")
            places.add(f"-r {file if colon and line.isdigit() else item.place}")
    return tuple(sorted(places))


def _sizes(
    files: Sequence[IndexFile], kept: Iterable[LockedPackage], indexes: Indexes, progress: Progress
) -> Mapping[str, int]:
    known = {package.sha256: package.size for package in kept}

    def size_of(file: IndexFile) -> int:
        return known[file.sha256] if file.sha256 in known else indexes.size(file)

    with progress.task("sizes of the files", total=len(files)) as task:
        sizes: dict[str, int] = {}
        for file, size in zip(files, at_once(size_of, files), strict=True):
            sizes[file.filename] = size
            task.advance(1)
    return sizes
