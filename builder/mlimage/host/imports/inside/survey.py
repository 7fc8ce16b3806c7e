"""Import what packages bring, each in a process of its own: `python -c SURVEY REQUEST`.

The request has the text of `attempt`. What is found goes to standard output, a JSON object in a line each.
"""

# ruff: noqa: PTH119, PTH123, SIM105 - `pathlib` and `contextlib` would be imported for little
from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path[:] = [place for place in sys.path if place]  # without the working directory, the application's

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import Distribution
    from typing import IO, Any

PLAIN = ".so"
TAIL = 4000
NOT_API = frozenset(
    {
        "bench",
        "benchmark",
        "benchmarks",
        "build",
        "conftest",
        "demo",
        "demos",
        "dist",
        "doc",
        "docs",
        "example",
        "examples",
        "sample",
        "samples",
        "script",
        "scripts",
        "setup",
        "test",
        "testing",
        "tests",
        "tools",
    }
)
"""Names beside a package that its author packed with it, and that nobody is meant to import."""


def main(request: dict[str, Any]) -> None:
    """Import what the packages of the request bring."""
    said = threading.Lock()
    sys.stdout.write("\n")  # what a `.pth` file has written may be half a line

    def say(**event: Any) -> None:
        with said:
            sys.stdout.write(json.dumps(event) + "\n")
            sys.stdout.flush()

    wanted = []
    for package in request["packages"]:
        distribution = find(package)
        if distribution is None:
            say(event="absent", package=package)
        else:
            wanted += [(package, distribution, module) for module in modules_of(package, distribution)]
    say(event="begun", count=len(wanted), os=os_release())

    def attempt(job: tuple[str, Distribution, str]) -> None:
        package, distribution, module = job
        found = imported(module, request)
        if found:
            found.update(look_closer(distribution, found))
        say(event="imported", package=package, module=module, failure=found)

    jobs = max(1, min(len(os.sched_getaffinity(0)), request["jobs"]))
    with ThreadPoolExecutor(jobs) as workers:
        list(workers.map(attempt, wanted))


def find(package: str) -> Distribution | None:
    """The distribution that is installed, the first one."""
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None


