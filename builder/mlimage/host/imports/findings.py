"""What came of importing what an image depends on, as values, read from what `inside.survey` wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Why = Literal["absent", "raised", "died", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A line of a traceback; `package` is whose file it is, None for the standard library and nobody's."""

    file: str
    line: int
    package: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """An exception.

    Attributes:
        type: name of its class.
        message: its text.
        name: the module that could not be imported, or from which something could not.
        missing: whether that module is missing altogether.
        explicit: whether it says what it was raised from.
        provider: the package that has the module, or what is above it.
        frames: from the importing line to the innermost one.
    """

    type: str
    message: str
    name: str | None = None
    missing: bool = False
    explicit: bool = False
    provider: str | None = None
    frames: tuple[Frame, ...] = ()

    @property
    def last_line(self) -> str:
        """As python shows it, in one line."""
        lines = [line.strip() for line in self.message.splitlines() if line.strip()]
        text = lines[0] if lines else ""
        return f"{self.type}: {text}" if text else self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package of the image that plays a part: its version, and what it asks for (PEP 508)."""

    version: str
    requires: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A module that could not be imported.

    Attributes:
        package: the dependency of the spec, normalized.
        module: dotted name; empty where the package itself is not there.
        why: what happened.
        status: exit status of the process (negative: the signal's number), of what died.
        causes: the exception, and what it was raised from.
        libraries: libraries that the image lacks, by the file that needs them.
        packages: those that are named, by normalized name.
        mentioned: names of packages that some package of the image asks for, be it for an extra.
        output: the end of what it printed.
    """

    package: str
    module: str
    why: Why
    status: int = 0
    causes: tuple[Cause, ...] = ()
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found.

    Attributes:
        modules: how many were imported, or should have been.
        distribution: what made the image's root: `debian`.
        suite: its release: `bookworm`.
        failures: what failed, in the order of the packages that were asked about.
    """

    modules: int
    distribution: str
    suite: str
    failures: tuple[Failure, ...]


def read_findings(events: list[dict[str, Any]], packages: tuple[str, ...]) -> Findings:
    """Findings from the events of a survey of these packages; raises `ValueError` where it did not end."""
    begun = next((event for event in events if event["event"] == "begun"), None)
    done = [event for event in events if event["event"] == "imported"]
    if begun is None or len(done) != begun["count"]:
        raise ValueError("the survey did not end")
    failures = [
        Failure(package=event["package"], module="", why="absent")
        for event in events
        if event["event"] == "absent"
    ]
    failures += [_failure(event) for event in done if event["failure"]]
    return Findings(
        modules=len(done),
        distribution=begun["os"].get("ID", ""),
        suite=begun["os"].get("VERSION_CODENAME", ""),
        failures=tuple(sorted(failures, key=lambda each: (packages.index(each.package), each.module))),
    )


def _failure(event: Mapping[str, Any]) -> Failure:
    found = event["failure"]
    return Failure(
        package=event["package"],
        module=event["module"],
        why=found["why"],
        status=found.get("status", 0),
        causes=tuple(_cause(each) for each in found["causes"]),
        libraries={path: tuple(names) for path, names in found["libraries"].items()},
        packages={
            name: Package(version=each["version"], requires=tuple(each["requires"]))
            for name, each in found["packages"].items()
        },
        mentioned=frozenset(found["mentioned"]),
        output=found["output"],
    )


def _cause(said: Mapping[str, Any]) -> Cause:
    return Cause(
        type=said["type"],
        message=said["message"],
        name=said["name"],
        missing=said["missing"],
        explicit=said["explicit"],
        provider=said["provider"],
        frames=tuple(
            Frame(file=each["file"], line=each["line"], package=each["package"]) for each in said["frames"]
        ),
    )
