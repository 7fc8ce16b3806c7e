"""Train, freeze, build, verify: the shipped example in the sandbox, well and with faults put in."""

from typing import Any

import pytest

from support.building import IMAGE
from support.frozen import Project

pytestmark = [pytest.mark.network, pytest.mark.namespaces]


def frozen(trained: Project) -> None:
    trained.freeze()
    trained.build()


def number_of(variable: str) -> str:
    """Python that gives it; 0 without it."""
    return f"float(__import__('os').environ.get('{variable}', '0'))"


def verdicts(said: Any) -> dict[str, str]:
    return {part["part"]: part["verdict"] for part in said["parts"]}


def test_green(trained: Project) -> None:
    status, said = trained.verify()
    skipped = ("fingerprint", "features", "outputs", "response", "latency")
    assert (status, verdicts(said)) == (0, {**dict.fromkeys(skipped, "SKIPPED"), "probe": "PASS"})
    what_is_not_there_fails_where_it_was_asked_for(trained)
    frozen(trained)
    # The model is the image's own, whatever lies in the folder of models.
    trained.model.write_bytes(b"another one")
    status, said = trained.verify("--serve", "--budget", "p99=20s", "--report", "report.html")
    assert (status, set(verdicts(said).values())) == (0, {"PASS"}), said["parts"]
    assert {each["word"] for each in said["cases"]} == {"identical"}
    stages = [each["stage"] for each in said["cases"]]
    assert stages.count("features") == stages.count("outputs") == stages.count("response") >= 16
    assert said["latency"]["requests"] == 200
    assert said["fingerprint"]["differences"] == []
    text = (trained.root / "report.html").read_text()
    assert text.count("<svg") == len(said["cases"]) + 1
    for switch in ("OPENBLAS_CORETYPE=Nehalem", "OPENBLAS_NUM_THREADS=1", "PYTHONHASHSEED=7"):
        status, said = trained.verify("--serve", "--requests", "1", "-e", switch)
        assert (status, set(verdicts(said).values())) == (0, {"PASS"}), said["parts"]
        named = {each["field"] for each in said["fingerprint"]["differences"]}
        assert f"env.{switch.partition('=')[0]}" in named


def what_is_not_there_fails_where_it_was_asked_for(trained: Project) -> None:
    done = trained.type("verify", IMAGE, "--runtime", "sandbox", "--stage", "features")
    assert done.returncode == 8
    assert done.stdout.splitlines()[-1] == "FAIL: features could not be verified"
    assert "FAIL     features     the image has no golden record\n" in done.stdout
    unknown = trained.type("verify", IMAGE, "--stage", "feature")
    assert unknown.returncode == 2
    assert unknown.stderr.splitlines() == [
        "error: --stage: there is no `feature`",
        "hint: one of fingerprint, probe, features, outputs, response, latency",
    ]
    nowhere = trained.type("verify", IMAGE, "--attach")
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


def test_each_fault_is_seen_in_its_stage_and_each_server_that_fails_says_how(trained: Project) -> None:
    for module, before, after in FAULTS:
        trained.change(module, before, after)
    trained.build()
    frozen(trained)
    for name, failing in (
        ("SHIFT", ["features", "response"]),
        ("MODEL", ["outputs"]),
        ("SERVER", ["response"]),
    ):
        status, said = trained.verify("--serve", "--requests", "1", "-e", f"{name}=1e-4")
        assert status == 8
        assert [part for part, verdict in verdicts(said).items() if verdict == "FAIL"] == failing, said[
            "parts"
        ]
        assert (said["culprit"], said["changed"]) == (failing[0], {})
    for words, why in (
        (["-e", "FAULT=500"], "/invocations with status 500: Internal Server Error"),
        (["-e", "FAULT=crash"], "`digits-sklearn:cpu` ended with status 3 while it was asked"),
        (["-e", "MLIMAGE_MODELS=/nowhere"], "`digits-sklearn:cpu` ended with status 1 before it was healthy"),
        (
            ["-e", "FAULT=ill", "--health-timeout", "3"],
            (
                "`digits-sklearn:cpu` was not healthy after 3 s: http://127.0.0.1:8080/ping gave status 503: "
                '{"detail":"no memory"}'
            ),
        ),
    ):
        status, said = trained.verify("--stage", "response", *words)
        assert (status, verdicts(said)["response"]) == (8, "FAIL")
        [part] = [each for each in said["parts"] if each["part"] == "response"]
        assert part["why"].endswith(why), part
