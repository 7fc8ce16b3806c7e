"""Who asks for which package, by the metadata of what is locked: it does not depend on what resolved."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from email.parser import BytesHeaderParser

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def askers(
    metadata: Mapping[str, bytes], requirements: Iterable[str], markers: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    """The packages that ask for each package, sorted, by normalized names.

    Of what packages ask for with an extra, only that of the extras which are asked for counts.

    Args:
        metadata: METADATA of all that is locked.
        requirements: those of the spec.
        markers: the environment of the target.
    """
    needs = {name: _needs(content) for name, content in metadata.items()}
    found: dict[str, set[str]] = {name: set() for name in metadata}
    extras: dict[str, set[str]] = defaultdict(set)
    grown: list[str] = []

    def want(requirement: Requirement) -> str:
        name = canonicalize_name(requirement.name)
        new = {"", *map(canonicalize_name, requirement.extras)} - extras[name]
        if new:
            extras[name] |= new
            grown.append(name)
        return name

    for text in requirements:
        if _applies(requirement := Requirement(text), {""}, markers):
            want(requirement)
    while grown:
        asker = grown.pop()
        for requirement in needs.get(asker, ()):
            if _applies(requirement, extras[asker], markers):
                wanted = want(requirement)
                if wanted in found and wanted != asker:
                    found[wanted].add(asker)
    return {name: tuple(sorted(names)) for name, names in found.items()}


def requires_of(metadata: bytes) -> tuple[str, ...]:
    """What a METADATA asks for, as it is written there."""
    return tuple(map(str, BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", [])))


def _needs(content: bytes) -> tuple[Requirement, ...]:
    """What a METADATA asks for; what is no requirement no resolver has taken for one."""
    needs = []
    for text in requires_of(content):
        try:
            needs.append(Requirement(text))
        except InvalidRequirement:
            continue
    return tuple(needs)


def _applies(requirement: Requirement, extras: AbstractSet[str], markers: Mapping[str, str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({**markers, "extra": extra}) for extra in sorted(extras))
