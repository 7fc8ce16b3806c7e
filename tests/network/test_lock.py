"""The whole of `mlimage lock` with the package index and the Debian mirror of this machine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlimage.lock.text import read_lock
from support.building import MLIMAGE
from support.locks import CPU
from support.machine import ROOT

pytestmark = pytest.mark.network

SPEC = """\
name: small
python: "3.11"
base:
  debian: bookworm
  packages: [libsndfile1]
train:
  command: python train.py
dependencies:
  - joblib==1.4.2
serve:
  command: python serve.py
  dependencies: [packaging]
"""


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests here: what is fetched is fetched once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(tmp_path: Path, shared_cache: Path) -> "Project":
    return Project(tmp_path, shared_cache)


class Project:
    """A project with one image, and the command line."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache
        self.image = root / "images" / "small"
        self.locks = root / "lockfiles" / "small"
        (self.image / "app").mkdir(parents=True)
        for name in ("train.py", "serve.py"):
            (self.image / "app" / name).touch()
        self.write(SPEC)

    def write(self, text: str) -> None:
        (self.image / "mlimage.yaml").write_text(text)

    def lock(self, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MLIMAGE, "lock", *options],
            cwd=self.root,
            env={**os.environ, "MLIMAGE_CACHE": str(self.cache), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def good(self, *options: str, env: dict[str, str] | None = None) -> str:
        done = self.lock(*options, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self) -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in self.locks.iterdir()}


def test_lock_check_and_lock_again(project: Project) -> None:
    shown = json.loads(project.good("--json"))
    assert [(one["image"], one["up_to_date"], one["written"]) for one in shown] == [
        ("small", False, ["base.toml", "cpu.txt", "cpu.toml"])
    ]
    lock = read_lock(project.locks, CPU)
    assert {package.name for package in lock.packages} == {"joblib", "packaging"}
    assert {"python3.11", "libc6", "libsndfile1", "libflac12"} <= {deb.name for deb in lock.base.debs}
    assert {"dpkg", "debconf", "mawk", "tar", "perl-base"} & {deb.name for deb in lock.base.debs} == set()
    assert lock.packages[0].required_by == ("-r dependencies",)
    before = project.files()
    offline = {
        "MLIMAGE_MIRROR_DEFAULT": "http://127.0.0.1:9/simple",
        "MLIMAGE_MIRROR_DEBIAN": "http://127.0.0.1:9/debian",
    }
    assert project.good("small", env=offline) == "small:cpu is up to date\n"
    assert project.good("--check", env=offline) == "small:cpu is up to date\n"
    assert project.files() == before


def test_a_first_lock_is_summed_up(project: Project) -> None:
    [first, _] = project.good().splitlines()
    assert re.fullmatch(
        r"small:cpu: 2 packages as asked for, 0 that they need; the largest: "
        r"joblib 1\.4\.2 \(301\.8 kB\), packaging \S+ \(\S+ kB\)",
        first,
    )


def test_the_same_whoever_locks(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    project.good()
    other = Project(tmp_path_factory.mktemp("other"), project.cache)
    other.good(env={"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PIP_PRE": "1"})
    one, two = (read_lock(each.locks, CPU) for each in (project, other))
    assert (one.base, one.packages, one.wanted) == (two.base, two.packages, two.wanted)


def test_a_changed_spec_is_stale_and_moves_only_what_it_must(project: Project) -> None:
    project.good()
    before = read_lock(project.locks, CPU)
    project.write(SPEC.replace("joblib==1.4.2", "joblib>=1.4.2\n  - idna"))
    done = project.lock("--check")
    assert done.returncode == 4
    assert done.stderr == (
        "error: the lock of `small:cpu` is stale:\n"
        "  requirement changed: joblib==1.4.2 → joblib>=1.4.2\n"
        "  requirement added: idna\n"
        "hint: `mlimage lock small` brings it up to date\n"
    )
    project.good()
    after = read_lock(project.locks, CPU)
    assert after.base == before.base
    assert after.as_of == before.as_of
    moved = {str(p.version) for p in after.packages if p.name in {"joblib", "packaging"}}
    assert moved == {str(p.version) for p in before.packages}
    assert "joblib" in project.good("--upgrade-package", "joblib")
    newest = read_lock(project.locks, CPU)
    assert newest.as_of > before.as_of
    assert {p.name: p.version for p in newest.packages}["joblib"] > before.packages[0].version
    done = project.lock("-P", "jolib")
    assert done.returncode == 4
    assert "did you mean `joblib`?" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("joblib==1.4.2", "jobblib"),
            (
                "error: images/small/mlimage.yaml:9:5: index `default` has no package `jobblib`\n"
                "hint: did you mean `joblib`?\n"
            ),
        ),
        (
            ("joblib==1.4.2", "joblib==1.4.2\n  - joblib>1.4.2"),
            (
                "error: images/small/mlimage.yaml:9:5: these cannot be had together (joblib):\n"
                "  you ask for `joblib==1.4.2`  (images/small/mlimage.yaml:9:5)\n"
                "  you ask for `joblib>1.4.2`  (images/small/mlimage.yaml:10:5)\n"
                "hint: change or drop `joblib==1.4.2` or `joblib>1.4.2`\n"
            ),
        ),
        (
            ("[libsndfile1]", "[libsndfile]"),
            (
                "error: images/small/mlimage.yaml:5:14: Debian bookworm has no package `libsndfile`\n"
                "hint: did you mean `libsndfile1`?\n"
            ),
        ),
    ],
)
def test_nothing_is_written_when_locking_fails(
    change: tuple[str, str], message: str, project: Project
) -> None:
    project.write(SPEC.replace(*change))
    done = project.lock()
    assert done.returncode == 5
    assert "".join(re.findall(r"(?:error|hint): .*\n(?:  .*\n)*", done.stderr)) == message
    assert not project.locks.exists()


def test_unreachable_mirrors(project: Project) -> None:
    done = project.lock(env={"MLIMAGE_MIRROR_DEBIAN": "http://127.0.0.1:9/debian"})
    assert done.returncode == 6
    assert "cannot read the Debian archives (`http://127.0.0.1:9/debian`" in done.stderr
    done = project.lock(env={"MLIMAGE_MIRROR_DEFAULT": "http://127.0.0.1:9/simple"})
    assert done.returncode == 6
    assert "127.0.0.1:9" in done.stderr
    assert not project.locks.exists()


def test_a_mirror_that_debian_did_not_sign(project: Project, tmp_path: Path) -> None:
    for suite in ("bookworm", "bookworm-updates"):
        folder = tmp_path / "debian" / "dists" / suite
        folder.mkdir(parents=True)
        (folder / "Release").write_text(
            f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: amd64\n"
        )
    done = project.lock(env={"MLIMAGE_MIRROR_DEBIAN": str(tmp_path / "debian")})
    assert done.returncode == 6
    assert "signature" in done.stderr
    assert not project.locks.exists()


def test_pip_accepts_the_requirements(project: Project) -> None:
    project.good()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps"),
            *("--require-hashes", "--only-binary=:all:", "--quiet", "-r", str(project.locks / "cpu.txt")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_shipped_lock_is_up_to_date(tmp_path: Path) -> None:
    for name in ("images", "lockfiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [MLIMAGE, "lock", "--check"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
