"""Locks a base that is an image of a registry: its digests, its python, and what apt adds to it."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.version import Version

from mlimage.content.installation import find_library, find_python, read_versions
from mlimage.content.interpreter import Interpreter
from mlimage.content.rootfs import inside
from mlimage.errors import BuildError, MlimageError, ResolveError, reason_of
from mlimage.lock.apt import unknown
from mlimage.lock.base import IMAGE_PLACE, opened_apt
from mlimage.lock.images import FoundImage, Images
from mlimage.lock.model import BaseLock, Deb, ImageBase, ImageLayer, Installation, Wanted
from mlimage.lock.root import (
    discard_root,
    has_root,
    image_root_folder,
    resolving_interpreter,
    write_image_root,
)
from mlimage.lock.sources import Sources
from mlimage.parallel import transfer
from mlimage.process import Runner
from mlimage.progress import Progress, Task
from mlimage.regular import read_file
from mlimage.spec.suites import OLDEST_PYTHON, PYTHON_OF_SUITE

_LARGEST: Final = 256 << 20
"""Bytes of dpkg's list of a whole distribution, and more."""
_FETCHES: Final = 4
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


def reusable_image(previous: BaseLock | None, wanted: Wanted) -> ImageBase | None:
    """The base of the lock before, if it is the image that is wanted now; its debs may be others."""
    if not isinstance(previous, ImageBase) or wanted.image is None:
        return None
    same = (previous.reference, previous.platform, previous.python) == (
        wanted.image.reference,
        wanted.platform,
        wanted.python,
    )
    return previous if same else None


def resolve_image(
    wanted: Wanted,
    *,
    previous: ImageBase | None,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
    native: bool = True,
) -> ImageBase:
    """Ask the registry what the reference means, fetch its layers, and find its python and missing debs.

    Args:
        wanted: what the user wrote.
        previous: the base before, whose digests stay.
        places: tells, when asked, where in the spec the image and each added package stand.
        sources: where the registry and the archives are.
        run: starts processes.
        native: whether this machine runs programs of the platform; else python is not asked, but read.

    Raises:
        ResolveError: it has not the python of the spec, or another C library; or apt finds no solution.
        RegistryError: the registry refuses, or has no such image for the platform.
        FetchError: the registry or an archive cannot be reached.
        UsageError: this machine has no apt, no keys, or no mirror.
    """
    try:
        return _resolve(wanted, previous, places, sources, run, native=native)
    except MlimageError as error:
        if error.where is None:
            error.where = places().get(IMAGE_PLACE)
        raise


def unpacked_python(base: ImageBase, sources: Sources, run: Runner) -> Interpreter:
    """The python of the image, which is fetched and unpacked for it if it is not yet.

    Raises:
        RegistryError: the registry refuses a layer.
        FetchError: a layer cannot be had.
        BuildError: the layers cannot be unpacked.
    """
    has_root(sources.cache, base, run=run)  # else it was damaged, and is gone now
    _unpacked(base.layers, sources, name=base.repository)
    return resolving_interpreter(sources.cache, base)


def _unpacked(layers: Sequence[ImageLayer], sources: Sources, *, name: str) -> Path:
    """The root file system of an image."""
    cache, images = sources.cache, sources.images
    if images is None:
        raise ValueError("a base that is an image needs a registry")
    folder = image_root_folder(cache, layers)
    if not folder.is_dir():
        with cache.locked(f"root-{folder.name}"):
            if not folder.is_dir():
                _fetch(layers, images, sources.progress, name)
                with sources.progress.task(f"unpacking {name}"):
                    write_image_root(cache, layers, images)
    return folder


def _fetch(layers: Sequence[ImageLayer], images: Images, progress: Progress, name: str) -> None:
    distinct = {layer.digest: layer for layer in layers}.values()

    def fetch(layer: ImageLayer, task: Task) -> None:
        images.fetch(layer, task)

    size = sum(layer.size for layer in distinct)
    with progress.task(f"pulling {name}", total=size, unit="bytes") as task:
        transfer(fetch, distinct, threads=_FETCHES, task=task)


def _resolve(
    wanted: Wanted,
    previous: ImageBase | None,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
    *,
    native: bool,
) -> ImageBase:
    image, images = wanted.image, sources.images
    if image is None or images is None:
        raise ValueError("a base that is an image needs a registry")
    if Version(wanted.python) < Version(OLDEST_PYTHON):
        raise ResolveError(
            f"python {wanted.python} is too old: what resolves packages needs python {OLDEST_PYTHON} "
            "or newer",
            hint=f'write `python: "{OLDEST_PYTHON}"` and `base: {{image: python:{OLDEST_PYTHON}-slim}}`, '
            "or a newer one",
        )
    if previous is None:
        with sources.progress.task(f"asking the registry for {image.name}"):
            found = images.find(wanted.platform)
    else:
        found = FoundImage(
            index=previous.index,
            manifest=previous.manifest,
            config=previous.config,
            env=previous.env,
            layers=previous.layers,
        )
    root, installation = _root(found, wanted, sources, run, native=native)
    return ImageBase(
        reference=image.reference,
        repository=re.split("[:@]", image.name, maxsplit=1)[0],
        index=found.index,
        manifest=found.manifest,
        config=found.config,
        platform=wanted.platform,
        python=wanted.python,
        installation=installation,
        env=found.env,
        layers=found.layers,
        packages=wanted.packages,
        debs=_missing_debs(root, wanted, places, sources, run) if wanted.packages else (),
    )


