"""Indexes of one's own, from the lock to the image: logins leave no trace, and errors say where to look.

The base is from the Debian mirror of this machine, all packages are from servers on loopback.
"""

import base64
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from mlimage.cache import Cache
from mlimage.pipconfig import authorities
from support.building import MLIMAGE
from support.keyrings import FakeKeyring
from support.webserver import Fault, WebServer, web_server
from support.wheels import make_wheel

pytestmark = pytest.mark.network

SECRET = f"hunter2-{token_hex(8)}"
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
CERTIFICATE = Path(__file__).parents[1] / "support" / "localhost.pem"

SPEC = """\
name: x
python: "3.11"
base: {debian: bookworm}
dependencies:
  - lib
  - inner
train: {command: python train.py}
compression: none
bytecode: false
"""


class Project:
    """A project with one image, a default index and one besides."""

    def __init__(self, folder: Path, cache: Cache, web: WebServer, team: WebServer) -> None:
        self.folder = folder
        self.cache = cache
        self.web = web
        self.team = team
        self.env = {"MLIMAGE_CACHE": str(cache.root), "MLIMAGE_MIRROR_DEFAULT": web.index}
        (folder / "images/x/app").mkdir(parents=True)
        (folder / "images/x/app/train.py").write_text("")

    def offer(self, web: WebServer, name: str, version: str, *requires: str) -> None:
        # No two wheels have the same bytes, so no cache has them from another test.
        content = {f"{name.replace('-', '_')}.py": f"x = {token_hex(8)!r}\n".encode()}
        wheel = make_wheel(self.folder / "wheels", name, version, content, requires=requires)
        web.offer(name, wheel.name, wheel.read_bytes())

    def write(self, text: str) -> None:
        (self.folder / "images/x/mlimage.yaml").write_text(text)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [MLIMAGE, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
        )

    def error(self, resolver: str) -> list[str]:
        """The lines of the error that locking ends with."""
        done = self.run("lock", "--resolver", resolver)
        assert done.returncode == 5, done.stderr
        lines = done.stderr.splitlines()
        return lines[next(number for number, line in enumerate(lines) if line.startswith("error: ")) :]


@pytest.fixture
def project(tmp_path: Path, warm_cache: Cache) -> Iterator[Project]:
    with web_server() as web, web_server() as team:
        made = Project(tmp_path / "project", warm_cache, web, team)
        made.offer(web, "lib", "1.0")
        made.offer(team, "inner", "1.0", "lib")
        yield made


def _bundle(folder: Path) -> str:
    """The authorities that count on this machine, and the one of the tests, as a company would have it."""
    import certifi

    known = (authorities(os.environ), ssl.get_default_verify_paths().cafile, certifi.where())
    files = [Path(each) for each in known if each and Path(each).is_file()]
    path = folder / "authorities.pem"
    path.write_bytes(b"\n".join([*(file.read_bytes() for file in files[:1]), CERTIFICATE.read_bytes()]))
    return str(path)


@pytest.mark.parametrize("source", ["netrc", "keyring", "environment"])
def test_logins_leave_no_trace(source: str, tmp_path: Path, warm_cache: Cache) -> None:
    """TLS of a company's own authority, and a login for each index: none of it is in what is written."""
    with (
        web_server(certificate=CERTIFICATE, needs=BASIC) as web,
        web_server(certificate=CERTIFICATE, needs=BASIC, style="html") as team,
    ):
        project = Project(tmp_path / "project", warm_cache, web, team)
        project.offer(web, "lib", "1.0")
        project.offer(team, "inner", "1.0", "lib")
        project.write(SPEC + f"indexes: {{team: {{url: '{team.index}', packages: [inner]}}}}\n")
        home = tmp_path / "home"
        home.mkdir()
        project.env |= {"HOME": str(home), "PIP_CERT": _bundle(tmp_path)}
        with_login = web.index.replace("//", f"//me:{SECRET}@")
        project.env["MLIMAGE_MIRROR_DEFAULT"] = with_login
        if source == "netrc":
            (home / ".netrc").write_text(f"machine localhost login me password {SECRET}\n")
        elif source == "keyring":
            keyring = FakeKeyring(tmp_path / "bin", {f"--mode creds get {team.index}": f"me\n{SECRET}\n"})
            project.env["PATH"] = f"{keyring.path}:{os.environ['PATH']}"
        else:
            project.env["MLIMAGE_MIRROR_TEAM"] = team.index.replace("//", f"//me:{SECRET}@")
        written = []
        for arguments in (
            ("lock",),
            ("build", "--no-check", "--engine", "direct"),
            ("inspect", "x"),
            ("render",),
        ):
            done = project.run(*arguments, "--verbose")
            assert done.returncode == 0, done.stderr
            written.append(done.stdout + done.stderr)
        team.needs = "Basic changed"
        (project.folder / "lockfiles/x/cpu.toml").unlink()
        (project.folder / "lockfiles/x/cpu.txt").unlink()
        failed = project.run("lock", "--verbose")
        assert failed.returncode == 6, failed.stderr
        assert "the login is refused (HTTP 401)" in failed.stderr
        written += [failed.stdout, failed.stderr]
    traces = {SECRET, BASIC.removeprefix("Basic ")}
    assert not [text for text in written if any(trace in text for trace in traces)]
    folders = [project.folder, warm_cache.root, warm_cache.metadata]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(b"inner.py" in path.read_bytes() for path in files if "blobs" in path.parts)
    wrong = [path for path in files if any(trace.encode() in path.read_bytes() for trace in traces)]
    assert wrong == []
    hosts = [team.origin.partition("//")[2].encode(), b"https:"]
    locks = list((project.folder / "lockfiles").rglob("*.*"))
    assert locks
    assert not [path for path in locks if any(host in path.read_bytes() for host in hosts)]


