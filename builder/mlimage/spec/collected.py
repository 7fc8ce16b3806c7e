"""What a reader of another tool's file finds, one by one, until it is an `Imported`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from mlimage.mirrors import DEFAULT_INDEX, variable
from mlimage.redact import redact, redact_quoted, userinfo
from mlimage.spec.accelerated import sort_requirements
from mlimage.spec.import_indexes import (
    Build,
    build_at,
    clean_url,
    index_name,
    is_all_builds,
    is_default,
    may_stand,
    pytorch_wheel,
)
from mlimage.spec.imported import Imported, ImportedIndex, Note, merged
from mlimage.spec.requirements import check_requirement

_LEFT_OUT: Final[Mapping[str, str]] = {
    "pip": "an image has no pip",
    "pkg-resources": "a leftover of Debian's, which no index has",
    "appnope": "is for macOS only",
    "python-apt": "is Debian's, and in no index",
    "pypiwin32": "is for Windows only",
    "pywin32": "is for Windows only",
    "pywinpty": "is for Windows only",
    "tensorflow-intel": "is tensorflow's part for Windows; on Linux it is in `tensorflow`",
    "tensorflow-metal": "is for macOS only",
}
_RENAMED: Final[Mapping[str, str]] = {"tensorflow-macos": "tensorflow"}
_CONDA_BUILDS: Final = re.compile(
    r"croot|feedstock_root|conda-bld|/build/80754af9|/perseverance|/bld/|/ci_py3|/tmp/abs_"
)
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_OWN_CODE: Final = "put your own code into the app folder, or its wheel into an index that `indexes:` names"
NETRC: Final = "its user name and password stay out of the spec; put them into `~/.netrc`"


@dataclass(slots=True, kw_only=True)
class Collected:
    """Takes what a reader finds, one by one; `done` gives the value."""

    python: str = ""
    requirements: list[str] = field(default_factory=list)
    own: list[tuple[str, str]] = field(default_factory=list)
    constraints: dict[str, Requirement] = field(default_factory=dict)
    constraints_of: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    builds: list[tuple[Build, str]] = field(default_factory=list)
    indexes: dict[str, ImportedIndex] = field(default_factory=dict)
    left_out: list[Note] = field(default_factory=list)
    changed: list[Note] = field(default_factory=list)

    def leave_out(self, text: str, reason: str) -> None:
        """Note what is not carried over."""
        _add(self.left_out, text, reason)

    def change(self, text: str, reason: str) -> None:
        """Note what is carried over otherwise."""
        _add(self.changed, text, reason)

    def add(self, text: str, accelerator: str | None = None) -> None:
        """One requirement; what no index can give goes to `left_out` with the reason.

        Args:
            text: as pip takes it.
            accelerator: the one that it is for; None for all.
        """
        written = self._at_place(text)
        if written is None:
            return
        refusal = check_requirement(written)
        if refusal:
            place = re.match(
                r"(?P<name>[A-Za-z0-9._-]*)\s*(?:\[[^]]*\]\s*)?(?:@\s*|(?:\w+\+)?\w+://)", written
            )
            if place:
                package = (
                    f"write `{place['name']}` with a version if an index has it; else "
                    if "@" in place[0]
                    else ""
                )
                self.leave_out(text, f"is a place, which cannot be locked; {package}{_OWN_CODE}")
                return
            reason = refusal.message.removeprefix(f"`{written}` ")
            self.leave_out(text, f"{reason}; {refusal.hint}" if refusal.hint else reason)
            return
        requirement = Requirement(written)
        name = str(canonicalize_name(requirement.name))
        if name in _LEFT_OUT or name.startswith("pyobjc"):
            self.leave_out(text, _LEFT_OUT.get(name, "is for macOS only"))
            return
        if name in _RENAMED:
            requirement.name = _RENAMED[name]
            written = str(requirement)
            self.change(text, f"became `{written}`")
        if accelerator:
            self.own.append((accelerator, written))
        else:
            self.requirements.append(written)

    def _at_place(self, text: str) -> str | None:
        """The requirement for an index that stands for one with a place; None where there is none."""
        located = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*@\s*(\S+)", text)
        place = located[2] if located else text if "://" in text else ""
        wheel = pytorch_wheel(place) if place else None
        if wheel:
            build = build_at(place)
            if build and "+" not in wheel:
                self.builds.append((build, place))
            self.change(text, f"became `{wheel}`")
            return wheel
        if located and located[2].startswith("file:"):
            name = located[1]
            if canonicalize_name(name) in _LEFT_OUT:
                return name
            pinned = _wheel_of(located[2])
            if pinned:
                self.change(text, f"became `{pinned}`: that is the wheel's version")
                return pinned
            if _CONDA_BUILDS.search(located[2]):
                # `pip freeze` in a conda environment writes the files of the machine that built the package.
                self.change(
                    text,
                    f"became `{name}`: conda's build machine is named where the version should be; "
                    "`pip list --format=freeze` writes the versions",
                )
                return name
            self.leave_out(text, f"is a file of the machine that wrote this; {_OWN_CODE}")
            return None
        return text

    def skip(self, package: str, text: str, kind: str) -> None:
        """A package that another tool takes from a place: an index may have another of that name.

        Args:
            package: its name.
            text: what messages call it.
            kind: the other tool's word for the place: `git`, `path`, `workspace`, …
        """
        name = str(canonicalize_name(package))
        if name not in self.places:
            self.places[name] = kind
            self.leave_out(text, f"comes from its `{kind}`, which cannot be locked; {_OWN_CODE}")

    def constrain(self, text: str, *, source: str) -> None:
        """A version that a package must have if anything asks for it."""
        if check_requirement(text):
            self.leave_out(
                f"{source}: {text}", "is no constraint that can be read; write the version at the requirement"
            )
            return
        constraint = Requirement(text)
        name = str(canonicalize_name(constraint.name))
        known = self.constraints.get(name)
        self.constraints[name] = (merged(known, constraint) or known) if known else constraint
        if source not in self.constraints_of:
            self.constraints_of.append(source)

    def bind(self, name: str, url: str, package: str) -> None:
        """An index from which a package comes.

        Args:
            name: what the input calls the index.
            url: its address.
            package: name of the package.
        """
        build, plain = build_at(url), clean_url(url)
        if userinfo(url) is not None:
            self.change(url, NETRC)
        if build:
            self.builds.append((build, url))
            return
        if is_default(url):
            return
        if not may_stand(plain) or not re.fullmatch(_NAME, package):
            self.leave_out(f"{package} from {url}", _BAD_URL)
            return
        normal = str(canonicalize_name(package))
        owner = next((index for index in self.indexes.values() if normal in index.packages), None)
        if owner and owner.url != plain:
            self.leave_out(
                f"{package} from {url}", f"a package comes from one index, and it is `{owner.name}`"
            )
            return
        called = index_name(name)
        while called in self.indexes and self.indexes[called].url != plain:
            called += "-other"
        packages = (*(self.indexes[called].packages if called in self.indexes else ()), normal)
        self.indexes[called] = ImportedIndex(name=called, url=plain, packages=tuple(dict.fromkeys(packages)))

    def add_index(self, url: str, text: str, *, default: bool = False) -> None:
        """An index of which the input does not say what comes from it.

        Args:
            url: as it stands there.
            text: what messages call it, as `--extra-index-url URL`.
            default: it stands in place of the default index.
        """
        plain = clean_url(url)
        name = index_name(plain)
        netrc = f"; {NETRC}" if userinfo(url) is not None else ""
        build = build_at(url)
        if build:
            self.builds.append((build, text))
            self.change(text, f"became the index of the variant `{build.accelerator}`{netrc}")
        elif is_default(url):
            self.change(text, "is the default index, where packages come from anyway")
        elif is_all_builds(url):
            self.change(text, "became the indexes of PyTorch's builds in the variants")
        elif not re.match(r"[a-z]+://", plain) or plain.startswith("file:"):
            self.leave_out(
                text,
                "is a folder of this machine; name an index under `indexes:` with its packages, "
                f"and the folder in `{variable('NAME')}`",
            )
        elif default:
            self.leave_out(
                text,
                "the default index is a matter of the machine: pip's own configuration, or "
                f"`{variable(DEFAULT_INDEX)}`{netrc}",
            )
        elif not may_stand(plain) or re.search(r"\.html?\Z", plain):
            self.leave_out(text, _BAD_URL + netrc)
        else:
            self.leave_out(
                text,
                "what comes from it is not said; write "
                f"`indexes: {{{name}: {{url: {plain}, packages: […]}}}}` with their names{netrc}",
            )

    def done(self) -> Imported:
        """What was collected."""
        here = [text for text in self.requirements if not self._is_at_place(text)]
        requirements = [self._constrained(text) for text in here]
        own = [(accelerator, text) for accelerator, text in self.own if not self._is_at_place(text)]
        named = {str(canonicalize_name(Requirement(text).name)) for text in self.requirements}
        unused = [one for name, one in self.constraints.items() if name not in named]
        if unused:
            listed = ", ".join(map(str, unused))
            self.leave_out(
                f"{', '.join(self.constraints_of)}: {listed}",
                "constrains what nothing here names; add what matters to `dependencies:`",
            )
        decided = sort_requirements(requirements, self.builds, own)
        return Imported(
            dependencies=decided.dependencies,
            python=self.python,
            indexes=tuple(self.indexes.values()),
            variants=decided.variants,
            left_out=(*_hidden(decided.left_out), *self.left_out),
            changed=(*_hidden(decided.changed), *self.changed),
        )

    def _is_at_place(self, text: str) -> bool:
        return canonicalize_name(Requirement(text).name) in self.places

    def _constrained(self, text: str) -> str:
        requirement = Requirement(text)
        constraint = self.constraints.get(str(canonicalize_name(requirement.name)))
        narrowed = merged(requirement, constraint) if constraint else None
        if narrowed is None:
            return text
        self.change(text, f"became `{narrowed}`, by {', '.join(self.constraints_of)}")
        return str(narrowed)


_BAD_URL: Final = (
    "is no address of an index that a spec takes (`https://…`, PEP 503); name one under `indexes:`"
)


def _add(notes: list[Note], text: str, reason: str) -> None:
    note = _clean(text.strip(), reason)
    if note not in notes:
        notes.append(note)


def _hidden(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    return tuple(_clean(note.text, note.reason) for note in notes)


def _wheel_of(place: str) -> str | None:
    """`NAME==VERSION` of the wheel that a place names; None where it names something else."""
    try:
        name, version, *_ = parse_wheel_filename(unquote(urlsplit(place).path.rpartition("/")[2]))
    except ValueError:  # no name of a wheel, or brackets in the URL that hold no address
        return None
    return f"{name}=={version.public}"


def _clean(text: str, reason: str) -> Note:
    """A note ends in a file and in logs."""
    shown = redact(redact_quoted(text, [text]), queries=True)
    return Note(text=shown, reason=redact(redact_quoted(reason, [text]), queries=True))
