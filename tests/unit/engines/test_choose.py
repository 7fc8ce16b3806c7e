"""Which engine builds, and what is said of why."""

from dataclasses import replace

import pytest

from mlimage.engines.choose import Choice, choose
from mlimage.errors import UsageError
from mlimage.plan.dockerfile import needs_docker
from mlimage.plan.model import AptLayer, BuildPlan, Moment, RunStep
from support.locks import digest_of
from support.sealing import plan_of

STEP = RunStep(at=Moment.AFTER_APP, command="x", secrets=(), cache=(), network=True)
PLAIN = plan_of(["app"])


def with_steps(count: int) -> BuildPlan:
    return replace(PLAIN, dockerfile=replace(PLAIN.dockerfile, steps=(STEP,) * count))


TEMPLATED = replace(PLAIN, dockerfile=replace(PLAIN.dockerfile, template=("images/demo/my.j2", "")))
DEBS = replace(
    PLAIN, layers=(AptLayer(name="apt", packages=("git",), debs=(), key=digest_of("apt")), *PLAIN.layers)
)
ALL = replace(with_steps(2), layers=DEBS.layers)
ALL = replace(ALL, dockerfile=replace(ALL.dockerfile, template=TEMPLATED.dockerfile.template))


@pytest.mark.parametrize(
    ("plan", "needs"),
    [
        (PLAIN, ()),
        (with_steps(1), ("`run:` has 1 step",)),
        (with_steps(2), ("`run:` has 2 steps",)),
        (TEMPLATED, ("`dockerfile.template` is `images/demo/my.j2`",)),
        (DEBS, ("the image that is the base installs `base.packages` with its own dpkg",)),
        (
            ALL,
            (
                "the image that is the base installs `base.packages` with its own dpkg",
                "`run:` has 2 steps",
                "`dockerfile.template` is `images/demo/my.j2`",
            ),
        ),
    ],
)
def test_why_docker_is_needed(plan: BuildPlan, needs: tuple[str, ...]) -> None:
    assert needs_docker(plan) == needs


def test_the_choice() -> None:
    one = ("`run:` has 1 step",)
    assert [choose(wish, PLAIN) for wish in ("auto", "direct", "docker")] == [
        Choice(engine="direct", why="demo:cpu: direct engine, nothing in the image needs Docker"),
        Choice(engine="direct", why="demo:cpu: direct engine, as asked for"),
        Choice(engine="docker", why="demo:cpu: docker engine, as asked for"),
    ]
    assert [choose(wish, with_steps(1)) for wish in ("auto", "docker")] == [
        Choice(engine="docker", why="demo:cpu: docker engine, since `run:` has 1 step", needs=one),
        Choice(engine="docker", why="demo:cpu: docker engine, as asked for", needs=one),
    ]


def test_what_the_direct_engine_cannot_build() -> None:
    with pytest.raises(UsageError) as caught:
        choose("direct", ALL)
    assert (caught.value.message, caught.value.hint) == (
        f"the direct engine cannot build `demo:cpu`: {' and '.join(needs_docker(ALL))}",
        "`--engine docker`, or leave `--engine` out",
    )
