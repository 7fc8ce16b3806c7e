"""Bases of real Debian packages, compared file by file with what dpkg-deb unpacks, and put to work."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from mlimage.cache import Cache
from mlimage.content.base import assemble
from mlimage.content.entry import Entry, Kind
from mlimage.content.installation import read_versions
from mlimage.content.interpreter import Interpreter
from mlimage.content.unpack import write_entries
from mlimage.lock.base import resolve_base
from mlimage.lock.model import AssembledBase, Wanted
from mlimage.lock.sources import Sources
from mlimage.lock.target import target_of
from mlimage.platforms import LINUX_AMD64, native_platform
from mlimage.process import run
from mlimage.progress import SILENT
from mlimage.spec.load import parse_spec

pytestmark = [pytest.mark.network, pytest.mark.root]

PACKAGES: Final = ("bash", "curl", "git", "libopenblas0-pthread", "libpq5", "libsndfile1", "tini")
"""Besides what every base has; together they have alternatives, hard links and links between packages."""
PYTHONS: Final = {"bookworm": "3.11", "trixie": "3.13"}

LEFT_OUT: Final = re.compile(r"usr/share/(doc|doc-base|groff|info|linda|lintian|locale|man|bug)(/|\Z)")
LICENCE: Final = re.compile(r"usr/share/doc/[^/]+/copyright")
KEPT: Final = re.compile(
    r"usr/share/doc/[^/]+/copyright.*|usr/share/doc/[^/]+|usr/share/locale/locale\.alias"
)

# The whole list of what is otherwise than in the packages.
CHANGED: Final = {
    "bin": "folder of bookworm, link of trixie; contents in /usr",
    "lib": "likewise",
    "lib64": "likewise",
    "sbin": "likewise",
    "var/lock": "link to /run/lock",
    "var/run": "link to /run",
}
ADDED: Final = tuple(
    re.compile(pattern)
    for pattern in (
        # every base
        r"usr/bin|usr/sbin|usr/lib64",
        r"var/lib/dpkg/status\.d(/.*)?",
        r"etc/ld\.so\.cache",
        # base-passwd
        r"etc/(passwd|group|shadow|gshadow)",
        r"home/nonroot",
        # base-files
        r"root/\.(profile|bashrc)|etc/(profile|motd)|etc/dpkg/origins/default",
        r"mnt|srv|opt|etc/opt|var/opt|media|run/lock|var/mail|var/spool/mail",
        r"usr/local(/(share(/(man|ca-certificates))?|bin|games|lib|libexec|include|sbin|src|etc|man))?",
        # ca-certificates
        r"etc/ca-certificates\.conf",
        r"etc/ssl/certs/(ca-certificates\.crt|[^/]+\.pem|[0-9a-f]{8}\.[0-9])",
        # others
        r"etc/(nsswitch\.conf|networks|localtime|timezone|inputrc|shells)",
        r"usr/local/lib/python3\.[0-9]+(/dist-packages)?",
        r"etc/alternatives(/.*)?",
        r"usr/bin/which",
        r"usr/lib/[^/]+/(libblas\.so\.3|liblapack\.so\.3|libopenblas\.so\.0)",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A base: its lock, the files of its debs, its entries, and the folder that they were written to."""

    lock: AssembledBase
    debs: tuple[Path, ...]
    entries: Mapping[str, Entry]
    root: Path

    @property
    def interpreter(self) -> Interpreter:
        """Its python."""
        return Interpreter(root=self.root, python=self.lock.python, platform=self.lock.platform)


SPEC = b"""\
name: base
python: "3.11"
base: {debian: bookworm}
train: {command: python train.py}
"""


