"""Which engine builds a plan, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlimage.errors import UsageError
from mlimage.plan.dockerfile import needs_docker
from mlimage.plan.model import BuildPlan

Name = Literal["direct", "docker"]
Wish = Literal["auto", "direct", "docker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The engine that builds.

    Attributes:
        engine: which.
        why: it was taken, for `--verbose`.
        needs: why no other could be.
    """

    engine: Name
    why: str
    needs: tuple[str, ...] = ()


def choose(wish: Wish, plan: BuildPlan) -> Choice:
    """The engine for a plan. Pure: whether Docker is there shows when it is used.

    Raises:
        UsageError: the engine that the user asks for cannot build it.
    """
    needs = needs_docker(plan)
    name = plan.name
    if wish == "docker":
        return Choice(engine="docker", why=f"{name}: docker engine, as asked for", needs=needs)
    if not needs:
        why = "as asked for" if wish == "direct" else "nothing in the image needs Docker"
        return Choice(engine="direct", why=f"{name}: direct engine, {why}")
    if wish == "direct":
        raise not_direct(plan)
    return Choice(engine="docker", why=f"{name}: docker engine, since {_listed(needs)}", needs=needs)


def not_direct(plan: BuildPlan) -> UsageError:
    """What to raise where the direct engine is to build what it cannot."""
    return UsageError(
        f"the direct engine cannot build `{plan.name}`: {_listed(needs_docker(plan))}",
        hint="`--engine docker`, or leave `--engine` out",
    )


def _listed(reasons: Sequence[str]) -> str:
    return " and ".join(reasons)
