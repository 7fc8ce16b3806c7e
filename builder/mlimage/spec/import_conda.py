"""Import of a conda environment file: its packages under their names in the package index, and its `pip:`.

The names are data, `conda.toml`.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from mlimage.errors import SpecError, UsageError
from mlimage.spec.collected import Collected
from mlimage.spec.import_indexes import Build
from mlimage.spec.import_requirements import LinesReader
from mlimage.spec.imported import IMPORTS, Imported, names_of, read_source
from mlimage.spec.nodes import Mapping, Node, Scalar, Sequence
from mlimage.spec.source import read_yaml

_FILE: Final = Path(__file__).with_name("conda.toml")
_SPEC: Final = re.compile(
    r"(?:(?P<channel>[^\s\[\]]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)"
    r"\s*(?P<version>[^\s\[]*)(?:\s+(?P<build>\S+))?\Z"
)
_SILENT: Final = frozenset({"dependencies", "channels", "name", "prefix"})
_TOOLKITS: Final = ("pytorch-cuda", "cudatoolkit", "cuda-version", "cuda-toolkit", "cuda")
"""What says a version of CUDA, the surest first."""
_FRAMEWORKS: Final = frozenset({"torch", "tensorflow", "jax", "jaxlib"})


def from_conda(file: Path) -> Imported:
    """Read an `environment.yml`.

    Raises:
        UsageError: the file cannot be read, or is no environment file.
    """
    try:
        root, problems = read_yaml(read_source(file), path=str(file))
    except SpecError as error:
        problem = error.problems[0]
        place = f"{problem.path}:{problem.line}:{problem.column}"
        hint = problem.hint if problem.message.startswith("not YAML") else IMPORTS
        raise UsageError(problem.message, where=place, hint=hint) from error
    dependencies = root.get("dependencies")
    if not isinstance(dependencies, Sequence):
        raise _no_environment(file, root)
    collected = Collected()
    for problem in problems:
        collected.leave_out(f"line {problem.line}", problem.message)
    reader = _Reader(collected=collected, lines=LinesReader(collected=collected))
    for item in dependencies.items:
        if isinstance(item, Scalar):
            reader.package(item.text)
        elif isinstance(item, Mapping):
            reader.section(item, file=file)
        else:
            collected.leave_out(f"line {item.line}", "a list among the packages is not understood")
    reader.rest(root)
    reader.finish()
    return collected.done()


def add_packages(texts: Iterable[str], collected: Collected) -> None:
    """Take packages as conda writes them (`numpy=1.26.4=py311_0`)."""
    reader = _Reader(collected=collected, lines=LinesReader(collected=collected))
    for text in texts:
        reader.package(text)
    reader.finish()


def _no_environment(file: Path, root: Mapping) -> UsageError:
    if root.get("package") is not None and root.get("metadata") is not None:
        return UsageError(
            f"`{file}` is a lock of conda-lock's", hint="name the environment.yml that it was made from"
        )
    if root.get("services") is not None:
        return UsageError(f"`{file}` is a file of Docker Compose's", hint=IMPORTS)
    return UsageError(f"`{file}` has no list `dependencies`", hint="is it an environment file of conda's?")


@dataclass(slots=True, kw_only=True)
class _Reader:
    collected: Collected
    lines: LinesReader
    toolkits: dict[str, str] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)
    builds: dict[str, str] = field(default_factory=dict)

    def section(self, section: Mapping, *, file: Path) -> None:
        """A mapping among the packages, as `pip:`."""
        for key, value in section.entries:
            for item in _items(value):
                if key.text == "pip":
                    self.lines.take(item, file=file)
                else:
                    self.collected.leave_out(
                        f"{key.text}: {item}",
                        f"a section `{key.text}:` is not known; if the image needs it, write it by hand",
                    )

    def package(self, text: str) -> None:
        """One package, as conda writes it."""
        # `numpy[version='>=1.2']` is `numpy>=1.2`.
        plain = re.sub(r"\[version=(['\"]?)([^'\"\]]+)\1\]\Z", r"\2", text.strip())
        match = _SPEC.match(re.sub(r"\s*([<>=!~,|])\s*", r"\1", plain))
        if not match:
            self.collected.leave_out(text, "is not understood; add it to `dependencies:` as `numpy>=2,<3`")
            return
        if match["channel"]:
            self.channel(match["channel"])
        name = match["name"].lower()
        version = _version(match["version"] or match["build"] or "")
        build = match["build"] or (
            match["version"].rpartition("=")[2] if match["version"].count("=") > 1 else ""
        )
        if name == "python":
            if version is None:
                self.collected.leave_out(
                    text, "its versions cannot be said in PEP 440; set `python:` by hand"
                )
            self.collected.python = version or ""
        elif name in {"pip", "wheel"}:
            self.libraries.append(name)
        elif (kind := _kind(name)) == "index":
            self._from_index(name, version, build, text)
        else:
            self._other(name, kind, match["version"], text)

    def _other(self, name: str, kind: str, version: str, text: str) -> None:
        """What is no Python package."""
        if kind == "accelerator":
            if name == "cpuonly":
                self.collected.builds.append((Build(label="cpu"), text))
            self.toolkits[name] = version
            if name not in _TOOLKITS:
                self.libraries.append(name)
        elif kind == "debian":
            self.collected.leave_out(
                text,
                f"no Python package; Debian has `{_rules()['debian'][name]}`, for `base.packages`",
            )
        elif kind == "program":
            self.collected.leave_out(text, "no Python package; look for a Debian package for `base.packages`")
        else:
            self.libraries.append(name)

    def _from_index(self, name: str, version: str | None, build: str, text: str) -> None:
        known = _rules()["names"].get(name, name)
        if version is None:
            self.collected.change(
                text, f"became `{known}` of any version: these cannot be said in PEP 440; write them by hand"
            )
        if known in _FRAMEWORKS:
            self._framework(known, name, build, text)
        if known != name and known not in _FRAMEWORKS:
            self.collected.change(text, f"is `{known}` in the package index")
        if name in {"faiss-gpu", "cupy"}:
            self.collected.leave_out(
                text,
                "the package index has it for each CUDA, as `cupy-cuda12x` and `faiss-gpu-cu12`; "
                "add one to the variant `cuda`",
            )
            return
        cuda = known == "tensorflow" and re.search("gpu|cuda", build)
        self.collected.add(("tensorflow-gpu" if cuda else known) + (version or ""))

    def _framework(self, known: str, name: str, build: str, text: str) -> None:
        """The build of a framework, which conda says in a name or in a build string."""
        cuda = re.search(r"cuda_?([0-9]{2})\.?([0-9])", build)
        if known == "torch" and (name == "pytorch-cpu" or re.search(r"(\A|_)cpu", build)):
            self.collected.builds.append((Build(label="cpu"), text))
        elif known == "torch" and cuda:
            self.builds[text] = f"{cuda[1]}.{cuda[2]}"
        elif known == "jaxlib" and "cuda" in build:
            self.collected.own.append(("cuda", "jax[cuda12]"))

    def rest(self, root: Mapping) -> None:
        """The keys beside the packages."""
        for channel in _items(root.get("channels")):
            self.channel(channel)
        for key, value in root.entries:
            if key.text == "variables" and isinstance(value, Mapping):
                for name, _ in value.entries:
                    self.collected.leave_out(
                        f"the variable {name.text}", "write it under `env:`, unless it is a secret"
                    )
            elif key.text not in _SILENT:
                self.collected.leave_out(f"the key {key.text}", "mlimage has nothing for it")

    def channel(self, channel: str) -> None:
        """Say it where packages may be of somebody's own."""
        plain = re.sub(
            r"\Ahttps://(conda\.anaconda\.org|repo\.anaconda\.com/pkgs)/",
            "",
            channel.strip("'\"").rstrip("/"),
        )
        if not any(
            fnmatchcase(plain.removesuffix("/linux-64"), known) for known in _rules()["channels"]["known"]
        ):
            text = f"the channel {channel}"
            if all(note.text != text for note in self.collected.left_out):
                self.collected.leave_out(
                    text,
                    "packages come from indexes of wheels; name one under `indexes:` for what is only there",
                )

    def finish(self) -> None:
        """What only all packages together say."""
        self.lines.tell_hashes()
        self._cuda()
        if self.libraries:
            self.collected.leave_out(
                ", ".join(dict.fromkeys(self.libraries)),
                "conda's own, and libraries that wheels have inside; where one is missing all the same, "
                "look for a Debian package for `base.packages`",
            )

    def _cuda(self) -> None:
        """Whose CUDA it is: PyTorch has a build for each, the others have an extra."""
        names = names_of(self.collected.requirements)
        said = {
            **self.builds,
            **{f"{one}{self.toolkits[one]}": self.toolkits[one] for one in _TOOLKITS if one in self.toolkits},
        }
        if "torch" in names or "pytorch-cuda" in self.toolkits:
            label = next((label for version in said.values() if (label := _label(version))), None)
            for text, version in said.items():
                if label is None:
                    self.collected.change(
                        text, "says no build of PyTorch's; the default index's is in the variant `cuda`"
                    )
                elif _label(version) == label:
                    self.collected.builds.append((Build(label=label), text))
                    self.collected.change(text, f"became PyTorch's build `{label}` in the variant `cuda`")
                else:
                    self.collected.leave_out(text, f"PyTorch's build is `{label}`, and brings its own CUDA")
            return
        for text in said:
            self.collected.leave_out(text, "CUDA comes with the wheels of the variant `cuda`")
        if said or "cudnn" in self.toolkits:
            for number, requirement in enumerate(self.collected.requirements):
                # A requirement that has an extra, or is of another package whose name begins so, stays.
                self.collected.requirements[number] = re.sub(
                    r"\Atensorflow(?![\w\[-])", "tensorflow[and-cuda]", requirement
                )
            if names & {"jax", "jaxlib"}:
                self.collected.own.append(("cuda", "jax[cuda12]"))