@pytest.fixture(scope="module", params=PYTHONS)
def base(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_cache: Cache
) -> Assembled:
    """A base of each suite, locked today."""
    assert os.geteuid() == 0, "run this test as root: it compares the owners of files"
    wanted = Wanted(
        python=PYTHONS[request.param],
        platform=native_platform() or LINUX_AMD64,
        suite=request.param,
        packages=PACKAGES,
        requirements=(),
        indexes=(),
    )
    spec = parse_spec(SPEC, path="images/base/mlimage.yaml", folder="base")
    with (
        Sources(spec, "cpu", cache=shared_cache, environ=os.environ, progress=SILENT) as sources,
        SILENT.task("debs") as task,
        ThreadPoolExecutor(8) as pool,
    ):
        lock = resolve_base(wanted, places=dict, sources=sources, run=run)
        debs = tuple(pool.map(lambda deb: sources.inputs.get(deb, task), lock.debs))
    folder = tmp_path_factory.mktemp(request.param)
    (scratch := folder / "scratch").mkdir()
    (root := folder / "root").mkdir()
    entries = assemble(debs, scratch=scratch, platform=lock.platform)
    write_entries(entries, root)
    return Assembled(lock=lock, debs=debs, entries={entry.path: entry for entry in entries}, root=root)


@dataclass(frozen=True, slots=True)
class Found:
    """A path on the disk: what it is, its permissions and owner, and its bytes or where it leads."""

    kind: Kind
    mode: int
    owner: tuple[int, int]
    content: str


