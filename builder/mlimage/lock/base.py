"""Locks an assembled base: which debs, with which scripts; and unpacks it, so that its python can resolve."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlimage.atomic import need_space, scratch_folder, temporary_folder
from mlimage.content.base import assemble
from mlimage.content.deb import read_control
from mlimage.content.interpreter import Interpreter
from mlimage.content.maintainer import check_scripts
from mlimage.errors import BuildError, FetchError, ResolveError
from mlimage.lock.apt import STAND_INS, Apt, archives_of, default_packages, find_keyring, unknown
from mlimage.lock.aptfiles import status
from mlimage.lock.inputs import Inputs
from mlimage.lock.model import AssembledBase, BaseLock, Deb, Wanted
from mlimage.lock.root import has_root, resolving_interpreter, root_folder, write_root
from mlimage.lock.sources import Sources
from mlimage.parallel import at_once
from mlimage.platforms import Platform
from mlimage.process import Runner
from mlimage.progress import Progress
from mlimage.spec import nodes
from mlimage.spec.explain import place
from mlimage.spec.source import read_yaml
from mlimage.spec.suites import PYTHON_OF_SUITE

_LISTS: Final = 100_000_000
"""Bytes without which apt is not started: bookworm's lists took 124 MB, and where the disk gets full while
it fetches them apt 2.6 waits for ever."""

IMAGE_PLACE: Final = "base.image"
"""By which name `package_places` tells where the image stands; no package has it."""


def requested(wanted: Wanted) -> tuple[str, ...]:
    """Everything that apt is asked for: what each base has, and what the spec adds."""
    return tuple(sorted({*default_packages(wanted.python), *wanted.packages}))


def reusable(previous: BaseLock | None, wanted: Wanted) -> AssembledBase | None:
    """The assembled base of the lock before, if it is what is wanted now."""
    if not isinstance(previous, AssembledBase):
        return None
    same = (previous.suite, previous.platform, previous.python, previous.packages) == (
        wanted.suite,
        wanted.platform,
        wanted.python,
        requested(wanted),
    )
    return previous if same else None


def assembled(
    wanted: Wanted,
    *,
    previous: BaseLock | None,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
) -> AssembledBase:
    """The base that is wanted: that of the lock before, or of another image of this run, or else by apt.

    Raises as `resolve_base` does.
    """
    for known in (previous, *sources.shared.bases):
        if base := reusable(known, wanted):
            return base
    base = resolve_base(wanted, places=places, sources=sources, run=run)
    sources.shared.bases.append(base)
    return base


def resolve_base(
    wanted: Wanted,
    *,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
) -> AssembledBase:
    """Resolve the base with apt, and fetch its debs to see which scripts they have.

    Args:
        wanted: what the user wrote.
        places: tells, when asked, where in the spec each added package stands, as `path:line:column`.
        sources: where the archives are and the debs come from.
        run: starts processes.

    Raises:
        ResolveError: an unknown package, no solution, or a script that mlimage does not know what to do for.
        FetchError: no mirror of the archives can be read, its signature does not hold, or it lacks a deb.
        UsageError: this machine has no apt, no keys, or no mirror.
    """
    if wanted.suite is None:
        raise ValueError("a base that is an image is not assembled")
    progress = sources.progress
    with opened_apt(wanted.suite, wanted.platform, sources=sources, run=run) as apt:
        with progress.task("apt: resolving the base"):
            _refuse_unknown(wanted, apt, places)
            stand_ins = {
                name: provides for name, provides in STAND_INS.items() if name not in wanted.packages
            }
            debs = apt.resolve(requested(wanted), status=status(stand_ins))
        image = f"python:{wanted.python}-slim-{wanted.suite}"
        return AssembledBase(
            suite=wanted.suite,
            platform=wanted.platform,
            python=wanted.python,
            packages=requested(wanted),
            debs=_with_scripts(debs, sources.inputs, progress, image=image),
        )


@contextmanager
def opened_apt(suite: str, platform: Platform, *, sources: Sources, run: Runner) -> Iterator[Apt]:
    """Apt with the lists of a suite, from the first mirror that has them. Raises as `resolve_base` does."""
    keyring, progress = find_keyring(), sources.progress
    failed: list[FetchError] = []
    for archives in archives_of(suite, sources.mirrors):
        with temporary_folder("apt") as scratch:
            need_space(scratch, _LISTS)
            apt = Apt(
                scratch,
                platform=platform,
                archives=archives,
                keyring=keyring,
                run=run,
                environ=sources.environ,
            )
            with progress.task(f"apt: lists of {suite}"):
                try:
                    apt.update()
                except FetchError as error:
                    failed.append(error)
                    progress.detail(str(error))
                    continue
            yield apt
            return
    raise failed[0]


def _refuse_unknown(wanted: Wanted, apt: Apt, places: Callable[[], Mapping[str, str]]) -> None:
    missing = unknown(requested(wanted), apt.names())
    if not missing:
        return
    if f"python{wanted.python}" in missing:
        suite = PYTHON_OF_SUITE.get(wanted.suite or "")
        raise ResolveError(
            f"Debian {wanted.suite} has no python {wanted.python}",
            hint=f'write `python: "{suite}"`' if suite else "take the python of the suite",
        )
    found = places()
    if len(missing) == 1:
        [(name, near)] = missing.items()
        raise ResolveError(
            f"Debian {wanted.suite} has no package `{name}`",
            where=found.get(name),
            hint=f"did you mean `{near}`?" if near else "look for it with `apt-cache search`",
        )
    lines = [
        f"  {found.get(name, 'base.packages')}: `{name}`" + (f" (did you mean `{near}`?)" if near else "")
        for name, near in missing.items()
    ]
    raise ResolveError("\n".join([f"Debian {wanted.suite} does not have these packages:", *lines]))


def package_places(content: bytes, path: str) -> Mapping[str, str]:
    """Where each package of `base.packages`, and `base.image`, stands in a spec, as `path:line:column`.

    Args:
        content: the spec's file, which is a good one.
        path: what messages call it.
    """
    root, _ = read_yaml(content, path=path)
    packages = nodes.at(root, ("base", "packages"))
    found = {}
    for number, item in enumerate(packages.items if isinstance(packages, nodes.Sequence) else ()):
        line, column = place(root, ("base", "packages", number))
        found[str(nodes.plain(item))] = f"{path}:{line}:{column}"
    if nodes.at(root, ("base", "image")) is not None:
        line, column = place(root, ("base", "image"))
        found[IMAGE_PLACE] = f"{path}:{line}:{column}"
    return found


def _with_scripts(debs: Sequence[Deb], inputs: Inputs, progress: Progress, *, image: str) -> tuple[Deb, ...]:
    """The debs with the digests of their scripts; `image` is of the same suite and has a dpkg."""
    total = sum(deb.size for deb in debs if not inputs.has(deb))
    with progress.task("fetching debs", total=total, unit="bytes") as task:
        paths = list(at_once(lambda deb: inputs.get(deb, task), debs))
    return tuple(_with_script(deb, path, image) for deb, path in zip(debs, paths, strict=True))


def _with_script(deb: Deb, path: Path, image: str) -> Deb:
    control = read_control(path)
    try:
        check_scripts(control)
    except BuildError as error:
        raise ResolveError(
            error.message,
            hint=f"{error.hint}; or write `base: {{image: {image}, packages: [{control.package}]}}`, "
            "where Docker runs them",
        ) from error
    return replace(deb, postinst=control.script("postinst"))


def unpacked(base: AssembledBase, sources: Sources) -> Interpreter:
    """The python of the base, which is unpacked for it if it is not yet.

    Raises:
        FetchError: a deb cannot be had.
        BuildError: the debs cannot be assembled.
    """
    cache = sources.cache
    interpreter = resolving_interpreter(cache, base)
    if interpreter not in sources.shared.targets and not has_root(cache, base):
        with (
            cache.locked(f"root-{root_folder(cache, base).name}"),
            sources.progress.task("unpacking the base", total=len(base.debs)) as task,
            scratch_folder(cache.root) as scratch,
        ):
            if not root_folder(cache, base).is_dir():
                paths = [sources.inputs.get(deb, task) for deb in base.debs]
                write_root(cache, base, assemble(paths, scratch=scratch, platform=base.platform))
    return interpreter
