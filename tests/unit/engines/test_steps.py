"""The key of the steps' layer changes with what a step can read, and with nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.engines.steps import key_of_steps
from mlimage.plan.model import (
    AppLayer,
    BuildPlan,
    Compression,
    Moment,
    PackageLayer,
    RunStep,
    RuntimeLayer,
    StepsLayer,
)
from support.locks import digest_of
from support.sealing import plan_of

KEYS = {name: digest_of(name) for name in ("runtime", "app", "below")}
LABELS = (("org.opencontainers.image.title", "demo"),)
TEMPLATE = '{% extends "Dockerfile.j2" %}{% block after_app %}RUN x{% endblock %}'


def a_plan(*, at: Moment = Moment.AFTER_PACKAGES, template: bool = False) -> BuildPlan:
    plan = plan_of(["app"])
    app = AppLayer(name="app", source="app", ignore=("*.tmp", "/data"), roles=b"{}")
    step = RunStep(at=at, command="x", secrets=(), cache=(), network=True)
    return replace(
        plan,
        layers=(RuntimeLayer(name="runtime"), app, StepsLayer(name="steps")),
        config=replace(plan.config, labels=LABELS),
        dockerfile=replace(
            plan.dockerfile,
            steps=() if template else (step,),
            template=("my.j2", TEMPLATE) if template else None,
            ignore=("*.tmp", "/data"),
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app/data").mkdir(parents=True)
    (tmp_path / "app/train.py").write_text("train")
    (tmp_path / "extra").write_text("extra")
    return tmp_path


def key(plan: BuildPlan, folder: Path, keys: Mapping[str, Digest] | None = None) -> Digest:
    return key_of_steps(plan, keys or KEYS, folder)


Change = Callable[[BuildPlan], BuildPlan]


def dockerfile(**changes: object) -> Change:
    return lambda plan: replace(plan, dockerfile=replace(plan.dockerfile, **changes))  # type: ignore[arg-type]


def step(**changes: object) -> Change:
    def change(plan: BuildPlan) -> BuildPlan:
        [before] = plan.dockerfile.steps
        return dockerfile(steps=(replace(before, **changes),))(plan)  # type: ignore[arg-type]

    return change


@pytest.mark.parametrize(
    "change",
    [
        step(command="y"),
        step(at=Moment.BEFORE_APP),
        step(secrets=("token",)),
        step(cache=("/c",)),
        step(network=False),
        lambda plan: replace(plan, compression=Compression.ZSTD),
        lambda plan: replace(plan, created=plan.created.replace(year=2025)),
        lambda plan: replace(plan, config=replace(plan.config, env=(("A", "b"),))),
        dockerfile(python="python3.13"),
    ],
)
def test_it_changes_with_the_dockerfile(change: Change, folder: Path) -> None:
    assert key(change(a_plan()), folder) != key(a_plan(), folder)


@pytest.mark.parametrize(
    ("moment", "sees"),
    [
        (Moment.BEFORE_PACKAGES, False),
        (Moment.AFTER_PACKAGES, False),
        (Moment.BEFORE_APP, False),
        (Moment.AFTER_APP, True),
    ],
)
@pytest.mark.parametrize("layer", ["runtime", "app"])
def test_who_runs_after_the_application_sees_it(
    layer: str, moment: Moment, folder: Path, *, sees: bool
) -> None:
    plan = a_plan(at=moment)
    other = {**KEYS, layer: digest_of("other")}
    assert (key(plan, folder, other) != key(plan, folder)) is sees


@pytest.mark.parametrize("moment", Moment)
def test_every_step_sees_the_layers_below(moment: Moment, folder: Path) -> None:
    plan = a_plan(at=moment)
    below = PackageLayer(name="below", packages=(), key=digest_of("below"))
    plan = replace(plan, layers=(below, *plan.layers))
    assert key(plan, folder, {**KEYS, "below": digest_of("other")}) != key(plan, folder)


def test_files_beside_the_application_are_seen_by_templates_alone(folder: Path) -> None:
    plain, templated = a_plan(), a_plan(template=True)
    before = key(plain, folder), key(templated, folder)
    (folder / "extra").write_text("changed")
    after = key(plain, folder), key(templated, folder)
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    for ignored in ("app/x.tmp", "app/data/large"):
        (folder / ignored).write_text("the build does not see it")
    assert key(templated, folder) == after[1]
    (folder / "app/link").symlink_to("/nowhere")
    (folder / "app/link").rename(folder / "app/data/link")
    assert key(templated, folder) == after[1]
    (folder / "x.tmp").write_text("not of the application, so not ignored")
    assert key(templated, folder) != after[1]


def test_a_template_sees_the_application(folder: Path) -> None:
    plan = a_plan(template=True)
    assert key(plan, folder, {**KEYS, "app": digest_of("other")}) != key(plan, folder)
    other = dockerfile(template=("my.j2", f"{TEMPLATE}{{# a comment #}}"))(plan)
    assert key(other, folder) == key(plan, folder)
    other = dockerfile(template=("my.j2", TEMPLATE.replace("RUN x", "RUN y")))(plan)
    assert key(other, folder) != key(plan, folder)
