"""Why something cannot be imported, who asks for what is missing, and what to write about it. Pure."""

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlimage.host.imports.debs import is_known, package_of
from mlimage.host.imports.findings import Cause, Failure, Findings, Frame
from mlimage.lock.names import IMPORTED_AS, WELL_KNOWN
from mlimage.spec.requirements import SpecRequirement

_FOREIGN: Final = re.compile(
    r"lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[a-z0-9-]+|vdpau_nvidia)\.so(?:\.|\Z)"
)
"""Libraries of NVIDIA's driver, which NVIDIA's container runtime brings from the host (libnvidia-container,
`nvc_info.c`)."""
_NOT_OPENED: Final = re.compile(
    r"(?:^|[\s'\"/])(lib[\w.+-]+?): cannot open shared object file"
    r"|cannot load library '(?:[^']*/)?(lib[\w.+-]+)'"
    r"|(?:failed|unable|could not|cannot) to? ?(?:find|load|locate) (lib[\w+-]+)",
    re.IGNORECASE,
)
_SAID_MISSING: Final = re.compile(
    r"(\w+) (?:shared )?library not found|(?:unable|failed) to (?:find|load) (\w+) (?:shared )?library",
    re.IGNORECASE,
)
"""How programs say in their own words that they found none; what is no library's name is no match."""
_DTYPE: Final = re.compile(r"numpy\.dtype size changed.*Expected (\d+) from C header, got (\d+)")
_OLD_NUMPY: Final = re.compile(
    r"compiled using NumPy 1\.x|numpy\.core\.multiarray failed to import|removed in the NumPy 2\.0|"
    r"_ARRAY_API not found"
)
_OF_OLDEST_NUMPY: Final = frozenset({"complex", "float", "int", "object", "str", "typeDict"})
"""Names that numpy 1.24 dropped for good."""
_NO_ATTRIBUTE: Final = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_NO_NAME: Final = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'")
_NEWER_SYSTEM: Final = re.compile(r"version `((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found")
_LAST_WITH: Final[Mapping[str, str]] = {"pkg_resources": "setuptools<81"}
"""Modules that releases of their package have no more, each with what has it still."""
_ASIDE: Final = frozenset({"_tkinter", "ensurepip", "idlelib", "tkinter", "turtle", "venv"})
"""Modules of the standard library that Debian's python3 leaves to other packages."""
_GONE: Final = frozenset(
    {"aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "imp", "lib2to3",
     "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd", "sunau",
     "telnetlib", "uu", "xdrlib"}
)  # fmt: skip
"""Modules that the standard library had: PEP 594, and what is new in Python 3.12."""
_NOBODY: Final = ", which no package of the image has"
_SITE: Final = re.compile(r".*/(?:site|dist)-packages/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a failure is seen beside.

    Attributes:
        requirements: what the spec asks for, by normalized name.
        locked: versions of the lock's packages, by name.
        found: the findings that it is of.
    """

    requirements: Mapping[str, SpecRequirement]
    locked: Mapping[str, str]
    found: Findings

    def add(self, text: str, package: str) -> str:
        """How a requirement gets into the spec, beside that of a package."""
        own = self.requirements.get(canonicalize_name(Requirement(text).name))
        if own is not None:
            return f"write `{text}` in place of `{own.text}` ({own.where})"
        return f"add `{text}` to {self.list_of(package)}"

    def list_of(self, package: str) -> str:
        """What a hint calls the list that the requirement of a package stands in."""
        place = self.requirements[package].place
        file, colon, _ = place.partition(":")
        return f"`{file}`" if colon else f"`{place}:`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A dependency that cannot be imported, for people.

    Attributes:
        package: normalized name.
        where: place in the user's file.
        module: what was imported.
        error: the last line of what python says, or what happened.
        lines: who asks for what.
        hint: what to write.
    """

    package: str
    where: str
    module: str
    error: str
    lines: tuple[str, ...] = ()
    hint: str | None = None


def explain(failure: Failure, asked: Asked) -> Trouble:
    """Say what is wrong."""
    error, lines, hint = _told(failure, asked)
    return Trouble(
        package=failure.package,
        where=asked.requirements[failure.package].where,
        module=failure.module,
        error=error,
        lines=lines,
        hint=hint,
    )


def lacks_driver_only(failure: Failure) -> tuple[str, ...]:
    """Libraries of the host's NVIDIA driver, where it is for want of them alone that an import failed."""
    cause = root_cause(failure)
    missing = _missing_libraries(cause, failure) if cause else ()
    return missing if missing and all(map(_FOREIGN.match, missing)) else ()


def root_cause(failure: Failure) -> Cause | None:
    """The exception that tells most: the first that names what is missing, or what it was raised from."""
    telling = [cause for cause in failure.causes if _tells(cause)]
    chosen = telling[0] if telling else next(iter(failure.causes), None)
    for deeper in telling[1:]:
        # A module of its own that is missing was not there for a reason, which was tried before it.
        if chosen and (chosen.explicit or (chosen.name or "").startswith("_")):
            chosen = deeper
    return chosen


def _tells(cause: Cause) -> bool:
    patterns = (_DTYPE, _OLD_NUMPY, _NO_NAME, _NO_ATTRIBUTE, _NEWER_SYSTEM)
    return (
        cause.missing
        or bool(_not_opened(cause.message))
        or any(pattern.search(cause.message) for pattern in patterns)
    )


def _not_opened(message: str) -> list[str]:
    """Libraries that could not be opened."""
    said = ["lib" + next(filter(None, groups)).lower() for groups in _SAID_MISSING.findall(message)]
    named = [next(filter(None, groups)) for groups in _NOT_OPENED.findall(message)]
    return named + [library for library in said if is_known(library)]


_Told = tuple[str, tuple[str, ...], str | None]


def _told(failure: Failure, asked: Asked) -> _Told:
    match failure.why:
        case "absent":
            return "it is not installed in the image", (), "a step of `run:` may have removed it"
        case "time":
            return "it did not end in time", _printed(failure), None
        case "died":
            return _death(failure)
        case "raised":
            pass
    cause = root_cause(failure)
    if cause is None:
        return "it failed", (), None
    error = cause.last_line
    libraries = _missing_libraries(cause, failure)
    if libraries:
        return error, _who_needs(libraries, cause, failure), _library_hint(libraries, asked.found)
    if (newer := _NEWER_SYSTEM.search(cause.message)) is not None:
        return (
            error,
            (f"it was built for a newer system, with `{newer[1]}`",),
            f"lock an older release of `{failure.package}`, or take a newer base",
        )
    numpy = _fitting_numpy(failure, cause, asked.locked)
    if numpy:
        lines = _asker_line(cause, failure, "was made for another numpy than the image has")
        return error, lines, asked.add(numpy, failure.package)
    if cause.missing and cause.name:
        return _missing_module(error, cause.name, cause, failure, asked)
    conflict = _NO_NAME.search(cause.message) or _NO_ATTRIBUTE.search(cause.message)
    if conflict and cause.provider:
        return _conflict(error, conflict, cause, failure, asked)
    return error, _asker_line(cause, failure, "raises it"), None


def _death(failure: Failure) -> _Told:
    if failure.status >= 0:
        return f"its process ended with status {failure.status}", _printed(failure), None
    try:
        name = signal.Signals(-failure.status).name
    except ValueError:
        name = f"signal {-failure.status}"
    hints = {
        "SIGILL": "it has instructions that this processor lacks: `mlimage doctor` looks for them",
        "SIGKILL": "did it need more memory than this machine has?",
    }
    return f"its process was ended by {name}", _printed(failure), hints.get(name)


def _printed(failure: Failure) -> tuple[str, ...]:
    lines = [line.strip() for line in failure.output.splitlines() if line.strip()]
    return tuple(f"it printed: {line}" for line in lines[-1:])


# --- libraries --------------------------------------------------------------------------------------------


def _missing_libraries(cause: Cause | None, failure: Failure) -> tuple[str, ...]:
    if cause is None:
        return ()
    named = _not_opened(cause.message)
    needed = [name for names in failure.libraries.values() if set(names) & set(named) for name in names]
    return tuple(dict.fromkeys((*named, *needed)))


def _who_needs(libraries: Sequence[str], cause: Cause, failure: Failure) -> tuple[str, ...]:
    lines = [
        f"`{_SITE.sub('', path)}` needs {_listed(names)}{_NOBODY}"
        for path, names in failure.libraries.items()
    ]
    if lines:
        return tuple(lines)
    return _asker_line(cause, failure, f"loads {_listed(libraries[:1])}", _NOBODY)


def _library_hint(libraries: Sequence[str], found: Findings) -> str:
    wanted = [name for name in libraries if not _FOREIGN.match(name)]
    if found.distribution != "debian":
        return f"take a base image that has {_listed(wanted)}"
    # `libmagic` and `libmagic.so` are words for one library, and the other has the version.
    debs = list(dict.fromkeys(filter(None, (package_of(name, found.suite) for name in wanted))))
    if debs:
        return f"add {_listed(debs)} to `base.packages:`"
    return f"add the Debian package that has it to `base.packages:`; `apt-file search {wanted[0]}` finds it"


# --- modules and versions ---------------------------------------------------------------------------------


def _missing_module(error: str, module: str, cause: Cause, failure: Failure, asked: Asked) -> _Told:
    if cause.provider and "." in module:
        has = _with_version(cause.provider, failure)
        lines = _asker_line(cause, failure, f"imports `{module}`", f", which {has} does not have")
        return error, lines, _other_release(cause, failure, asked)
    lines = _asker_line(cause, failure, f"imports `{module}`", _NOBODY)
    top = module.partition(".")[0]
    if top in _GONE:
        asker = _asker(cause)
        lines = _asker_line(cause, failure, f"imports `{module}`", ", which this python has no more")
        return (
            error,
            lines,
            f"lock a newer `{asker.package if asker else failure.package}`, or take an older python",
        )
    if top in _ASIDE:
        return error, lines, "take a base image whose python has it: `base: {image: …}`"
    text = _LAST_WITH.get(top) or _customary(top, cause, failure, asked.locked)
    if text:
        return error, lines, asked.add(text, failure.package)
    place = asked.list_of(failure.package)
    return error, lines, f"add the package that has `{top}`, often of the same name, to {place}"


def _customary(module: str, cause: Cause, failure: Failure, locked: Mapping[str, str]) -> str | None:
    """What brings a module: what the asker itself names for one of its extras, else what it is known by."""
    named = IMPORTED_AS.get(module.lower())
    name = canonicalize_name(named or module)
    asker = _asker(cause)
    asked = failure.packages.get(asker.package) if asker and asker.package else None
    for text in asked.requires if asked else ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(wanted.name) == name:
            return f"{name}{wanted.specifier}"
    known = named or name in WELL_KNOWN or name in failure.mentioned
    return name if known and name not in locked else None


def _conflict(error: str, said: re.Match[str], cause: Cause, failure: Failure, asked: Asked) -> _Told:
    is_name = said.re is _NO_NAME
    name, module = said.groups() if is_name else reversed(said.groups())
    asker = _asker(cause)
    if cause.provider is None or (asker and asker.package == cause.provider):
        return error, _asker_line(cause, failure, "raises it"), None
    has = _with_version(cause.provider, failure)
    does = f"imports `{name}` from `{module}`" if is_name else f"uses `{module}.{name}`"
    lines = _asker_line(cause, failure, does, f", which {has} does not have")
    return error, lines, _other_release(cause, failure, asked)


def _fitting_numpy(failure: Failure, cause: Cause, locked: Mapping[str, str]) -> str | None:
    """The numpy that code was made for, by what it says: numpy.dtype has 96 bytes in 1, 88 in 2."""
    said = f"{cause.message}\n{failure.output}"
    size = _DTYPE.search(said)
    if size:
        # What was compiled expects the size of its own numpy; the other is that of the one that is there.
        return "numpy>=2" if int(size[1]) < int(size[2]) else "numpy<2"
    attribute = _NO_ATTRIBUTE.search(cause.message)
    if attribute and attribute[1] == "numpy" and attribute[2] in _OF_OLDEST_NUMPY:
        return "numpy<1.24"
    if _OLD_NUMPY.search(said) or (attribute and attribute[1] == "numpy" and _is_numpy_2(locked)):
        return "numpy<2"
    return None


def _is_numpy_2(locked: Mapping[str, str]) -> bool:
    return locked.get("numpy", "").startswith("2.")


def _other_release(cause: Cause, failure: Failure, asked: Asked) -> str | None:
    asker, provider = _asker(cause), cause.provider
    if provider is None or provider not in failure.packages or asker is None or asker.package == provider:
        return None
    try:
        major, minor = (*Version(failure.packages[provider].version).release, 0)[:2]
    except InvalidVersion:
        return None
    older = f"{provider}<{major}.{minor}" if minor else f"{provider}<{major}"
    return (
        f"lock a newer `{asker.package}`, or an older `{provider}`: {asked.add(older, failure.package)}, and "
        "lower the bound until it fits"
    )


def _asker(cause: Cause) -> Frame | None:
    """The innermost line of a package: what the standard library or `cffi` does, they were asked to.

    A module may itself say, in a function of its own, that it has no such attribute.
    """
    own = [frame for frame in reversed(cause.frames) if frame.package]
    others = {"cffi", cause.provider if _NO_ATTRIBUTE.search(cause.message) else None}
    return next((frame for frame in own if frame.package not in others), next(iter(own), None))


def _asker_line(cause: Cause, failure: Failure, does: str, which: str = "") -> tuple[str, ...]:
    frame = _asker(cause)
    if frame is None:
        return (f"`{failure.package}` {does}{which}",)
    return (f"`{frame.package}` {does} ({frame.file}:{frame.line}){which}",)


def _with_version(package: str, failure: Failure) -> str:
    known = failure.packages.get(package)
    return f"`{package}` {known.version}" if known else f"`{package}`"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
