"""The program that imports packages in an image, run by this machine's python over real wheels."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from mlimage.host import imports
from mlimage.host.imports.findings import Cause, Failure, Findings, Frame, Package, read_findings
from mlimage.host.imports.inside.survey import named_libraries, public
from support.wheels import make_wheel

INSIDE = Path(imports.__file__).parent / "inside"


class Site:
    """A folder of installed wheels, beside nothing but the standard library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site-packages"
        self.wheels = folder / "wheels"

    def install(
        self,
        name: str,
        files: Mapping[str, str],
        requires: Sequence[str] = (),
        native: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        content = {path: text.encode() for path, text in files.items()} | dict(native)
        with zipfile.ZipFile(make_wheel(self.wheels, name, "1.5", content, requires=requires)) as archive:
            archive.extractall(self.folder)

    def survey(self, *packages: str, seconds: float = 30) -> Findings:
        request: dict[str, Any] = {
            "packages": packages,
            "attempt": (INSIDE / "attempt.py").read_text(),
            "without": "/app",
            "seconds": seconds,
            "jobs": 2,
        }
        done = subprocess.run(
            [sys.executable, "-S", "-c", (INSIDE / "survey.py").read_text(), json.dumps(request)],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        _, *lines = ("what `site` ran may print half a line" + done.stdout).splitlines()
        return read_findings([json.loads(line) for line in lines], packages)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_works_is_imported_and_what_is_not_there_is_said(site: Site) -> None:
    site.install("one", {"one/__init__.py": "print('hello')\n", "other.py": "raise ValueError\n"})
    site.install("stubs", {"one-stubs/__init__.pyi": ""})
    found = site.survey("one", "stubs", "none")
    assert (found.modules, found.failures) == (1, (Failure(package="none", module="", why="absent"),))


def test_a_missing_module(site: Site) -> None:
    inner = "import importlib\n\n\ndef load():\n    importlib.import_module('gone.deep')\n"
    site.install("a-b", {"a_b/__init__.py": "from a_b import inner\ninner.load()\n", "a_b/inner.py": inner},
                 ["gone-pkg>=2; extra == 'all'"])  # fmt: skip
    assert site.survey("a-b").failures == (
        Failure(
            package="a-b",
            module="a_b",
            why="raised",
            causes=(
                Cause(
                    type="ModuleNotFoundError",
                    message="No module named 'gone'",
                    name="gone",
                    missing=True,
                    frames=(
                        Frame(file="a_b/__init__.py", line=2, package="a-b"),
                        Frame(file="a_b/inner.py", line=5, package="a-b"),
                    ),
                ),
            ),
            packages={"a-b": Package(version="1.5", requires=("gone-pkg>=2; extra == 'all'",))},
            mentioned=frozenset({"gone-pkg"}),
        ),
    )


def test_who_has_what_cannot_be_imported_from_it(site: Site) -> None:
    site.install("new", {"new/__init__.py": ""})
    site.install("user", {"user/__init__.py": "from new import old\n"})
    site.install("other", {"other/__init__.py": "import new\nnew.old()\n"})
    [user, other] = site.survey("user", "other").failures
    assert [cause.provider for cause in (*user.causes, *other.causes)] == ["new", "new"]
    assert other.causes[0].message == "module 'new' has no attribute 'old'"
    assert user.packages["new"] == Package(version="1.5", requires=())


def test_causes(site: Site) -> None:
    code = (
        "try:\n    import gone\nexcept ImportError as error:\n    raise ValueError('install it') from error\n"
    )
    site.install("outer", {"outer/__init__.py": code})
    [failure] = site.survey("outer").failures
    assert [(cause.last_line, cause.explicit) for cause in failure.causes] == [
        ("ValueError: install it", True),
        ("ModuleNotFoundError: No module named 'gone'", False),
    ]


def test_ends_of_another_kind(site: Site) -> None:
    site.install(
        "killed",
        {"killed/__init__.py": "import os\nos.write(2, b'on the way\\n')\nos.abort()\n"},
    )
    site.install("slow", {"slow/__init__.py": "import time\ntime.sleep(60)\n"})
    site.install("exits", {"exits/__init__.py": "raise SystemExit(3)\n"})
    killed, slow, exits = site.survey("killed", "slow", "exits", seconds=2).failures
    assert (killed.why, killed.status, killed.output) == ("died", -6, "on the way\n")
    assert slow.why == "time"
    assert exits.causes[0].last_line == "SystemExit: 3"


def test_a_module_that_forks_reports_once(site: Site) -> None:
    site.install(
        "forks",
        {
            "forks/__init__.py": "import os\nif not os.fork():\n    raise SystemExit('x')\n"
            "assert os.waitstatus_to_exitcode(os.wait()[1]) == 1\n"
        },
    )
    site.install(
        "cut",
        {"cut/__init__.py": "import os, sys\nos.write(int(sys.argv[2]), b'[')\nos._exit(3)\n"},
    )
    [cut] = site.survey("forks", "cut").failures
    assert (cut.module, cut.why, cut.status) == ("cut", "died", 3)


def test_a_library_that_is_loaded_and_missing(site: Site) -> None:
    site.install("loads", {"loads/__init__.py": "import ctypes\nctypes.CDLL('libgone.so.1')\n"})
    [failure] = site.survey("loads").failures
    assert failure.libraries == {}
    assert named_libraries(failure.causes[0].message) == ["libgone.so.1"]


def test_libraries_that_a_module_needs(site: Site) -> None:
    """An extension module of the standard library, made to ask for another library."""
    folder = Path(sysconfig.get_config_var("DESTSHARED"))
    native = next(path for path in sorted(folder.glob("*.so")) if b"\0libc.so.6\0" in path.read_bytes())
    content = native.read_bytes().replace(b"\0libc.so.6\0", b"\0libq.so.6\0")
    site.install("ext", {"ext/__init__.py": "from ext import native\n"}, native={"ext/native.so": content})
    [failure] = site.survey("ext").failures
    assert failure.causes[0].message.startswith("libq.so.6: cannot open shared object file")
    assert failure.libraries == {str(site.folder / "ext/native.so"): ("libq.so.6",)}


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["yaml/__init__.py", "_yaml/__init__.py", "PyYAML-6.dist-info/RECORD"], {"yaml"}),
        (["six.py", "__pycache__/six.cpython-311.pyc"], {"six"}),
        (["fast.abi3.so", "libfast.so", "libother.so.3"], {"fast"}),
        (["google/cloud/storage/__init__.py", "google/cloud/storage/blob.py"], {"google.cloud.storage"}),
        (["ns/one.py", "ns/data/x.txt"], {"ns.one"}),
        (["nvidia/cublas/lib/libcublas.so", "nvidia/cublas/lib/libcublas.so.12"], set()),
        (["whole/__init__.py", "scripts/run.py"], {"whole"}),
        (["../../../bin/tool", "x-stubs/__init__.pyi", "_hidden.py"], set()),
    ],
)
def test_modules_of_files(files: list[str], modules: set[str]) -> None:
    assert public(files) == modules


def test_a_package_is_imported_by_its_own_name(site: Site) -> None:
    fails = "raise ValueError('imported')\n"
    site.install("black", {"black/__init__.py": "", "blackd/__init__.py": fails})
    site.install("PyThing", {"thing/__init__.py": fails, "tests/__init__.py": fails, "examples/x.py": fails})
    site.install("my.space-name", {"my/space/name/__init__.py": fails, "my/space/__about__.py": fails})
    found = site.survey("black", "pything", "my-space-name")
    assert [failure.module for failure in found.failures] == ["thing", "my.space.name"]


def test_modules_of_the_application_are_none_of_a_package(site: Site, tmp_path: Path) -> None:
    site.install("one", {"one/__init__.py": "import colorsys, json\n"})
    (tmp_path / "json.py").write_text("raise ValueError\n")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert site.survey("one").failures == ()
    finally:
        os.chdir(here)