def _root(
    found: FoundImage, wanted: Wanted, sources: Sources, run: Runner, *, native: bool
) -> tuple[Path, Installation]:
    """The unpacked image and its python; one that was there and has none may be damaged, and is made anew."""
    name = wanted.image.name if wanted.image else ""
    known = image_root_folder(sources.cache, found.layers).is_dir()
    root = _unpacked(found.layers, sources, name=name)
    try:
        return root, _installation(root, wanted, dict(found.env), run, native=native)
    except ResolveError:
        if not known:
            raise
        discard_root(sources.cache, root)
        _unpacked(found.layers, sources, name=name)
        return root, _installation(root, wanted, dict(found.env), run, native=native)


def _installation(
    root: Path, wanted: Wanted, env: Mapping[str, str], run: Runner, *, native: bool
) -> Installation:
    program = find_python(root, wanted.python, path=env.get("PATH", _PATH), platform=wanted.platform)
    version, glibc = (
        _asked(root, program, wanted, run)
        if native
        else read_versions(root, program, wanted.python, wanted.platform)
    )
    library, bytecode = find_library(root, program, wanted.python)
    return Installation(version=version, program=program, glibc=glibc, library=library, bytecode=bytecode)


def _asked(root: Path, program: str, wanted: Wanted, run: Runner) -> tuple[str, str]:
    """The versions of python and glibc, as the python itself says."""
    interpreter = Interpreter(root=root, python=wanted.python, platform=wanted.platform, installed=program)
    try:
        target = interpreter.describe(run)
    except BuildError as error:
        raise ResolveError(error.message, hint=error.hint) from error
    implementation = target.markers.get("implementation_name", "")
    if implementation != "cpython" or not target.version.startswith(f"{wanted.python}."):
        raise ResolveError(
            f"`/{program}` of the base image is {implementation} {target.version}, "
            f'the spec says "{wanted.python}"'
        )
    return target.version, target.glibc


def _missing_debs(
    root: Path,
    wanted: Wanted,
    places: Callable[[], Mapping[str, str]],
    sources: Sources,
    run: Runner,
) -> tuple[Deb, ...]:
    """What apt would install of the wanted packages, given what the image has installed."""
    suite = _suite(root)
    status = inside(root, "var/lib/dpkg/status")
    if status is None or inside(root, "usr/bin/dpkg") is None:
        raise ResolveError(
            "the base image has no dpkg that could install `base.packages`",
            hint="take an image that has, or one with these packages in it",
        )
    installed = _text(status)
    with opened_apt(suite, wanted.platform, sources=sources, run=run) as apt:
        missing = unknown(wanted.packages, apt.names())
        if missing:
            name, near = next(iter(missing.items()))
            raise ResolveError(
                f"Debian {suite} has no package `{name}`",
                where=places().get(name),
                hint=f"did you mean `{near}`?" if near else "look for it with `apt-cache search`",
            )
        with sources.progress.task("apt: resolving what the base lacks"):
            return apt.resolve(wanted.packages, status=installed)


def _suite(root: Path) -> str:
    """The Debian suite that the image is of, which its `os-release` tells (os-release(5))."""
    place = inside(root, "etc/os-release") or inside(root, "usr/lib/os-release")
    text = _text(place) if place else ""
    fields = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    values = {name: _unquoted(value) for name, value in fields.items()}
    suite = values.get("VERSION_CODENAME", "")
    if values.get("ID") != "debian" or suite not in PYTHON_OF_SUITE:
        named = values.get("PRETTY_NAME") or values.get("ID") or "of a distribution that it does not name"
        known = " and ".join(PYTHON_OF_SUITE)
        raise ResolveError(
            f"the base image is {named}, and `base.packages` are of Debian's {known} only",
            hint="take an image that has these packages in it",
        )
    return suite


def _text(place: Path) -> str:
    """A file of the base, which somebody else made."""
    try:
        return read_file(place, _LARGEST).decode(errors="replace")
    except OSError as error:
        raise ResolveError(
            f"the base image has a file that cannot be read: `{place.name}`: {reason_of(error)}",
            hint="take another image",
        ) from error


def _unquoted(text: str) -> str:
    """A value as a shell reads it; empty where it could not."""
    try:
        return "".join(shlex.split(text)[:1])
    except ValueError:
        return ""
