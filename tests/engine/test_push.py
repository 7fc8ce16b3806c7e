"""A push to Debian's own registry; Docker, Podman and skopeo get the image that they can run."""

import json
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from support.programs import program
from support.steps import SPEC, Steps

pytestmark = [pytest.mark.network, pytest.mark.engine]


SECRETS = """\
`steps` has 2 secrets, and is not pushed
  app layer: /app/.env:2: a file of environment variables
  steps layer: /root/.netrc:1: a password of `.netrc`
hint: `app.ignore` leaves the file out; where it is no secret say so in the spec: \
`push: {allow_secrets: [/app/.env]}`
"""


def push(steps: Steps, to: str, *options: str) -> dict[str, object]:
    done = steps.run("push", "--to", to, "--json", *options)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    return dict(found)


def test_docker_gets_the_image_for_the_cpu(steps: Steps, registry: str) -> None:
    to = f"{registry}/push-{token_hex(6)}"
    built = steps.build()
    first = push(steps, to, "--tag", "latest")
    reference = f"{to}/steps@{first['digest']}"
    assert first["repository"] == f"{to}/steps"
    steps.docker("pull", "--quiet", f"{to}/steps:latest")
    [inspected] = json.loads(steps.docker("image", "inspect", f"{to}/steps:latest"))
    assert inspected["RepoDigests"] == [reference]
    assert steps.docker("run", "--rm", f"{to}/steps:latest", "train") == "trained\n"
    said = json.loads(program("skopeo", "inspect", "--tls-verify=false", f"docker://{to}/steps:latest"))
    assert said["Digest"] == first["digest"]
    raw = program("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}")
    [entry] = json.loads(raw)["manifests"]
    assert entry["digest"] == built["digest"]
    assert entry["platform"] == {"os": "linux", "architecture": "amd64"}
    steps.docker("image", "rm", "--force", f"{to}/steps:latest")
    # The application changed: nothing else travels.
    (steps.root / "images/steps/app/train.py").write_text("print('trained anew')\n")
    steps.build()
    second = push(steps, to, "--tag", "latest")
    assert second["digest"] != first["digest"]
    sizes = second["bytes"]
    assert isinstance(sizes, dict)
    assert 0 < sizes["sent"] < 20_000 < sizes["there"]
    assert push(steps, to)["bytes"] == {"sent": 0, "mounted": 0, "there": sizes["sent"] + sizes["there"]}


def test_what_was_pushed_is_pulled_and_run(
    steps: Steps, registry: str, tmp_path: Path, shared_cache: Cache
) -> None:
    to = f"{registry}/pull-{token_hex(6)}"
    built = steps.build()
    push(steps, to, "--tag", "latest")
    laptop = replace(steps, cache=Cache(tmp_path / "laptop"))
    done = laptop.run("pull", f"{to}/steps:latest", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["digest"], found["there"]) == ("steps:cpu", built["digest"], 0)
    assert json.loads(laptop.run("pull", f"{to}/steps:latest", "--json").stdout)["fetched"] == 0
    for reference in ("steps", f"{to}/steps:latest"):
        done = laptop.run("run", "--runtime", "docker", reference, "--", "python", "train.py")
        assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    done = laptop.run("pull", f"{to}/steps:latest", "--load")
    assert done.returncode == 0, done.stderr
    assert laptop.docker("run", "--rm", "steps:cpu", "train") == "trained\n"


def test_secrets_are_not_pushed(steps: Steps, registry: str) -> None:
    to = f"{registry}/push-{token_hex(6)}"
    (steps.root / "images/steps/app/.env").write_text("# of mine\nTOKEN=s3same\n")
    steps.write(["echo 'machine acme.io password s3same' > /root/.netrc"])
    steps.build()
    done = steps.run("push", "--to", to, "--json")
    assert (done.returncode, done.stdout, done.stderr.partition("error: ")[2]) == (
        12,
        "",
        SECRETS,
    )
    done = steps.run("build", "--push", "--to", to, "--json")
    assert (done.returncode, done.stdout, done.stderr.partition("error: ")[2]) == (12, "", SECRETS)
    with pytest.raises(AssertionError):
        program("skopeo", "list-tags", "--tls-verify=false", f"docker://{to}/steps")
    # Allowed, the same image goes; what is allowed and not there is told.
    spec = steps.root / "images/steps/mlimage.yaml"
    spec.write_text(spec.read_text() + "push: {allow_secrets: [/app/.env, /root, /app/key.pem]}\n")
    done = steps.run("push", "--to", to, "--json")
    assert done.returncode == 0, done.stderr
    assert (
        "warning: `steps` has no secret at `/app/key.pem`, which `push.allow_secrets` allows" in done.stderr
    )


def test_what_is_not_built_is_not_pushed(steps: Steps, registry: str) -> None:
    to = f"{registry}/never"
    done = steps.run("push", "--to", to)
    assert (done.returncode, done.stderr) == (
        7,
        "error: `steps:cpu` is not built yet\nhint: `mlimage build steps` builds it\n",
    )
    built = Digest(str(steps.build()["image_id"]))
    (steps.root / "images/steps/mlimage.yaml").write_text(SPEC + "env: {A: b}\n")
    done = steps.run("push", "--to", to)
    assert done.returncode == 7
    assert done.stderr == (
        f"error: `steps:cpu` is not built as it stands here; since {built.short} was built:\n"
        "  spec: `mlimage.yaml` changed\nhint: `mlimage build steps` builds it\n"
    )


def test_what_is_attached_leaves_the_image_alone(steps: Steps, registry: str) -> None:
    to = f"{registry}/attest-{token_hex(6)}"
    built = steps.build()
    bare = push(steps, to, "--no-attest")
    assert bare["attestations"] == []
    first = push(steps, to)
    attestations = first["attestations"]
    assert isinstance(attestations, list)
    assert [(each["image"], each["artifact_type"], each["new"]) for each in attestations] == [
        ("steps:cpu", "application/vnd.cyclonedx+json", True),
        ("steps:cpu", "application/spdx+json", True),
        ("steps:cpu", "application/vnd.in-toto+json", True),
    ]
    assert first["digest"] == bare["digest"]
    tag = f"{to}/steps:sha256-{str(built['digest']).removeprefix('sha256:')}"
    listed = json.loads(program("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tag}"))
    assert [each["digest"] for each in listed["manifests"]] == [each["digest"] for each in attestations]
    again = steps.run("push", "--to", to)
    assert (again.returncode, again.stderr) == (0, "")
    [_, sizes, attached] = again.stdout.splitlines()
    assert sizes.startswith("  0 B sent, ")
    assert attached == "  SBOMs and provenance: 3 were there"
    printed = steps.run("sbom", "steps")
    [content] = [each["sent"] for each in attestations if "cyclonedx" in each["artifact_type"]]
    assert len(printed.stdout.encode()) == content
