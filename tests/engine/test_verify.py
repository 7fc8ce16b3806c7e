"""The report of a verification, attached to its image in a real registry."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest
from mlimage.fetch import Http
from mlimage.oci.referrers import read_artifact, referrers
from mlimage.verify.parity.value import MEDIA_TYPE
from support.building import IMAGE, MLIMAGE, build, project_at
from support.machine import DOCKERS, PODMANS
from support.pulling import repository
from support.runs import run

pytestmark = [pytest.mark.network, pytest.mark.engine, pytest.mark.namespaces]


def test_a_report_is_attached(tmp_path: Path, warm_cache: Cache, quick: Http, registry: str) -> None:
    for path in (tmp_path, tmp_path.parent, warm_cache.root):
        path.chmod(0o755)  # the user of the image is another
    project = project_at(tmp_path / "project")
    shutil.rmtree(project / f"lockfiles/{IMAGE}/golden")
    digest = Digest(build(project, warm_cache)["digest"])
    name = f"verify-{token_hex(6)}"

    def type_(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [MLIMAGE, *words],
            cwd=project,
            env={**os.environ, "MLIMAGE_CACHE": str(warm_cache.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    pushed = type_("push", IMAGE, "--to", f"{registry}/{name}", "--tag", "latest", "--no-attest")
    assert pushed.returncode == 0, pushed.stderr
    reference = f"{registry}/{name}/{IMAGE}:latest"
    well = type_("verify", reference, "--runtime", "sandbox", "--stage", "probe", "--attach", "--json")
    assert well.returncode == 0, well.stderr
    # A failure is attached, too: it is what somebody looks for.
    ill = type_("verify", reference, "--runtime", "sandbox", "--stage", "features", "--attach", "--json")
    assert ill.returncode == 8, ill.stderr
    there = repository(registry, quick, f"{name}/{IMAGE}")
    found = referrers(there, digest, artifact_type=MEDIA_TYPE)
    assert [each.annotations["dev.mlimage.verified"] for each in found] == ["passed", "failed"]
    for referrer, done in zip(found, (well, ill), strict=True):
        content = read_artifact(there, referrer, subject=digest, media_type=MEDIA_TYPE)
        assert json.loads(content) == json.loads(done.stdout)
        assert f"attached as {referrer.manifest.digest}\n" in done.stderr


@pytest.mark.parametrize("engine", [DOCKERS[0], PODMANS[0]])
def test_green_in_an_engine(tmp_path: Path, warm_cache: Cache, engine: str) -> None:
    for path in (tmp_path, tmp_path.parent, warm_cache.root):
        path.chmod(0o755)
    project = project_at(tmp_path / "project")
    build(project, warm_cache)
    for verb, words in (("run", ("train",)), ("freeze", ())):
        done = run(warm_cache, project, "sandbox", IMAGE, *words, verb=verb)
        assert done.returncode == 0, done.stderr
    build(project, warm_cache)
    done = run(warm_cache, project, engine, IMAGE, "--serve", "--json", verb="verify")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert {part["verdict"] for part in said["parts"]} == {"PASS"}
    assert said["latency"]["requests"] == 200
