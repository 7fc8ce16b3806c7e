"""Which variants an import has: from the builds, extras and packages of accelerators that are in it.

The rules are data, `accelerated.toml`. Nothing is asked of any index: what the input says decides.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from mlimage.spec.import_indexes import Build, build_of
from mlimage.spec.imported import ImportedIndex, ImportedVariant, Note

_FILE: Final = Path(__file__).with_name("accelerated.toml")
_LOCAL: Final = re.compile(r"(===?\s*[^,;\s+]+)\+([A-Za-z0-9._]+)")
_CPU: Final = "cpu"
_CUDA: Final = "cuda"
_XGBOOST_FOR_CPU: Final = Version("2.1.1")
"""The first release of `xgboost-cpu`; releases before had no CUDA wheels among their requirements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Requirements by what they are for.

    Attributes:
        dependencies: what all variants have.
        variants: none when nothing is of any accelerator.
        changed: what was said otherwise.
        left_out: what follows from the rest.
    """

    dependencies: tuple[str, ...]
    variants: tuple[ImportedVariant, ...]
    changed: tuple[Note, ...]
    left_out: tuple[Note, ...]


def sort_requirements(
    requirements: Sequence[str], builds: Sequence[tuple[Build, str]], own: Sequence[tuple[str, str]] = ()
) -> Sorted:
    """Decide the variants.

    Args:
        requirements: PEP 508, each valid.
        builds: of PyTorch, and the text that says it (`pytorch-cuda=12.1`, an index).
        own: requirements that the input has for one accelerator: its name (`cuda`), and PEP 508.
    """
    names = [str(canonicalize_name(Requirement(text).name)) for text in requirements]
    sorter = _Sorter(names=frozenset(names))
    for build, text in builds:
        sorter.take_build(build, text)
    for accelerator, text in own:
        requirement = sorter.without_label(Requirement(text), text)
        sorter.have(accelerator, str(requirement))
    for text in requirements:
        sorter.take(text)
    return sorter.done()


def is_of_accelerator(name: str, version: str) -> bool:
    """Whether an installed package says something of accelerators, whoever asked for it."""
    rules = _rules()
    return (
        name in rules["family"]
        or name in rules["for_cpu"]
        or (name in rules["hosted"] and "+" in version)
        or _matches(name, rules["runtime"])
    )


@dataclass(slots=True, kw_only=True)
class _Sorter:
    names: frozenset[str]
    common: list[str] = field(default_factory=list)
    own: dict[str, list[str]] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)
    labelled: list[str] = field(default_factory=list)
    runtime: list[str] = field(default_factory=list)
    changed: list[Note] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)

    def change(self, text: str, reason: str) -> None:
        self.changed.append(Note(text=text, reason=reason))

    def have(self, accelerator: str, text: str) -> None:
        """A requirement of one variant alone."""
        kept = self.own.setdefault(accelerator, [])
        if text not in kept:
            kept.append(text)

    def take_build(self, build: Build, text: str) -> None:
        first = self.builds.setdefault(build.accelerator, build)
        if first.label != build.label:
            reason = f"`{first.label}` was taken, which the input says too; a variant has one build"
            self.left_out.append(Note(text=text, reason=reason))

    def take(self, text: str) -> None:
        """Decide what becomes of one requirement."""
        requirement = self.without_label(Requirement(text), text)
        name = str(canonicalize_name(requirement.name))
        rules = _rules()
        if _matches(name, rules["runtime"]):
            self.runtime.append(text)
        elif name == "tensorflow-gpu":
            requirement.name = "tensorflow"
            self._extra(requirement, {"and-cuda"}, text)
        elif name in rules["extra"] and (extras := _accelerator_extras(requirement)):
            self._extra(requirement, extras, text)
        elif name in rules["for_cpu"] and not _is_old_xgboost(name, requirement):
            self.have(_CUDA, str(requirement))
            requirement.name = rules["for_cpu"][name]
            if requirement.name not in self.names:
                self.have(_CPU, str(requirement))
            self.change(text, f"in the variant `cuda`; `{requirement}` stands for it in `cpu`")
        elif _matches(name, rules["cuda_only"]):
            self.have(_CUDA, str(requirement))
            self.change(text, "in the variant `cuda`, since it is for CUDA alone")
        else:
            self._keep(str(requirement) if "+" in text else text)

    def _keep(self, text: str) -> None:
        if text.strip() not in self.common:
            self.common.append(text.strip())

    def _extra(self, requirement: Requirement, extras: set[str], text: str) -> None:
        """`jax[cuda12]` is `jax` for all, and the extra for the variant."""
        accelerator = "tpu" if extras == {"tpu"} else _CUDA
        marker = f"; {requirement.marker}" if requirement.marker else ""
        with_extra = f"{requirement.name}[{','.join(sorted(extras))}]"
        self.have(accelerator, with_extra + marker)
        requirement.extras -= extras
        self._keep(str(requirement))
        self.change(text, f"became `{requirement}`, with `{with_extra}` in the variant `{accelerator}`")

    def without_label(self, requirement: Requirement, text: str) -> Requirement:
        """The public version of a build, whose label says where it comes from."""
        label = _LOCAL.search(str(requirement.specifier))
        if not label:
            return requirement
        public = Requirement(str(requirement))
        public.specifier = type(public.specifier)(_LOCAL.sub(r"\1", str(requirement.specifier)))
        name = str(canonicalize_name(requirement.name))
        build = build_of(label[2])
        if build and name in (*_rules()["family"], *_rules()["hosted"]):
            if any(part.is_devrelease for part in _versions(public)):
                build = Build(label=build.label, base=f"{build.base}/nightly")
            self.take_build(build, text)
            self.labelled.append(name)
            self.change(text, f"became `{public}`; which build, each variant's index says")
        elif name == "jaxlib":
            self.change(text, f"became `{public}`, with `jax[cuda12]` in the variant `cuda`")
            self.have(_CUDA, "jax[cuda12]")
        else:
            self.change(
                text,
                f"became `{public}`: the build `{label[2]}` is of one index only; "
                "name that index and its packages under `indexes:`",
            )
        return public

    def done(self) -> Sorted:
        """All variants, from all that was taken."""
        rules = _rules()
        torch = bool(self.builds or self.names & {*rules["family"], *rules["brings_torch"]})
        self._runtime(torch=torch)
        accelerators = {*self.builds, *self.own}
        if torch and not self.builds:
            accelerators |= {_CPU, _CUDA}
        if not accelerators:
            return self._sorted(())
        order = sorted({_CPU, *accelerators}, key=lambda one: (one != _CPU, one))
        variants = tuple(self._variant(accelerator, torch=torch) for accelerator in order)
        if torch or len(variants) > 1:
            self.changed.insert(0, _told(variants, torch=torch))
        return self._sorted(variants)

    def _sorted(self, variants: tuple[ImportedVariant, ...]) -> Sorted:
        return Sorted(
            dependencies=tuple(self.common),
            variants=variants,
            changed=tuple(self.changed),
            left_out=tuple(self.left_out),
        )

    def _runtime(self, *, torch: bool) -> None:
        """Libraries of CUDA follow from a framework, which is one that is there."""
        if not self.runtime:
            return
        plugin = next(
            (found[1] for text in self.runtime if (found := re.match(r"jax[-_]cuda(1\d)", text))), None
        )
        follow = torch or bool(self.own)
        if plugin and "jax" in self.names:
            follow = True
            self._mark("jax", f"cuda{plugin}", self.runtime)
        elif not follow and "tensorflow" in self.names:
            follow = True
            self._mark("tensorflow", "and-cuda", self.runtime)
        elif not follow and "jax" in self.names:
            follow = True
            self._mark("jax", _rules()["extra"]["jax"], self.runtime)
        if follow:
            reason = "follows from the framework, and `mlimage lock` finds the versions that fit"
            self.left_out.append(Note(text=", ".join(self.runtime), reason=reason))
            return
        for text in self.runtime:
            self.have(_CUDA, text)
        self.change(", ".join(self.runtime), "in the variant `cuda`, since it is for CUDA alone")

    def _mark(self, framework: str, extra: str, because: Sequence[str]) -> None:
        if any(text.startswith(f"{framework}[") for text in self.own.get(_CUDA, ())):
            return
        self.have(_CUDA, f"{framework}[{extra}]")
        self.change(
            framework, f"with `{framework}[{extra}]` in the variant `cuda`, since `{because[0]}` is there"
        )

    def _variant(self, accelerator: str, *, torch: bool) -> ImportedVariant:
        build = self.builds.get(accelerator)
        if build is None and torch and accelerator == _CPU:
            other = next(iter(self.builds.values()), None)
            build = Build(label=_CPU, base=other.base) if other else Build(label=_CPU)
        packages = (*_rules()["family"], *(dict.fromkeys(self.labelled)))
        index = (
            ImportedIndex(name=build.index, url=build.url, packages=tuple(dict.fromkeys(packages)))
            if build
            else None
        )
        return ImportedVariant(
            name=accelerator,
            dependencies=tuple(self.own.get(accelerator, ())),
            indexes=(index,) if index else (),
        )


def _told(variants: Sequence[ImportedVariant], *, torch: bool) -> Note:
    """What the variants are, in a line."""
    parts = []
    for variant in variants:
        if variant.indexes or (torch and variant.name == _CUDA):
            source = variant.indexes[0].url if variant.indexes else "the default index"
            parts.append(f"`{variant.name}` takes PyTorch from {source}")
        else:
            parts.append(f"`{variant.name}`")
    reason = " and ".join(parts)
    if len(variants) > 1:
        return Note(text="variants", reason=f"{reason}; remove the one that you do not need")
    return Note(text="variants", reason=f"{reason}; add `cuda: {{}}` below it for an image for CUDA")


def _accelerator_extras(requirement: Requirement) -> set[str]:
    return {extra for extra in requirement.extras if re.match(r"and-cuda|cuda|tpu\Z", extra)}


def _is_old_xgboost(name: str, requirement: Requirement) -> bool:
    bounded = [one for one in requirement.specifier if one.operator in {"==", "===", "<", "<=", "~="}]
    return name == "xgboost" and any(version < _XGBOOST_FOR_CPU for version in _parsed(bounded))


def _versions(requirement: Requirement) -> Iterator[Version]:
    return _parsed(requirement.specifier)


def _parsed(specifiers: Iterable[Any]) -> Iterator[Version]:
    for one in specifiers:
        try:
            yield Version(one.version.removesuffix(".*"))
        except InvalidVersion:
            continue


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@cache
def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = tomllib.loads(_FILE.read_text())
    return rules
