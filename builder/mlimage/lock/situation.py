"""What was to be resolved, and who asks for what: what explanations of failures are made from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.content.interpreter import Target
from mlimage.lock.files import IndexFile
from mlimage.lock.wheels import candidates
from mlimage.spec.requirements import SpecRequirement, exact_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What was to be resolved.

    Attributes:
        image: name of the image.
        requirements: as they stood in the resolver's input, line by line.
        target: the image's python.
        python: its version, `X.Y`.
        as_of: files known to be newer did not count.
        index_of: the index of a package.
        files: what the index has of a package.
        needs: what a wheel says that it requires, each as it is written there.
        page_of: where a person finds a package.
        platforms: those that the image is for, `linux/amd64`; none where nobody chose any.
    """

    image: str
    requirements: Sequence[SpecRequirement]
    target: Target
    python: str
    as_of: datetime | None
    index_of: Callable[[str], str]
    files: Callable[[str], Sequence[IndexFile]]
    needs: Callable[[IndexFile], Sequence[str]]
    page_of: Callable[[str], str]
    platforms: Sequence[str] = ()

    @property
    def about(self) -> str:
        """The target in a few words."""
        machine = self.target.markers.get("platform_machine", "this machine")
        return f"python {self.python} on {machine} with glibc {self.target.glibc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks for a package: the spec, or a package and the requirement of the spec that brought it.

    Attributes:
        requirement: of the spec.
        package: what asks, maybe with its version; None for the spec itself.
        via: names of packages from the one that the spec asks for to that package, where they are known.
    """

    requirement: SpecRequirement | None
    package: str | None = None
    via: tuple[str, ...] = ()

    @property
    def where(self) -> str | None:
        """Where the user wrote the requirement."""
        return self.requirement.where if self.requirement else None

    @property
    def clause(self) -> str:
        """What a sentence says about a package that another one asks for."""
        if self.package is None:
            return ""
        way = f" ({' -> '.join(f'`{name}`' for name in self.via)})" if len(self.via) > 1 else ""
        return f", which `{self.package}` asks for{way},"


def in_effect(situation: Situation) -> Iterator[SpecRequirement]:
    """The requirements of the spec that count on the target."""
    for item in situation.requirements:
        marker = Requirement(item.text).marker
        if marker is None or marker.evaluate(dict(situation.target.markers)):
            yield item


def usable(requirement: Requirement, situation: Situation) -> set[Version]:
    """The versions for the target that fulfil a requirement; a withdrawn one must be named (PEP 592)."""
    named = exact_version(requirement) is not None
    found = candidates(
        situation.files(canonicalize_name(requirement.name)), situation.target, situation.as_of
    )
    return {
        each.version
        for each in found
        if requirement.specifier.contains(each.version, prereleases=True)
        and (named or each.file.yanked is None)
    }