def _label(version: str) -> str | None:
    """The label of PyTorch's build for a CUDA, as conda constrains it; None where there is none."""
    found = re.match(r"[=<>~]*([0-9]+\.[0-9]+)", version)
    return f"cu{found[1].replace('.', '')}" if found and found[1] in _rules()["pytorch"]["cuda"] else None


def _items(value: Node | None) -> Iterable[str]:
    if isinstance(value, Scalar):
        return (value.text,) if value.value is not None else ()
    if isinstance(value, Sequence):
        return tuple(item.text if isinstance(item, Scalar) else "…" for item in value.items)
    return ("…",) if value is not None else ()


def _kind(name: str) -> str:
    """What a package is: `index` for a Python package, else the list of `conda.toml` that has it."""
    rules = _rules()
    if name in rules["names"] or any(fnmatchcase(name, one) for one in rules["kinds"]["python"]):
        return "index"
    if name in rules["debian"]:
        return "debian"
    for kind in ("conda", "accelerator", "program", "library"):
        if any(fnmatchcase(name, pattern) for pattern in rules["kinds"][kind]):
            return kind
    return "index"


def _version(text: str) -> str | None:
    """Conda's version constraint as PEP 440 writes it, without the build; None when that cannot be."""
    if not text or text in {"*", "=*"}:
        return ""
    if "|" in text:
        return None
    parts = [_part(part) for part in text.split(",")]
    return None if any(part is None for part in parts) else ",".join(part for part in parts if part)


def _part(part: str) -> str | None:
    match = re.fullmatch(r"(===?|>=|<=|!=|~=|=|>|<)?([0-9][0-9A-Za-z.!_+]*?|)(\.?\*)?(?:=[\w.*+]+)?", part)
    if not match:
        return None
    operator, version, star = match.group(1) or "=", match.group(2), match.group(3)
    if not version:
        # `=*=cuda*` is any version of one build.
        return "" if star else None
    try:
        release = Version(version).release
    except InvalidVersion:
        return None
    if operator == "=":
        # Conda's `=1.2` is any 1.2, as `1.2.*` is; of three numbers or with a build it is that release.
        exact = not star and ("=" in part[1:] or not part.startswith("=") or len(release) > 2)
        return f"=={version}" if exact else f"=={version}.*"
    if star and operator in {"==", "!="}:
        return f"{operator}{version}.*"
    return f"{operator}{version}"


@cache
def _rules() -> dict[str, Any]:
    rules: dict[str, Any] = tomllib.loads(_FILE.read_text())
    return rules
