"""Train, freeze, build, verify: the shipped example in the sandbox, well and with faults put in."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlimage.cache import Cache
from support.building import IMAGE, MLIMAGE, project_at
from support.indexes import mirrors_of_wheels

pytestmark = [pytest.mark.network, pytest.mark.namespaces]


class Project:
    """A copy of the project with the example, and what a user types in it."""

    def __init__(self, root: Path, cache: Cache) -> None:
        self.root = root
        self._env = {**os.environ, **mirrors_of_wheels(IMAGE), "MLIMAGE_CACHE": str(cache.root)}

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MLIMAGE, *words], cwd=self.root, env=self._env, capture_output=True, text=True, check=False
        )

    def done(self, *words: str) -> str:
        done = self.type(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def build(self) -> None:
        self.done("build", IMAGE, "--variant", "cpu", "--engine", "direct")

    def verify(self, *words: str) -> tuple[int, Any]:
        done = self.type("verify", IMAGE, "--runtime", "sandbox", "--json", *words)
        return done.returncode, json.loads(done.stdout)

    def change(self, module: str, before: str, after: str) -> None:
        """In the source, behind the back of the record: its digest is that of the change."""
        file = self.root / "images" / IMAGE / "app/digits" / module
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))


@pytest.fixture
def project(tmp_path: Path, warm_cache: Cache) -> Project:
    """The example, built, trained and frozen; the folder is one that the user of the image can reach."""
    for path in (tmp_path, tmp_path.parent):
        path.chmod(0o755)
    found = Project(project_at(tmp_path / "project"), warm_cache)
    found.build()
    found.done("run", IMAGE, "--runtime", "sandbox", "train")
    return found


def frozen(project: Project) -> None:
    project.done("freeze", IMAGE, "--runtime", "sandbox")
    project.build()


def number_of(variable: str) -> str:
    """Python that gives it; 0 without it."""
    return f"float(__import__('os').environ.get('{variable}', '0'))"


def verdicts(said: Any) -> dict[str, str]:
    return {part["part"]: part["verdict"] for part in said["parts"]}


def test_green(project: Project) -> None:
    status, said = project.verify()
    skipped = ("fingerprint", "features", "outputs", "response", "latency")
    assert (status, verdicts(said)) == (0, {**dict.fromkeys(skipped, "SKIPPED"), "probe": "PASS"})
    what_is_not_there_fails_where_it_was_asked_for(project)
    frozen(project)
    # The model is the image's own, whatever lies in the folder of models.
    (project.root / f"models/{IMAGE}/model.npz").write_bytes(b"another one")
    status, said = project.verify("--serve", "--budget", "p99=20s", "--report", "report.html")
    assert (status, set(verdicts(said).values())) == (0, {"PASS"}), said["parts"]
    assert {each["word"] for each in said["cases"]} == {"identical"}
    stages = [each["stage"] for each in said["cases"]]
    assert stages.count("features") == stages.count("outputs") == stages.count("response") >= 16
    assert said["latency"]["requests"] == 200
    assert said["fingerprint"]["differences"] == []
    text = (project.root / "report.html").read_text()
    assert text.count("<svg") == len(said["cases"]) + 1
    for switch in ("OPENBLAS_CORETYPE=Nehalem", "OPENBLAS_NUM_THREADS=1", "PYTHONHASHSEED=7"):
        status, said = project.verify("--serve", "--requests", "1", "-e", switch)
        assert (status, set(verdicts(said).values())) == (0, {"PASS"}), said["parts"]
        named = {each["field"] for each in said["fingerprint"]["differences"]}
        assert f"env.{switch.partition('=')[0]}" in named


def what_is_not_there_fails_where_it_was_asked_for(project: Project) -> None:
    done = project.type("verify", IMAGE, "--runtime", "sandbox", "--stage", "features")
    assert done.returncode == 8
    assert done.stdout.splitlines()[-1] == "FAIL: features could not be verified"
    assert "FAIL     features     the image has no golden record\n" in done.stdout
    unknown = project.type("verify", IMAGE, "--stage", "feature")
    assert unknown.returncode == 2
    assert unknown.stderr.splitlines() == [
        "error: --stage: there is no `feature`",
        "hint: one of fingerprint, probe, features, outputs, response, latency",
    ]
    nowhere = project.type("verify", IMAGE, "--attach")
    assert nowhere.returncode == 2
    assert nowhere.stderr.splitlines() == [
        f"error: --attach: `{IMAGE}` names no registry",
        "hint: name the image as `ghcr.io/acme/churn:latest`",
    ]


BROKEN = """\
    fitted = ready()
        if os.environ.get('FAULT') == '500':
            raise OSError('disk')
        if os.environ.get('FAULT') == 'crash':
            os._exit(3)
"""
ILL = """\
    def ping() -> dict[str, str]:
        if os.environ.get('FAULT') == 'ill':
            raise HTTPException(503, 'no memory')
"""
FAULTS = (
    ("preprocessing.py", "PIXELS) / DARKEST", f"PIXELS) / DARKEST - {number_of('SHIFT')}"),
    ("model.py", ".decision_function(rows)", f".decision_function(rows) + {number_of('MODEL')}"),
    ("serve.py", "float(chances[row, column])", f"float(chances[row, column]) - {number_of('SERVER')}"),
    ("serve.py", "    fitted = ready()\n", BROKEN),
    ("serve.py", "    def ping() -> dict[str, str]:\n", ILL),
)
"""Which variables bring: all files are those of the record, and what is computed is not."""


def test_each_fault_is_seen_in_its_stage_and_each_server_that_fails_says_how(project: Project) -> None:
    for module, before, after in FAULTS:
        project.change(module, before, after)
    project.build()
    frozen(project)
    for name, failing in (
        ("SHIFT", ["features", "response"]),
        ("MODEL", ["outputs"]),
        ("SERVER", ["response"]),
    ):
        status, said = project.verify("--serve", "--requests", "1", "-e", f"{name}=1e-4")
        assert status == 8
        assert [part for part, verdict in verdicts(said).items() if verdict == "FAIL"] == failing, said[
            "parts"
        ]
        assert (said["culprit"], said["changed"]) == (failing[0], {})
    for words, why in (
        (["-e", "FAULT=500"], "the server answers 500: Internal Server Error"),
        (["-e", "FAULT=crash"], "`digits-sklearn:cpu` ended with status 3 while it was asked"),
        (["-e", "MLIMAGE_MODELS=/nowhere"], "`digits-sklearn:cpu` ended with status 1 before it was healthy"),
        (
            ["-e", "FAULT=ill", "--health-timeout", "3"],
            '`digits-sklearn:cpu` was not healthy after 3 s: `/ping` gave status 503: {"detail":"no memory"}',
        ),
    ):
        status, said = project.verify("--stage", "response", *words)
        assert (status, verdicts(said)["response"]) == (8, "FAIL")
        [part] = [each for each in said["parts"] if each["part"] == "response"]
        assert part["why"].endswith(why), part