def canonical(name: str) -> str:
    """A name of a distribution in one spelling, PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


# --- what a distribution has ------------------------------------------------------------------------------


def modules_of(package: str, distribution: Distribution) -> list[str]:
    """Dotted names that people import: of its own name where there is one, else all that are public."""
    found = sorted(public(files_of(distribution)))
    own = [name for name in found if canonical(name) == canonical(package)]
    return own or [name for name in found if not NOT_API & set(name.split("."))]


def files_of(distribution: Distribution) -> list[str]:
    """Its files, relative to site-packages."""
    return [str(path) for path in distribution.files or ()]


def public(files: Iterable[str]) -> set[str]:
    """The uppermost modules and packages that have a file of their own, below namespaces where there are."""
    modules: dict[tuple[str, ...], set[str]] = {}
    for path in files:
        *above, name = path.split("/")
        stem = stem_of(name, top=not above)
        if stem and all(part.isidentifier() and not part.startswith("_") for part in above):
            modules.setdefault(tuple(above), set()).add(stem)
    regular = {folders for folders, stems in modules.items() if "__init__" in stems}
    found: set[str] = set()
    for folders, stems in modules.items():
        packages = [folders[:end] for end in range(1, len(folders) + 1) if folders[:end] in regular]
        if packages:
            found.add(".".join(packages[0]))
        else:
            found.update(".".join((*folders, stem)) for stem in stems if not stem.startswith("_"))
    whole = {name for name in found if "." not in name}
    return whole or found


def stem_of(name: str, *, top: bool) -> str | None:
    """The name of the module that a file is; none for a library that only lies there."""
    for suffix in sorted((*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES), key=len, reverse=True):
        if name.endswith(suffix):
            stem = name[: -len(suffix)]
            library = suffix == PLAIN and (stem.startswith("lib") or not top)
            return stem if stem.isidentifier() and not library else None
    return None


# --- one import -------------------------------------------------------------------------------------------


def imported(module: str, request: dict[str, Any]) -> dict[str, Any] | None:
    """Import it; what went wrong, None if nothing did."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as report:
        process = subprocess.Popen(
            [sys.executable, "-c", request["attempt"], module, str(report.fileno()), request["without"]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[report.fileno()],
            start_new_session=True,
            cwd="/",
        )
        try:
            status = process.wait(request["seconds"])
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(process)
        printed = tail(output)
        if status is None:
            return {"why": "time", "causes": [], "output": printed}
        report.seek(0)
        try:
            causes = json.loads(report.read())
        except ValueError:  # nothing, or not to its end
            return {"why": "died", "status": status, "causes": [], "output": printed}
        return {"why": "raised", "causes": causes, "output": printed} if causes else None


def end(process: subprocess.Popen[bytes]) -> None:
    """End it and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def tail(stream: IO[bytes]) -> str:
    """The last of what was written there."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - TAIL))
    return stream.read().decode("utf-8", "replace")


# --- a look at what failed --------------------------------------------------------------------------------


def look_closer(distribution: Distribution, failure: dict[str, Any]) -> dict[str, Any]:
    """Whose files the traceback names, who has the missing module, what libraries are missing."""
    owners = Owners()
    for cause in failure["causes"]:
        cause["frames"] = [owners.place(path, line) for path, line in cause["frames"]]
        used = USED.search(cause["message"])
        name = cause["name"] or (used.group(1) if used else "")
        cause["provider"] = owners.provider(name.partition(".")[0]) if name else None
    missing = sorted({name for cause in failure["causes"] for name in named_libraries(cause["message"])})
    return {
        "libraries": needs(distribution, failure["causes"], missing),
        "packages": owners.packages(),
        "mentioned": sorted(owners.mentioned),
    }


class Owners:
    """Which distribution each file of the image is of."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[str, str]] = {}
        self.modules: dict[str, str] = {}
        self.known: dict[str, Distribution] = {}
        self.used: dict[str, Distribution] = {}
        self.mentioned: set[str] = set()
        for distribution in metadata.distributions():
            name = canonical(distribution.metadata["Name"] or "")
            if name in self.known:
                continue  # of two the first is imported
            self.known[name] = distribution
            self.mentioned.update(canonical(NAME.findall(text)[0]) for text in distribution.requires or ())
            for path in files_of(distribution):
                self.files[os.path.normpath(str(distribution.locate_file(path)))] = (name, path)
                first, slash, _ = path.partition("/")
                stem = first if slash else stem_of(first, top=True)
                if stem:
                    self.modules.setdefault(stem, name)

    def place(self, path: str, line: int) -> dict[str, Any]:
        """A line of a file: whose it is, and its path from site-packages."""
        owner, shown = self.files.get(os.path.normpath(path), (None, path))
        self.use(owner)
        return {"file": shown, "line": line, "package": owner}

    def provider(self, module: str) -> str | None:
        """Who has a module."""
        owner = self.modules.get(module)
        self.use(owner)
        return owner

    def use(self, name: str | None) -> None:
        """Tell of it."""
        if name:
            self.used[name] = self.known[name]

    def packages(self) -> dict[str, dict[str, Any]]:
        """What there is to tell of those that were named."""
        return {
            name: {"version": found.version, "requires": list(found.requires or ())}
            for name, found in self.used.items()
        }


NAME = re.compile(r"[\w.-]+")
USED = re.compile(r"module '([\w.]+)' has no attribute")
LIBRARY = re.compile(r"(?:^|[\s'\"/])(lib[\w.+-]*?\.so(?:\.[\w.]+)?): cannot open shared object file")


def named_libraries(message: str) -> list[str]:
    """Those that the dynamic loader says it lacks."""
    return LIBRARY.findall(message)


def needs(distribution: Distribution, causes: list[dict[str, Any]], named: list[str]) -> dict[str, list[str]]:
    """Files that need libraries which are not in the image, each with all of them."""
    if not named:
        return {}
    paths = [cause["path"] for cause in causes if cause["path"] and ".so" in os.path.basename(cause["path"])]
    if not paths:
        packages = {frame["package"] for cause in causes for frame in cause["frames"] if frame["package"]}
        asked = [found for found in map(find, sorted(packages)) if found] or [distribution]
        paths = [str(found.locate_file(path)) for found in asked for path in files_of(found) if ".so" in path]
    listed = {path: not_found(path) for path in paths}
    return {path: missing for path, missing in listed.items() if set(missing) & set(named)}


def not_found(path: str) -> list[str]:
    """What the image's dynamic loader does not find of what a library needs, and what that needs: ldd(1)."""
    loader = loader_of_this_process()
    if loader is None:
        return []
    env = dict(os.environ, LD_TRACE_LOADED_OBJECTS="1")
    done = subprocess.run(
        [loader, path], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return list(dict.fromkeys(line.split()[0] for line in lines if line.endswith("=> not found")))


def loader_of_this_process() -> str | None:
    """Path of glibc's dynamic loader."""
    with open("/proc/self/maps") as stream:
        for line in stream:
            path = line.split(None, 5)[5].strip() if line.count("/") else ""
            if re.match(r"ld-(?:linux|\d)", os.path.basename(path)):
                return path
    return None


def os_release() -> dict[str, str]:
    """Distribution and suite of the image."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                pairs = [line.strip().split("=", 1) for line in stream if "=" in line]
        except OSError:
            continue
        return {name: value.strip("\"'") for name, value in pairs if name in {"ID", "VERSION_CODENAME"}}
    return {}


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
