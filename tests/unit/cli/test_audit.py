"""`mlimage audit`, with OSV and Debian's tracker on loopback."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from mlimage.cache import Cache
from mlimage.cli import main
from mlimage.digest import Digest
from mlimage.lock.check import wanted_by
from mlimage.lock.text import write_lock
from mlimage.spec.project import Project
from support import locks
from support.advisories import advisory, debian, python, release, tell_osv, tracked
from support.debs import control_of, deb_bytes
from support.locks import CPU
from support.webserver import Fault, WebServer, web_server

SPEC = """\
name: {name}
python: "3.11"
base: {{debian: bookworm}}
train: {{command: python t.py}}
dependencies: [jinja2]
"""
IGNORE = 'audit: {ignore: [{id: GHSA-aaaa, reason: "we render nothing of others", until: "2999-01-01"}]}\n'

TABLE = """\
PACKAGE  VERSION  ID          FIXED IN  SEVERITY  IMAGES
jinja2     3.1.3  CVE-2026-1  3.1.4     medium    one:cpu, two:cpu
glibc       2.36  CVE-2026-2  2.36-1    -         one:cpu, two:cpu
glibc       2.36  CVE-2026-3  -         low       one:cpu, two:cpu
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with two images of one lock."""
    for name in ("one", "two"):
        folder = tmp_path / "images" / name
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "t.py").touch()
        (folder / "mlimage.yaml").write_text(SPEC.format(name=name))
        write(tmp_path, name)
    return tmp_path


def write(root: Path, name: str) -> None:
    project = Project(root)
    content = deb_bytes(control=control_of("libc6", "1.0-1", Source="glibc (2.36)"))
    [libc] = locks.base("libc6").debs
    deb = replace(libc, sha256=Digest.of(content), size=len(content))
    path = Cache(root / "cache").input(deb.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    lock = locks.lock([locks.package("jinja2", "3.1.3"), locks.package("numpy", "2.1")], image=name)
    wanted = wanted_by(project.load(name), CPU)
    base = replace(lock.base, debs=(deb,), packages=())
    write_lock(project.lock_folder(name), replace(lock, base=base, wanted=wanted))


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        xss = advisory("GHSA-aaaa", "jinja2", fixed=["3.1.4"], aliases=["CVE-2026-1"], severity="MODERATE")
        tell_osv(server, [python("jinja2", "3.1.3"), python("numpy", "2.1")], {"jinja2": [xss]})
        server.files["/data/json"] = tracked(
            glibc={
                "CVE-2026-2": {"bookworm": release(fixed="2.36-1")},
                "CVE-2026-3": {"bookworm": release("open", urgency="low")},
            }
        )
        yield server


class Run(Protocol):
    def __call__(self, *arguments: str) -> tuple[object, str, str]: ...


@pytest.fixture
def run(
    root: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Exit status, standard output and standard error of `mlimage audit` in the project."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLIMAGE_CACHE", str(root / "cache"))
    monkeypatch.setenv("MLIMAGE_MIRROR_OSV", web.origin)
    monkeypatch.setenv("MLIMAGE_MIRROR_DEBIAN_SECURITY_TRACKER", web.origin)

    def audit(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(("audit", *arguments))
        return (ended.value.code, *capsys.readouterr())

    return audit


def errors(text: str) -> str:
    """From the first error on."""
    return text[text.index("error: ") :]


def test_a_table(run: Run, web: WebServer) -> None:
    status, out, err = run()
    assert (status, out) == (12, TABLE)
    assert errors(err) == (
        "error: 3 known vulnerabilities in 2 packages\n"
        "hint: `mlimage lock one --upgrade-package jinja2` takes a newer one\n"
    )
    assert web.paths().count("/v1/querybatch") == web.paths().count("/data/json") == 1


def test_json(run: Run) -> None:
    status, out, _ = run("one", "--json", "--ignore", "CVE-2026-3")
    found = json.loads(out)
    assert status == 12
    assert found["packages"] == 3
    assert found["not_looked_at"] == []
    assert [each["id"] for each in found["ignored"]] == ["CVE-2026-3"]
    assert found["findings"][0] == {
        "ecosystem": "python",
        "package": "jinja2",
        "version": "3.1.3",
        "packages": ["jinja2"],
        "id": "CVE-2026-1",
        "aliases": ["GHSA-aaaa"],
        "fixed": "3.1.4",
        "severity": "medium",
        "images": ["one:cpu"],
    }
    assert [(each["package"], each["packages"]) for each in found["findings"][1:]] == [("glibc", ["libc6"])]


def test_what_is_ignored(root: Path, run: Run) -> None:
    spec = root / "images/one/mlimage.yaml"
    spec.write_text(spec.read_text() + IGNORE)
    status, out, err = run("one", "--ignore", "CVE-2026-2", "--ignore-unfixed", "--ignore", "CVE-2026-9")
    assert (status, out.splitlines()[1:]) == (
        0,
        [
            "glibc       2.36  CVE-2026-3         -  low       one:cpu",
            "ignored: CVE-2026-1, CVE-2026-2",
        ],
    )
    assert "warning: `CVE-2026-9` is ignored, and nothing has it\n" in err
    spec.write_text(spec.read_text().replace("2999", "2020"))
    status, out, err = run("one")
    assert (status, out.count("\n")) == (12, 4)
    assert "warning: `GHSA-aaaa` of `one` was to be ignored until 2020-01-01, which is over\n" in err
    # The other image ignores nothing.
    spec.write_text(spec.read_text().replace("2020", "2999"))
    assert "two:cpu\n" in run()[1].splitlines(keepends=True)[1]


def test_nothing_known(run: Run, web: WebServer) -> None:
    tell_osv(web, [python("jinja2", "3.1.3"), python("numpy", "2.1"), debian("x", "1")][:2], {})
    web.files["/data/json"] = tracked()
    status, out, _ = run()
    assert (status, out) == (0, "3 packages, nothing known against them\n")


def test_offline_is_never_clean(run: Run, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    web.spoil("/data/json", Fault(status=404))
    web.spoil("/v1", Fault(status=403))
    status, out, err = run("one")
    assert (status, out) == (6, "")
    assert errors(err) == (
        "error: not everything could be looked at\n"
        f"  the Python packages: `{web.origin}/v1/querybatch` cannot be sent to: "
        "access is refused (HTTP 403)\n"
        f"  the Debian packages: `{web.origin}/data/json` cannot be fetched: it is not there (HTTP 404)\n"
        "hint: write `machine 127.0.0.1 login NAME password PASSWORD` into ~/.netrc\n"
    )
    status, out, err = run("one", "--json")
    assert [each["what"] for each in json.loads(out)["not_looked_at"]] == [
        "the Python packages",
        "the Debian packages",
    ]
    web.mend()
    web.spoil("/data/json", Fault(status=404))
    status, out, err = run("one")
    assert (status, len(out.splitlines())) == (12, 2)
    assert errors(err).startswith(
        "error: a known vulnerability in 1 package\n"
        "and not everything could be looked at\n"
        "  the Debian packages: "
    )


def test_what_a_spec_may_ignore(root: Path, run: Run) -> None:
    spec = root / "images/one/mlimage.yaml"
    text = spec.read_text()
    spec.write_text(text + "audit: {ignore: [{id: cve, reason: ' ', until: '2026-13-01'}]}\n")
    where = "images/one/mlimage.yaml:6"
    status, _, err = run("one")
    assert status == 3
    assert err == (
        "error: 3 problems in the spec\n"
        f"{where}:23: audit.ignore.id: `cve` is not the name of an advisory\n"
        "  hint: write it as `CVE-2026-12345`\n"
        f"{where}:36: audit.ignore.reason: an empty reason\n"
        "  hint: say why it does not matter here\n"
        f"{where}:48: audit.ignore.until: `2026-13-01` is not a day\n"
        '  hint: write it as `"2027-03-31"`\n'
    )