@pytest.mark.parametrize("resolver", ["pip-compile", "uv"])
@pytest.mark.parametrize("silent", ["/simple/", "/files/"])
def test_ctrl_c_while_an_index_is_silent(silent: str, resolver: str, project: Project) -> None:
    project.write(SPEC + f"indexes: {{team: {{url: '{project.team.index}', packages: [inner]}}}}\n")
    project.team.style = "html"  # without sizes, which are asked for one by one
    project.team.spoil(silent, Fault(hang=True))
    with subprocess.Popen(
        [MLIMAGE, "lock", "--resolver", resolver],
        cwd=project.folder,
        env={**os.environ, **project.env},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 120
        while not any(silent in path for path in project.team.paths()) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate()
    assert (process.returncode, errors.splitlines()[-1]) == (130, "interrupted")
    assert time.monotonic() - began < 15
    assert not (project.folder / "lockfiles").exists()


def test_ctrl_c_while_a_build_waits(project: Project) -> None:
    project.write(SPEC + f"indexes: {{team: {{url: '{project.team.index}', packages: [inner]}}}}\n")
    assert project.run("lock").returncode == 0
    project.team.requests.clear()
    project.team.spoil("/", Fault(hang=True))
    with subprocess.Popen(
        [MLIMAGE, "build", "--no-check", "--engine", "direct"],
        cwd=project.folder,
        env={**os.environ, **project.env},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 120
        while not project.team.requests and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate()
    assert (process.returncode, errors.splitlines()[-1]) == (130, "interrupted")
    assert time.monotonic() - began < 15


TWO = """\
name: x
python: "3.11"
base: {debian: bookworm}
dependencies: [%s]
train: {command: python train.py}
variants:
  cpu:
    indexes: {team: {url: "%s", packages: [%s]}}
  cuda: {}
"""


@pytest.mark.parametrize("resolver", ["pip-compile", "uv"])
def test_a_variant_that_drops_what_all_have(resolver: str, project: Project) -> None:
    project.offer(project.web, "mid", "1.0", "lib")
    project.offer(project.team, "mid", "1.0")
    project.write(TWO % ("mid", project.team.index, "mid"))
    assert project.error(resolver) == [
        "error: the variants of `x` cannot have the same packages:",
        "  `mid==1.0` is another file in `cuda` and in `cpu`",
        "  `lib` 1.0 is in `cuda` (asked for by `mid`) and not in `cpu`",
        (
            "hint: loosen the requirement of one variant, or name packages that may differ in "
            "`accelerator_packages:`"
        ),
    ]


@pytest.mark.parametrize("resolver", ["pip-compile", "uv"])
def test_builds_for_cpu_and_cuda_in_one_variant(resolver: str, project: Project) -> None:
    project.offer(project.web, "torch", "2.13.0")
    project.offer(project.web, "torchvision", "0.28.0", "torch==2.13.0")
    project.offer(project.team, "torch", "2.13.0+cpu")
    project.write(TWO % ("torchvision", project.team.index, "torch"))
    assert project.error(resolver) == [
        "error: `cpu` has builds for several accelerators: `torch` is cpu, `torchvision` is without a label",
        "hint: bind them all to one index: `team: {url: …, packages: [torch, torchvision]}` under `indexes:`",
    ]


@pytest.mark.parametrize("resolver", ["pip-compile", "uv"])
def test_packages_that_need_different_cudas(resolver: str, project: Project) -> None:
    project.offer(project.web, "nvidia-cuda-runtime", "13.0.96")
    project.offer(project.web, "nvidia-cuda-runtime-cu12", "12.9.79")
    project.offer(project.web, "new", "1.0", "nvidia-cuda-runtime")
    project.offer(project.web, "old", "1.0", "nvidia-cuda-runtime-cu12")
    both = TWO.replace("cuda: {}", "cuda: {dependencies: [new, old]}")
    project.write(both % ("lib", "https://x.example", "y"))
    assert project.error(resolver) == [
        (
            "error: images/x/mlimage.yaml:9:25: an image has one CUDA, and the variant `cuda` has packages "
            "of CUDA 12 (`nvidia-cuda-runtime-cu12`, asked for by `old`) and CUDA 13 "
            "(`nvidia-cuda-runtime`, asked for by `new`)"
        ),
        "hint: take releases or builds (`indexes:`) for one CUDA, or give each an image of its own",
    ]
    project.write(TWO % ("new", "https://x.example", "y"))
    assert project.error(resolver)[0] == (
        "error: images/x/mlimage.yaml:4:16: the variant `cpu` is for the CPU, and has packages of CUDA "
        "(`nvidia-cuda-runtime`, asked for by `new`)"
    )
    assert not (project.folder / "lockfiles").exists()
