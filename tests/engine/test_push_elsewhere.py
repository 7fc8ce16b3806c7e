"""Who knows nothing of variants pulls what was pushed: Docker, Podman and skopeo get that for the CPU."""

import json
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from mlimage.daemon.connect import connect
from support.machine import PODMANS, Engine, need_engine
from support.programs import program
from support.registries import OwnRegistry, own_registry
from support.steps import Steps

pytestmark = [
    pytest.mark.network,
    pytest.mark.engine,
    # The SDK forgets a socket that it could not connect.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def inspected(person: Steps, variant: str) -> Any:
    return json.loads(person.run("inspect", f"steps:{variant}", "--json").stdout)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OwnRegistry]:
    with own_registry(tmp_path / "registry") as made:
        yield made


@pytest.fixture
def path(built_steps: Steps, registry: OwnRegistry) -> str:
    """Where in the registry the image was pushed to, as `latest`."""
    place = f"team-{token_hex(4)}"  # Docker keeps what it has by this name
    done = built_steps.run("push", "--to", f"{registry.host}/{place}", "--tag", "latest")
    assert done.returncode == 0, done.stderr
    return f"{place}/steps"


def test_docker(engine: Engine, built_steps: Steps, registry: OwnRegistry, path: str) -> None:
    reference = f"{registry.host}/{path}:latest"
    program("docker", "pull", "--quiet", reference, environ=engine.environ)
    try:
        said = json.loads(program("docker", "image", "inspect", reference, environ=engine.environ))
        assert "KIND=cpu" in said[0]["Config"]["Env"]
        known = {said[0]["Id"], *(each.partition("@")[2] for each in said[0]["RepoDigests"])}
        assert known & {inspected(built_steps, "cpu")["image_id"], digest_of(registry, path)}
    finally:
        program("docker", "image", "rm", "--force", reference, environ=engine.environ)


def digest_of(registry: OwnRegistry, path: str) -> str:
    said = program("skopeo", "inspect", "--tls-verify=false", f"docker://{registry.host}/{path}:latest")
    return str(json.loads(said)["Digest"])


@pytest.mark.parametrize("name", PODMANS)
def test_podman(name: str, built_steps: Steps, registry: OwnRegistry, path: str, tmp_path: Path) -> None:
    engine = need_engine(name)
    podman = connect(engine.environ).client.api
    # Its network has a loopback of its own: the same registry once more, in there.
    with own_registry(tmp_path / "inside", storage=registry.storage, enter=engine.enter) as inside:
        reference = f"{inside.host}/{path}:latest"
        answer = podman.post(
            f"{podman.base_url}/v4.0.0/libpod/images/pull",
            params={"reference": reference, "tlsVerify": "false"},
        )
    last = json.loads(answer.text.splitlines()[-1])
    assert "error" not in last, last
    try:
        said = podman.inspect_image(reference)
        assert said["Id"] == inspected(built_steps, "cpu")["image_id"]
        assert "KIND=cpu" in said["Config"]["Env"]
    finally:
        podman.remove_image(reference, force=True)


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_skopeo(variant: str, built_steps: Steps, registry: OwnRegistry, path: str, tmp_path: Path) -> None:
    image = inspected(built_steps, variant)
    which = ":latest" if variant == "cpu" else f"@{image['digest']}"
    source = f"docker://{registry.host}/{path}{which}"
    program("skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/copied:x")
    index = json.loads((tmp_path / "copied/index.json").read_bytes())
    assert [each["digest"] for each in index["manifests"]] == [image["digest"]]
    blobs = {each.name for each in (tmp_path / "copied/blobs/sha256").iterdir()}
    assert {layer["digest"].partition(":")[2] for layer in image["layers"]} <= blobs
    assert image["image_id"].partition(":")[2] in blobs
