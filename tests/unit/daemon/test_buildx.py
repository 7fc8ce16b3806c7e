from dataclasses import dataclass, field

import pytest

from mlimage.daemon.buildx import Buildx, check_buildx, find_buildx
from mlimage.daemon.facts import Facts
from mlimage.errors import RunError
from mlimage.process import Command, Completed
from support.running import facts

INSTALL = (
    "install it: package `docker-buildx-plugin` of Docker, `docker-buildx` of Debian and Ubuntu; "
    "`mlimage build --engine direct` needs none"
)
INSPECTED = """\
Name:          mine
Driver:        docker-container
Last Activity: 2026-11-25 07:00:00 +0000 UTC

Nodes:
Name:     mine0
Driver:   x
"""


@dataclass
class Docker:
    """A command line that says this."""

    version: str = "github.com/docker/buildx v0.29.1 28f6246\n"
    inspected: str = INSPECTED
    errors: str = ""
    status: int = 0
    asked: list[Command] = field(default_factory=list)

    def __call__(self, command: Command) -> Completed:
        self.asked.append(command)
        inspects = command.argv[-1] == "inspect"
        return Completed(
            command=command,
            status=self.status if inspects else int(not self.version),
            stdout=(self.inspected if inspects else self.version).encode(),
            stderr=self.errors.encode(),
        )


def test_a_builder_is_found() -> None:
    docker = Docker()
    found = find_buildx({"PATH": "/bin"}, docker)
    assert found == Buildx(version=(0, 29, 1), builder="mine", driver="docker-container")
    assert [(str(command), command.env, command.inherit) for command in docker.asked] == [
        ("docker buildx version", {"PATH": "/bin"}, False),
        ("docker buildx inspect", {"PATH": "/bin"}, False),
    ]


def test_the_version_of_debian_s_package() -> None:
    docker = Docker(version="github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n")
    assert find_buildx({}, docker).version == (0, 13, 1)


@pytest.mark.parametrize(
    ("docker", "message", "hint"),
    [
        (Docker(version=""), "Docker's command line has no `buildx`", INSTALL),
        (
            Docker(inspected="", errors='ERROR: no builder "gone" found\n', status=1),
            'Docker\'s builder cannot be used: no builder "gone" found',
            "`docker buildx ls` lists the builders, `docker buildx use NAME` selects one",
        ),
    ],
)
def test_what_is_not_found(docker: Docker, message: str, hint: str) -> None:
    with pytest.raises(RunError) as caught:
        find_buildx({}, docker)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_no_docker_at_all() -> None:
    def missing(command: Command) -> Completed:
        raise FileNotFoundError(command.argv[0])

    with pytest.raises(RunError) as caught:
        find_buildx({}, missing)
    assert (str(caught.value), caught.value.hint) == ("there is no command `docker` on this machine", INSTALL)


def buildx(driver: str, version: tuple[int, int, int] = (0, 13, 1)) -> Buildx:
    return Buildx(version=version, builder="default", driver=driver)


CLASSIC = facts(containerd_store=False)


@pytest.mark.parametrize(
    ("builder", "engine"),
    [
        (buildx("docker"), facts()),
        (buildx("docker-container"), CLASSIC),
        (buildx("kubernetes"), CLASSIC),
        (buildx("remote"), CLASSIC),
    ],
)
def test_builders_that_will_do(builder: Buildx, engine: Facts) -> None:
    check_buildx(builder, engine)


@pytest.mark.parametrize(
    ("builder", "message", "hint"),
    [
        (
            buildx("docker", (0, 12, 1)),
            "buildx 0.12.1 is too old",
            "mlimage needs 0.13 or newer; " + INSTALL,
        ),
        (
            buildx("docker"),
            (
                "the builder `default` cannot write OCI images: "
                "Docker 28.5.2 keeps its images in the classic store"
            ),
            (
                "make another builder, `docker buildx create --driver docker-container --use`, or turn "
                "containerd's image store on: "
                'write `{"features": {"containerd-snapshotter": true}}` to /etc/docker/daemon.json, '
                "then `sudo systemctl restart docker`"
            ),
        ),
    ],
)
def test_builders_that_are_refused(builder: Buildx, message: str, hint: str) -> None:
    with pytest.raises(RunError) as caught:
        check_buildx(builder, CLASSIC)
    assert (str(caught.value), caught.value.hint) == (message, hint)
