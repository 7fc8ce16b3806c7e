"""Import of a conda environment file: its packages under their names in the package index, and its `pip:`."""

import re
from pathlib import Path
from typing import Final

from mlimage.errors import SpecError, UsageError
from mlimage.spec.import_requirements import add_line
from mlimage.spec.imported import Collected, Imported
from mlimage.spec.nodes import Mapping, Scalar, Sequence
from mlimage.spec.source import read_yaml
from mlimage.spec.text import read_bytes

_PYPI_NAME: Final = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pyqt": "pyqt5",
    "python-graphviz": "graphviz",
    "python-lmdb": "lmdb",
    "python-xxhash": "xxhash",
    "ray-core": "ray",
    "ray-default": "ray",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "xgboost-cpu": "xgboost",
}
"""Where conda and the package index disagree about a name."""

_NOT_PYTHON: Final = re.compile(
    r"(lib(?!cst|pysal|rosa|sass).*|_.*|r-.*|m2.*|cuda.*|cudnn|nccl|mkl.*|blas|openblas|openmpi|mpich|gcc.*|gxx.*|clang.*|.*compilers?|"
    r"binutils.*|cmake|make|ninja|git|git-lfs|curl|wget|ffmpeg|nodejs|openjdk|openssl|ca-certificates|zlib|bzip2|xz|"
    r"tk|sqlite|readline|ncurses|pytorch-cuda|pytorch-mutex|cpuonly|nomkl|vs.*runtime|ucrt|tzdata|intel-openmp|llvm-openmp|"
    r"hdf5|graphviz|pandoc|postgresql|redis|htop|tmux|vim|conda|mamba|python_abi)\Z"
)
"""Names that conda has and that are no Python packages."""

_SPEC: Final = re.compile(
    r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)\s*(?P<version>[^\s\[]*)(?:\s+(?P<build>\S+))?\Z"
)


def from_conda(file: Path) -> Imported:
    """Read an `environment.yml`.

    Raises:
        UsageError: the file cannot be read, or is no environment file.
    """
    content, problem = read_bytes(file, path=str(file))
    try:
        root = read_yaml(content, path=str(file))[0] if problem is None else None
    except SpecError as error:
        problem = error.problems[0]
        root = None
    if problem or root is None:
        reason = problem.message if problem else "cannot be read"
        raise UsageError(reason, where=f"{file}:{problem.line}:{problem.column}" if problem else str(file))
    dependencies = root.get("dependencies")
    if not isinstance(dependencies, Sequence):
        raise UsageError(f"`{file}` has no list `dependencies`", hint="is it an environment file of conda's?")
    collected = Collected()
    for item in dependencies.items:
        if isinstance(item, Scalar):
            _package(item.text, collected)
        elif isinstance(item, Mapping):
            _section(item, collected, file=file)
    return collected.done()


def _section(section: Mapping, collected: Collected, *, file: Path) -> None:
    seen: list[Path] = []
    for key, value in section.entries:
        items = value.items if isinstance(value, Sequence) else ()
        for item in items:
            text = item.text if isinstance(item, Scalar) else "…"
            if key.text == "pip":
                add_line(text, collected, file=file, seen=seen)
            else:
                collected.leave_out(f"{key.text}: {text}", "a section that mlimage does not know")


def _package(text: str, collected: Collected) -> None:
    match = _SPEC.match(re.sub(r"\s*([<>=!~,|])\s*", r"\1", text.strip()))
    if not match:
        collected.leave_out(text, "not understood")
        return
    name = match["name"].lower()
    version = _version(match["version"] or match["build"] or "")
    if name == "python":
        collected.python = version or ""
    elif name == "pip":
        return
    elif version is None:
        collected.leave_out(text, "its versions cannot be said in PEP 508")
    elif _NOT_PYTHON.match(name):
        collected.leave_out(text, "no Python package; look for a Debian package for `base: {packages: […]}`")
    else:
        collected.add(_PYPI_NAME.get(name, name) + version)


def _version(text: str) -> str | None:
    """Conda's version constraint as PEP 440 writes it, without the build; None when that cannot be."""
    if not text or text == "*":
        return ""
    if "|" in text:
        return None
    parts = []
    for part in text.split(","):
        match = re.fullmatch(r"(==|>=|<=|!=|~=|=|>|<)?([0-9][0-9A-Za-z.!_+]*?)(\.?\*)?(?:=[\w.*]+)?", part)
        if not match:
            return None
        operator, version, star = match.group(1), match.group(2), match.group(3)
        exact_build = operator == "=" and "=" in part[1:]
        if operator in {None, "="} and (star or (operator == "=" and not exact_build)):
            # Conda's `=1.2` is any 1.2, as `1.2.*` is.
            parts.append(f"=={version}.*")
        elif operator in {None, "="}:
            parts.append(f"=={version}")
        elif star and operator in {"==", "!="}:
            parts.append(f"{operator}{version}.*")
        else:
            parts.append(f"{operator}{version}")
    return ",".join(parts)
