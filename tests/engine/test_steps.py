"""Images with steps, built by real Docker Engines: what they leave, what is noise, what differs."""

import json
from pathlib import Path

import pytest

from support.steps import Steps

pytestmark = pytest.mark.network


NOISY = """\
mkdir -p /var/log/apt /var/cache/ldconfig
date +%N | tee /var/log/apt/history.log /var/log/dpkg.log /var/cache/ldconfig/aux-cache > /etc/machine-id
echo settings > /etc/settings
rm /etc/debian_version
chmod 750 /srv
ln -s settings /etc/link
ln /etc/settings /etc/hard
"""


def test_steps_without_chance_are_reproducible(steps: Steps) -> None:
    (steps.root / "images/steps/app/settings").symlink_to("/etc/settings")  # which a step leaves
    steps.write([
        "echo early > /opt/early", NOISY,
        {"command": "python -c 'import idna; print(idna.__version__)' > /opt/idna", "network": "none"},
        {"command": "cat /app/train.py > /opt/copy", "at": "after-app"},
    ], data={"rows": {"at": "data/rows.csv"}}, models={"at": "out"})  # fmt: skip
    first = steps.build("--record")
    again = steps.build("--no-cache", "--strict-reproducible")
    assert (again["digest"], again["not_reproducible"]) == (first["digest"], [])
    record = (steps.root / "lockfiles/steps/cpu.steps").read_text()
    left = [line.partition("\t") for line in record.splitlines() if "\t" in line]
    assert [path for what, _, path in left if not what.endswith("folder")] == [
        "/etc/debian_version",
        "/etc/hard",
        "/etc/link",
        "/etc/machine-id",
        "/etc/settings",
        "/opt/copy",
        "/opt/early",
        "/opt/idna",
    ]
    said = steps.inside(
        "cat settings /opt/early /opt/copy; stat -c %a /srv; ls /etc/debian_version 2>&1 || :; "
        "readlink data/rows.csv out"
    )
    assert said == (
        "settings\nearly\nprint('trained')\n750\n"
        "ls: cannot access '/etc/debian_version': No such file or directory\n/data/rows\n/models\n"
    )


def test_what_is_not_reproducible_is_named(steps: Steps) -> None:
    steps.write(["head -c 8 /dev/urandom > /opt/chance; date +%N > '/opt/the time'; echo same > /opt/same"])
    assert steps.build()["not_reproducible"] == []
    strict = steps.run("build", "--no-load", "--strict-reproducible")
    assert strict.returncode == 7
    assert strict.stderr.splitlines()[-2:] == [
        "error: nothing is recorded to hold the steps of `steps:cpu` against (steps)",
        "hint: `mlimage build steps --record` notes what they leave; build it again elsewhere",
    ]
    recorded = steps.build("--record")
    again = steps.run("build", "--no-load", "--no-cache")
    assert again.returncode == 0
    assert [line for line in again.stdout.splitlines() if "not reproducible" in line] == [
        "  not reproducible: /opt/chance",
        "  not reproducible: /opt/the time",
    ]
    [image] = json.loads(steps.run("inspect", "--json").stdout)
    labels = json.loads(steps.run("inspect", "steps", "--json").stdout)["config"]["Labels"]
    assert image["digest"] != recorded["digest"]
    assert labels["dev.mlimage.not-reproducible"] == "/opt/chance /opt/the time"
    before = (steps.root / "lockfiles/steps/cpu.steps").read_text()
    strict = steps.run("build", "--no-load", "--no-cache", "--strict-reproducible")
    assert strict.returncode == 7
    assert (
        "error: the steps of `steps:cpu` left other files than were recorded:\n"
        "  not reproducible: /opt/chance\n"
        "  not reproducible: /opt/the time\n"
    ) in strict.stderr
    assert (steps.root / "lockfiles/steps/cpu.steps").read_text() == before


def test_a_secret_is_in_no_layer(steps: Steps, tmp_path: Path) -> None:
    steps.write([{"command": "wc -c < /run/secrets/token > /opt/length", "secrets": ["token"]}])
    refused = steps.run("build", "--no-load")
    assert (refused.returncode, refused.stderr.splitlines()[-2:]) == (
        2,
        ["error: a step asks for the secret `token`", "hint: hand it over: `--secret token=FILE`"],
    )
    secret = "hunter2-" + "x" * 40
    (tmp_path / "token").write_text(secret)
    done = steps.run(
        "build", "--no-load", "--verbose", "--output", "oci:out", f"--secret=token={tmp_path}/token"
    )
    assert done.returncode == 0, done.stderr
    assert steps.inside("cat /opt/length; ls /run/secrets 2>/dev/null || :").strip() == "48"
    assert secret not in done.stderr + done.stdout
    for file in steps.cache.root.rglob("*"):
        if file.is_file() and not file.is_symlink() and "inputs" not in file.parts:
            assert secret.encode() not in file.read_bytes(), file


def test_a_step_that_fails_says_what_it_said(steps: Steps) -> None:
    steps.write(["echo one; echo two >&2; exit 3"])
    failed = steps.run("build", "--no-load")
    assert failed.returncode == 7
    *_, error, first, second = failed.stderr.splitlines()
    assert error == "error: `[packages 2/3] RUN echo one; echo two >&2; exit 3` ended with status 3"
    assert {first, second} == {"  | one", "  | two"}  # two streams, whose order nobody promises
    assert steps.run("inspect", "steps").returncode == 2
    steps.write(["echo fine > /opt/fine"])
    steps.build()
    assert steps.inside("cat /opt/fine") == "fine\n"


def test_a_template_extends_ours(steps: Steps) -> None:
    (steps.root / "images/steps/my.Dockerfile.j2").write_text(
        '{% extends "Dockerfile.j2" %}\n'
        "{% block after_packages %}\nRUN echo {{ image }}-{{ variant }} > /opt/name\n{% endblock %}\n"
        "{% block before_app %}\nCOPY {{ folder }}/extra.txt /opt/\n{% endblock %}\n"
    )
    (steps.root / "images/steps/extra.txt").write_text("extra\n")
    steps.write([], dockerfile={"template": "my.Dockerfile.j2"})
    first = steps.build()
    assert steps.inside("cat /opt/name /opt/extra.txt") == "steps-cpu\nextra\n"
    (steps.root / "images/steps/extra.txt").write_text("more\n")
    assert steps.build()["digest"] != first["digest"]
    assert steps.inside("cat /opt/extra.txt") == "more\n"


def test_an_unchanged_image_asks_buildkit_for_nothing(steps: Steps) -> None:
    steps.write(["date +%N > /opt/chance"])
    first = steps.build()
    again = steps.build()
    assert again["digest"] == first["digest"]
    assert [layer for layer in again["layers"] if layer["made"]] == []  # type: ignore[attr-defined]
