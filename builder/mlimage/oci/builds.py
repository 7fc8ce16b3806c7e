"""The images that a store lists, and of which projects they are.

Projects may have images of one name: the name in the store is then that of the last one, and the others stay
listed without it. Which project each is of is noted beside it, for warnings and for `mlimage cache prune`; no
image is found by it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlimage.errors import UsageError
from mlimage.oci.config import NAME, descriptor_json
from mlimage.oci.model import Descriptor, SealedImage
from mlimage.oci.read import Entry
from mlimage.spec.project import Project

REF_NAME: Final = "org.opencontainers.image.ref.name"
FORMER: Final = NAME
"""Annotation of an entry without `REF_NAME`: the name that it had."""
PROJECTS: Final = "dev.mlimage.projects"
"""Annotation of an entry: `Build.projects`, as JSON."""

Entries = dict[str, dict[str, Any]]
"""The entries of an index as they stand there, by `key_of`; those that never had a name by their digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An image that the index of a store lists.

    Attributes:
        name: what it is called, or was before another image got its name.
        manifest: of the image.
        named: whether the name means it.
        projects: folders of the projects that built or used it. Of several images of one name, a project's
            own is the one where its number is the greatest.
    """

    name: str
    manifest: Descriptor
    named: bool
    projects: Mapping[str, int] = field(default_factory=dict)

    @property
    def owners(self) -> tuple[str, ...]:
        """Those of its projects that are still there, sorted."""
        return tuple(sorted(project for project in self.projects if _is_there(project, self.name)))


def builds_of(entries: Iterable[Entry]) -> tuple[Build, ...]:
    """The images of an index: of each name first the one that has it, then the others, latest first."""
    found = []
    for entry in entries:
        name = entry.annotations.get(REF_NAME) or entry.annotations.get(FORMER)
        if name:
            found.append(
                Build(
                    name=name,
                    manifest=entry.blob,
                    named=bool(entry.annotations.get(REF_NAME)),
                    projects=parse_projects(entry.annotations.get(PROJECTS, "{}")),
                )
            )
    return tuple(
        sorted(found, key=lambda each: (each.name, not each.named, -max(each.projects.values(), default=0)))
    )


def parse_projects(text: str) -> dict[str, int]:
    """What `PROJECTS` says; nothing where it is damaged, since nothing is found by it."""
    try:
        said: Any = json.loads(text)
        return {str(project): int(number) for project, number in said.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def keyed(entries: Iterable[dict[str, Any]]) -> Entries:
    """The entries of an index that was read before."""
    found = {}
    for entry in entries:
        said = entry.get("annotations") or {}
        former = said.get(FORMER)
        found[said.get(REF_NAME) or (f"{former}@{entry['digest']}" if former else entry["digest"])] = entry
    return found


def key_of(build: Build) -> str:
    """By which an image stands in `Entries`."""
    return build.name if build.named else f"{build.name}@{build.manifest.digest}"


def tag(entries: Entries, image: SealedImage, *, project: Path | None) -> None:
    """Let a name mean an image of this project; the one that it meant stays, without the name."""
    before = entries.get(image.name)
    known = entries.pop(f"{image.name}@{image.digest}", None)
    if before and before["digest"] == image.digest:
        known = before
    elif before:
        said = {key: value for key, value in before["annotations"].items() if key != REF_NAME}
        entries[f"{image.name}@{before['digest']}"] = {**before, "annotations": {**said, FORMER: image.name}}
    said = {key: value for key, value in known["annotations"].items() if key == PROJECTS} if known else {}
    entries[image.name] = {
        **descriptor_json(image.manifest),
        "platform": {"os": image.platform.os, "architecture": image.platform.architecture},
        "annotations": {REF_NAME: image.name, **said},
    }
    if project is not None:
        own(entries, image, project)


def own(entries: Entries, image: SealedImage, project: Path) -> None:
    """Note that an image is the one that a project has under its name, if it is listed."""
    same = {
        key: parse_projects(entry["annotations"].get(PROJECTS, "{}"))
        for key, entry in entries.items()
        if key.partition("@")[0] == image.name
    }
    latest = max((projects.get(str(project), 0) for projects in same.values()), default=0)
    number = 1 + max((each for projects in same.values() for each in projects.values()), default=0)
    for key, projects in same.items():
        if entries[key]["digest"] == image.digest and (not latest or projects.get(str(project)) != latest):
            noted = json.dumps({**projects, str(project): number}, sort_keys=True)
            entries[key] = {**entries[key], "annotations": {**entries[key]["annotations"], PROJECTS: noted}}


def own_builds(builds: Iterable[Build]) -> tuple[Build, ...]:
    """Those that are some project's own, of projects that are still there."""
    latest: dict[tuple[str, str], int] = {}
    listed = tuple(builds)
    for build in listed:
        for project, number in build.projects.items():
            latest[build.name, project] = max(number, latest.get((build.name, project), 0))
    return tuple(
        build
        for build in listed
        if any(build.projects[owner] == latest[build.name, owner] for owner in build.owners)
    )


def _is_there(project: str, name: str) -> bool:
    try:
        return Project(Path(project)).spec_file(name.partition(":")[0]).is_file()
    except (UsageError, OSError):
        return False