def _found(path: Path) -> Found:
    status = path.lstat()
    owner = (status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return Found(Kind.SYMLINK, 0o777, owner, str(path.readlink()))
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Found(Kind.DIRECTORY, mode, owner, "")
    with path.open("rb") as stream:
        return Found(Kind.FILE, mode, owner, hashlib.file_digest(stream, "sha256").hexdigest())


def _tree(folder: Path) -> dict[str, Found]:
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            found[str(path.relative_to(folder))] = _found(path)
    return found


def _unpacked_by_dpkg(debs: tuple[Path, ...], scratch: Path) -> dict[str, Found]:
    """What `dpkg-deb --extract` makes of the packages, with the names that a merged /usr gives."""
    program = shutil.which("dpkg-deb")
    assert program, "install dpkg"
    found: dict[str, Found] = {}
    for deb in debs:
        folder = scratch / deb.name
        subprocess.run((program, "--extract", str(deb), str(folder)), check=True)
        for path, one in _tree(folder).items():
            top, _, rest = path.partition("/")
            merged = f"usr/{path}" if rest and top in ("bin", "sbin", "lib", "lib64") else path
            if merged in found and merged not in CHANGED:
                assert found[merged] == one, merged
            found[merged] = one
        shutil.rmtree(folder)
    return found


def test_every_file_is_as_dpkg_unpacks_it(base: Assembled, tmp_path: Path) -> None:
    theirs = _unpacked_by_dpkg(base.debs, tmp_path)
    ours = _tree(base.root)
    missing = [path for path in theirs if path not in ours and not LEFT_OUT.match(path)]
    missing += [path for path in theirs if path not in ours and LICENCE.fullmatch(path)]
    assert missing == []
    left_out = [
        path for path in ours if LEFT_OUT.match(path) and not KEPT.fullmatch(path) and path.count("/") > 2
    ]
    assert left_out == []
    differing = [path for path, one in theirs.items() if path in ours and ours[path] != one]
    assert sorted(set(differing) - CHANGED.keys()) == []
    added = [path for path in ours if path not in theirs]
    assert [path for path in added if not any(pattern.fullmatch(path) for pattern in ADDED)] == []
    assert len(theirs) > 3000


def test_every_package_has_its_licence(base: Assembled) -> None:
    for deb in base.lock.debs:
        folder = base.root / "usr/share/doc" / deb.name
        if folder.is_symlink():
            folder = base.root / "usr/share/doc" / folder.readlink().name
        assert (folder / "copyright").exists(), deb.name


def _inside(base: Assembled, *command: str, stdin: str = "") -> str:
    """What a program of the base writes; run in a chroot with this machine's /dev, without /proc."""
    script = 'mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    done = subprocess.run(
        ("unshare", "--mount", "sh", "-c", script, str(base.root), *command),
        input=stdin,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_link_that_is_added_leads_nowhere(base: Assembled) -> None:
    links = [
        path
        for path, entry in base.entries.items()
        if entry.kind is Kind.SYMLINK and any(pattern.fullmatch(path) for pattern in ADDED)
    ]
    assert len(links) > 200
    script = 'while read -r path; do [ -e "$path" ] || echo "$path"; done'
    assert _inside(base, "/bin/sh", "-c", script, stdin="".join(f"/{path}\n" for path in links)) == ""


def test_python_describes_the_base_and_not_this_machine(base: Assembled) -> None:
    target = base.interpreter.describe(run)
    [libc] = [deb.version for deb in base.lock.debs if deb.name == "libc6"]
    assert libc.startswith(f"{target.glibc}-")
    python = PYTHONS[base.lock.suite]
    assert target.version.startswith(f"{python}.")
    assert target.markers["python_version"] == python
    assert target.markers["platform_machine"] == base.lock.platform.machine
    tag = f"cp{python.replace('.', '')}"
    glibc = target.glibc.replace(".", "_")
    assert target.tags[:2] == (
        f"{tag}-{tag}-linux_{base.lock.platform.machine}",
        f"{tag}-{tag}-manylinux_{glibc}_{base.lock.platform.machine}",
    )
    assert target.tags[-1] == "py30-none-any"


def test_python_finds_its_modules_and_nothing_of_this_machine(base: Assembled) -> None:
    code = (
        "import ssl, sqlite3, ctypes, lzma, bz2, zlib, readline, sys; print(*sys.path, sys.prefix, sep='\\n')"
    )
    done = run(base.interpreter.command("-c", code))
    assert done.errors == ""
    assert all(line.startswith(f"{base.root}/usr") for line in done.text.splitlines())


def test_its_programs_run(base: Assembled) -> None:
    script = "set -e; id -un 65532; readlink -f /etc/localtime; git --version; bash -c 'echo $BASH'; which sh"
    lines = _inside(base, "/bin/sh", "-c", script).splitlines()
    assert lines[2].startswith("git version 2.")
    assert lines[:2] + lines[3:] == ["nonroot", "/usr/share/zoneinfo/Etc/UTC", "/usr/bin/bash", "/usr/bin/sh"]


def test_ctypes_finds_libraries_by_the_cache(base: Assembled) -> None:
    names = ("ssl", "sndfile", "openblas", "blas", "gomp")
    code = f"import ctypes.util as u; print(*map(u.find_library, {names}))"
    found = _inside(base, f"/usr/bin/python{base.lock.python}", "-I", "-c", code)
    assert found == "libssl.so.3 libsndfile.so.1 libopenblas.so.0 libblas.so.3 libgomp.so.1\n"


def test_openssl_trusts_the_authorities_by_default(base: Assembled) -> None:
    script = "openssl verify -no_check_time /usr/share/ca-certificates/mozilla/*.crt"
    count = len(list((base.root / "usr/share/ca-certificates/mozilla").iterdir()))
    assert count > 100
    assert _inside(base, "/bin/sh", "-c", script).count(": OK\n") == count


def test_the_same_debs_give_the_same_entries(base: Assembled, tmp_path: Path) -> None:
    again = assemble(base.debs[::-1], scratch=tmp_path, platform=base.lock.platform, jobs=1)

    def plain(entry: Entry) -> tuple[object, ...]:
        digest = b""
        if entry.open is not None:
            with entry.open() as stream:
                digest = hashlib.sha256(stream.read()).digest()
        return (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.target, digest)

    assert [plain(entry) for entry in again] == [plain(entry) for entry in base.entries.values()]


def test_the_base_tells_what_its_python_says(base: Assembled) -> None:
    """For platforms whose python nobody can ask; here it can be."""
    python = Interpreter(root=base.root, python=base.lock.python, platform=base.lock.platform)
    asked = python.describe(run)
    assert target_of(base.lock) == asked
    program = f"usr/bin/python{base.lock.python}"
    assert read_versions(base.root, program, base.lock.python, base.lock.platform) == (
        asked.version,
        asked.glibc,
    )
