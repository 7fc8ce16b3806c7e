"""`mlimage lock`."""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    VariantOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlimage.cli.screen import Screen
    from mlimage.lock.changes import Change
    from mlimage.lock.lock import Locked
    from mlimage.lock.model import Lock
    from mlimage.spec.load import LoadedSpec
    from mlimage.spec.project import Project
    from mlimage.spec.tags import ImageTag


def lock(
    names: NamesArgument = None,
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only say whether the locks are up to date, offline; exit status 4 if not."
        ),
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", "-U", help="Take the newest of everything that the spec allows.")
    ] = False,
    upgrade_package: Annotated[
        list[str] | None,
        typer.Option(
            "--upgrade-package",
            "-P",
            metavar="NAME",
            help="Take the newest of this package in each image that has it, and move others only as far as "
            "it must; may be repeated.",
            show_default=False,
        ),
    ] = None,
    resolver: Annotated[
        Literal["pip-compile", "uv"] | None,
        typer.Option(
            "--resolver",
            metavar="pip-compile|uv",
            help="What decides versions, whatever the spec says; uv is quicker, and has to be installed.",
            show_default=False,
        ),
    ] = None,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Resolve every wheel and .deb to a name and a SHA-256, and write the lock files.

    A base that is an image of a registry is locked by its digests; `--upgrade` takes what its tag means now.
    A lock that is up to date is left as it is. When the spec has changed, versions move only where they must.
    Platforms that this machine cannot run are resolved by uv.
    A first lock is summed up; later, what changed is listed: read it, then commit the folder `lockfiles/`.
    Of several images each is locked, whether others can be or not; one that cannot makes the command fail.

    Examples:
      mlimage lock                         every image of the project
      mlimage lock churn                   one image
      mlimage lock --check                 is every lock up to date? (for CI)
      mlimage lock churn --upgrade         the newest of everything
      mlimage lock churn -P numpy          the newest numpy
      mlimage lock --resolver uv           sooner (pip install 'mlimage-builder[uv]')
    """
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.spec.project import find_project
    from mlimage.spec.tags import lock_tags

    if check and (upgrade or upgrade_package):
        raise UsageError("`--check` changes nothing, so it cannot upgrade", hint="leave out one of them")
    if upgrade and upgrade_package:
        raise UsageError("`--upgrade` upgrades everything", hint="leave out `--upgrade-package`")
    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    chosen = found.select(names or (), variant=variant, platform=platform, tags=lock_tags)
    if check:
        _check(chosen, found, screen, json=json)
    else:
        _lock(
            chosen,
            found,
            screen,
            everything=upgrade,
            packages=tuple(upgrade_package or ()),
            resolver=resolver,
            json=json,
        )


def _check(
    chosen: "Sequence[tuple[LoadedSpec, ImageTag]]", project: "Project", screen: "Screen", *, json: bool
) -> None:
    from mlimage.errors import LockError
    from mlimage.lock.check import check
    from mlimage.lock.text import read_lock
    from mlimage.lock.variants import check_variants

    failed: list[LockError] = []
    results: list[dict[str, Any]] = []
    read: dict[str, dict[ImageTag, Lock]] = {}
    for loaded, tag in chosen:
        name = f"{loaded.spec.name}:{tag}"
        problem: LockError | None = None
        try:
            lock = read_lock(project.lock_folder(loaded.spec.name), tag)
            check(loaded, lock)
            locks = read.setdefault(loaded.spec.name, {})
            locks[tag] = lock
            check_variants(loaded, locks)
        except LockError as error:
            problem = error
            failed.append(error)
        else:
            screen.say(f"{name} is up to date")
        results.append({
            "image": loaded.spec.name, "variant": tag.variant, "platform": str(tag.platform),
            "up_to_date": problem is None, "problem": str(problem) if problem else None,
        })  # fmt: skip
    if json:
        screen.json(results)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise LockError(
            f"{len(failed)} of {len(chosen)} locks cannot be used:\n" + "\n".join(map(str, failed)),
            hint="`mlimage lock` brings them up to date",
        )


def _lock(
    chosen: "Sequence[tuple[LoadedSpec, ImageTag]]",
    project: "Project",
    screen: "Screen",
    *,
    everything: bool,
    packages: tuple[str, ...],
    resolver: str | None,
    json: bool,
) -> None:
    from mlimage.cache import default_cache
    from mlimage.errors import MlimageError, together
    from mlimage.lock.chain import lock_all
    from mlimage.lock.changes import Upgrade
    from mlimage.lock.lock import shared_upgrades
    from mlimage.lock.resolvers import resolver_for
    from mlimage.lock.shared import Shared
    from mlimage.lock.sources import Sources
    from mlimage.lock.text import write_lock
    from mlimage.lock.together import never_together
    from mlimage.oci.images import RegistryImages
    from mlimage.platforms import native_platform
    from mlimage.process import run

    cache = default_cache(os.environ)
    now = datetime.now(UTC)
    host = native_platform()
    results = []
    failed: dict[str, MlimageError] = {}
    images = _by_image(chosen)
    previous = {loaded.spec.name: _all_previous(project, loaded, screen) for loaded, _ in images}
    upgraded = shared_upgrades(
        packages, {loaded.spec.name: (loaded, previous[loaded.spec.name]) for loaded, _ in images}
    )
    images = [(loaded, tags) for loaded, tags in images if loaded.spec.name in upgraded]
    with cache.in_use(), Shared(environ=os.environ, progress=screen.progress) as shared:
        for loaded, tags in images:
            name = loaded.spec.name
            folder = project.lock_folder(name)
            try:
                locked = lock_all(
                    loaded,
                    tags,
                    previous=previous[name],
                    upgrade=Upgrade(everything=everything, packages=upgraded[name]),
                    now=now,
                    open_sources=partial(
                        Sources,
                        loaded.spec,
                        cache=cache,
                        environ=os.environ,
                        progress=screen.progress,
                        open_images=RegistryImages,
                        shared=shared,
                    ),
                    run=run,
                    resolvers=partial(
                        resolver_for, name=resolver or loaded.spec.resolver, host=host, environ=os.environ
                    ),
                    places=partial(_places, project, name),
                    host=host,
                )
            except MlimageError as error:  # what other images have does not depend on this one
                failed[name] = error
                continue
            others: list[Lock] = []
            for each in locked:
                written = write_lock(folder, each.lock)
                _show(screen, each, first=each.lock.tag not in previous[name], others=others, written=written)
                others.append(each.lock)
                results.append(_result(each, written))
            locks = {**previous[name], **{each.lock.tag: each.lock for each in locked}}
            for warning in never_together(loaded, locks.values()):
                screen.warn(warning)
    if json:
        screen.json(results)
    if failed:
        what = f"{len(failed)} of {len(images)} images could not be locked ({', '.join(failed)})"
        raise together(list(failed.values()), what)


def _by_image(
    chosen: "Sequence[tuple[LoadedSpec, ImageTag]]",
) -> "list[tuple[LoadedSpec, list[ImageTag]]]":
    found: dict[str, tuple[LoadedSpec, list[ImageTag]]] = {}
    for loaded, tag in chosen:
        found.setdefault(loaded.spec.name, (loaded, []))[1].append(tag)
    return list(found.values())


def _places(project: "Project", name: str) -> "Mapping[str, str]":
    from mlimage.lock.base import package_places
    from mlimage.regular import read_file
    from mlimage.spec.text import MOST_BYTES

    file = project.spec_file(name)
    return package_places(read_file(file, MOST_BYTES, follow=True), f"images/{name}/{file.name}")


def _all_previous(project: "Project", loaded: "LoadedSpec", screen: "Screen") -> "dict[ImageTag, Lock]":
    from mlimage.spec.tags import lock_tags

    folder = project.lock_folder(loaded.spec.name)
    found = {tag: _previous(folder, tag, screen) for tag in lock_tags(loaded.spec)}
    return {tag: lock for tag, lock in found.items() if lock is not None}


def _previous(folder: Path, tag: "ImageTag", screen: "Screen") -> "Lock | None":
    """The lock that is there. One that cannot be read is made anew, and that is said."""
    from mlimage.errors import LockError
    from mlimage.lock.text import read_lock

    if not (folder / f"{tag}.toml").exists():
        return None
    try:
        return read_lock(folder, tag)
    except LockError as error:
        screen.warn(f"{error}; everything is locked anew")
        return None


def _show(
    screen: "Screen", locked: "Locked", *, first: bool, others: "Sequence[Lock]", written: "Sequence[Path]"
) -> None:
    from mlimage.cli.style import size_text

    lock = locked.lock
    name = lock.name
    if locked.fresh:
        screen.say(f"{name} is up to date")
        return
    wheels = sum(package.size for package in lock.packages)
    if first:
        screen.say(f"{name}: {_summary_text(lock, others)}")
    elif locked.changes:
        screen.table(
            f"{name}: what changed",
            ("package", "", "before", "now", "size", "note"),
            [_row(change) for change in locked.changes],
        )
    else:
        screen.say(f"{name}: no package changed")
    screen.say(
        f"{name}: {_base_text(lock)} and "
        f"{len(lock.packages)} wheel{'' if len(lock.packages) == 1 else 's'} ({size_text(wheels)}), "
        f"as of {lock.as_of:%Y-%m-%d %H:%M:%S} UTC; "
        + (f"wrote {', '.join(path.name for path in written)}" if written else "the files stay as they were")
    )
    for change in locked.changes:
        if change.note.startswith("yanked"):
            screen.warn(f"`{change.name}=={change.new}` was withdrawn by its authors ({change.note})")


def _summary_text(lock: "Lock", others: "Sequence[Lock]") -> str:
    from mlimage.cli.style import size_text
    from mlimage.lock.summary import summary

    found = summary(lock, others)
    text = (
        f"{found.asked} package{'' if found.asked == 1 else 's'} as asked for, {found.needed} that they need"
    )
    if found.largest:
        largest = (f"{each.name} {each.version} ({size_text(each.size)})" for each in found.largest)
        text += f"; the largest: {', '.join(largest)}"
    if found.like and found.shared:
        text += f"; {found.shared} are those of `{found.like.tag}`"
    return text


def _base_text(lock: "Lock") -> str:
    from mlimage.cli.style import size_text
    from mlimage.lock.model import ImageBase

    parts = []
    if isinstance(lock.base, ImageBase):
        layers = lock.base.layers
        count = f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"
        parts.append(
            f"{lock.base.repository} with python {lock.base.installation.version} "
            f"({count}, {size_text(sum(layer.size for layer in layers))})"
        )
    if lock.base.debs or not parts:
        parts.append(f"{len(lock.base.debs)} debs ({size_text(sum(deb.size for deb in lock.base.debs))})")
    return ", ".join(parts)


def _row(change: "Change") -> tuple[str, ...]:
    from mlimage.cli.style import size_text

    sign = "-" if change.size < 0 else "+"
    return (
        change.name,
        change.kind,
        change.old or "-",
        change.new or "-",
        f"{sign}{size_text(abs(change.size))}" if change.size else "",
        change.note if change.note or change.what == "changed" else change.what,
    )


def _result(locked: "Locked", written: "Sequence[Path]") -> dict[str, Any]:
    from mlimage.lock.model import ImageBase

    lock = locked.lock
    return {
        "image": lock.image,
        "variant": lock.variant,
        "platform": str(lock.base.platform),
        "up_to_date": locked.fresh,
        "inputs": lock.inputs,
        "as_of": lock.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "base": lock.base.manifest if isinstance(lock.base, ImageBase) else None,
        "debs": len(lock.base.debs),
        "wheels": len(lock.packages),
        "written": [path.name for path in written],
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "old": change.old,
                "new": change.new,
                "size": change.size,
                "note": change.note,
            }
            for change in locked.changes
        ],
    }
