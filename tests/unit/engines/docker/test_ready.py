"""What is said when there is nothing to build with, before anything is built."""

from collections.abc import Mapping

import pytest

from mlimage.daemon.buildx import Buildx
from mlimage.daemon.connect import Daemon
from mlimage.engines.docker.ready import ready
from mlimage.errors import RunError
from support.running import FakeClient, facts

NEEDS = ("`run:` has 1 step", "`dockerfile.template` is `my.j2`")
BUILDX = Buildx(version=(0, 29, 1), builder="default", driver="docker")


def a_daemon(environ: Mapping[str, str]) -> Daemon:
    assert environ == {"DOCKER_HOST": "x"}
    return Daemon(client=FakeClient(), facts=facts())


def finding(environ: Mapping[str, str]) -> Buildx:
    assert environ == {"DOCKER_HOST": "x"}
    return BUILDX


def test_the_daemon_that_builds() -> None:
    daemon = ready({"DOCKER_HOST": "x"}, needs=(), connecting=a_daemon, finding=finding)
    assert daemon.facts == facts()


@pytest.mark.parametrize(
    ("given", "needs", "hint"),
    [
        ("start it; or use the sandbox", (), "start it; `--engine direct` needs none"),
        (None, (), "start it; `--engine direct` needs none"),
        (
            "start Docker",
            NEEDS,
            "start Docker; it is needed, since `run:` has 1 step and `dockerfile.template` is `my.j2`",
        ),
    ],
)
def test_no_daemon(given: str | None, needs: tuple[str, ...], hint: str) -> None:
    def nobody(environ: Mapping[str, str]) -> Daemon:
        raise RunError("nobody answers", hint=given)

    with pytest.raises(RunError) as caught:
        ready({}, needs=needs, connecting=nobody, finding=finding)
    assert (caught.value.message, caught.value.hint) == ("nobody answers", hint)


def test_no_buildx() -> None:
    def none(environ: Mapping[str, str]) -> Buildx:
        raise RunError("Docker's command line has no `buildx`")

    with pytest.raises(RunError, match=r"^Docker's command line has no `buildx`$"):
        ready({"DOCKER_HOST": "x"}, needs=(), connecting=a_daemon, finding=none)
