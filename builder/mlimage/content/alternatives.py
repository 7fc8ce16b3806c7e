"""Chooses among the alternatives that packages register, as update-alternatives(1) does in automatic mode."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mlimage.content.entry import Entry, symlink


@dataclass(frozen=True, slots=True, kw_only=True)
class Slave:
    """A link that follows the choice of another; all paths are absolute."""

    link: str
    name: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One candidate for the link `link`; the highest priority is chosen."""

    link: str
    name: str
    target: str
    priority: int
    slaves: tuple[Slave, ...]
    origin: str


def links(candidates: Iterable[Alternative], exists: Callable[[str], bool]) -> Iterator[Entry]:
    """Two links for each name that has a candidate: `link` → `/etc/alternatives/name` → `target`.

    Args:
        candidates: what the packages register.
        exists: whether an absolute path is in the base; what leads elsewhere is passed over.
    """
    chosen: dict[str, Alternative] = {}
    for candidate in candidates:
        best = chosen.get(candidate.name)
        if exists(candidate.target) and (best is None or candidate.priority > best.priority):
            chosen[candidate.name] = candidate
    for alternative in chosen.values():
        origin = alternative.origin
        yield from _chain(alternative.link, alternative.name, alternative.target, origin)
        for slave in alternative.slaves:
            if exists(slave.target):
                yield from _chain(slave.link, slave.name, slave.target, origin)


def _chain(link: str, name: str, target: str, origin: str) -> Iterator[Entry]:
    yield symlink(link.removeprefix("/"), f"/etc/alternatives/{name}", origin=origin)
    yield symlink(f"etc/alternatives/{name}", target, origin=origin)
