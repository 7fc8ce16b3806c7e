"""What the builders of real engines say of themselves, and that the refused one could not have built."""

import subprocess
from pathlib import Path

import pytest

from mlimage.daemon.buildx import check_buildx, find_buildx
from mlimage.daemon.connect import connect
from mlimage.errors import RunError
from support.machine import CLASSIC, PODMANS, Engine, need_engine


def test_the_builder_of_each_engine_will_do(engine: Engine) -> None:
    found = find_buildx(engine.environ)
    assert (found.builder, found.driver) == ("default", "docker")
    check_buildx(found, connect(engine.environ).facts)


def test_a_builder_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(RunError) as caught:
        find_buildx({**engine.environ, "BUILDX_BUILDER": "gone"})
    assert str(caught.value) == 'Docker\'s builder cannot be used: no builder "gone" found'


@pytest.mark.engine
@pytest.mark.parametrize("name", [CLASSIC])
def test_the_classic_store_is_refused_for_a_reason(name: str, tmp_path: Path) -> None:
    engine = need_engine(name)
    facts = connect(engine.environ).facts
    with pytest.raises(RunError) as caught:
        check_buildx(find_buildx(engine.environ), facts)
    assert str(caught.value) == (
        f"the builder `default` cannot write OCI images: {facts.title} keeps its images in the classic store"
    )
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    done = subprocess.run(
        ("docker", "buildx", "build", "--output", "type=oci,dest=out.tar", "."),
        cwd=tmp_path,
        env=engine.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "OCI exporter is not supported for the docker driver" in done.stderr


@pytest.mark.engine
@pytest.mark.parametrize("name", PODMANS)
def test_podman_builds_in_a_container_of_buildkit(name: str) -> None:
    found = find_buildx(need_engine(name).environ)
    assert (found.builder, found.driver) == ("default", "docker-container")
