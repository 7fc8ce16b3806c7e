"""`docs/dockerfiles.md` says what is so."""

import re
from dataclasses import replace

from mlimage.engines.stepfiles import LABEL
from mlimage.plan.model import BuildPlan, Moment
from mlimage.render.dockerfile import FOR_USERS, render
from mlimage.render.template import BLOCKS
from support.locks import image_base
from support.machine import ROOT
from support.sealing import plan_of

PAGE = (ROOT / "docs/dockerfiles.md").read_text()


def a_plan(template: str | None = None) -> BuildPlan:
    plan = plan_of(["app"])
    dockerfile = replace(
        plan.dockerfile,
        base="python:3.11@sha256:12",
        debs=("git=1",),
        template=None if template is None else ("my.j2", template),
    )
    labels = (("org.opencontainers.image.title", "demo"),)
    config = replace(plan.config, labels=labels)
    return replace(plan, base=image_base(debs=["git"]), dockerfile=dockerfile, config=config)


def rows(heading: str) -> list[str]:
    """The first column of the table below this heading."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)


def test_the_stages() -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", render(a_plan()).dockerfile, re.MULTILINE)
    assert rows("What is in it") == stages


def test_the_names_that_templates_may_use() -> None:
    assert rows("A template of your own") == [*FOR_USERS]
    shown = "".join(f"# {name}: {{{{ {name} }}}}\n" for name in FOR_USERS)
    text = render(
        a_plan(f'{{% extends "Dockerfile.j2" %}}{{% block after_app %}}{shown}{{% endblock %}}')
    ).dockerfile
    assert dict(re.findall(r"^# (\w+): (.+)$", text, re.MULTILINE)).keys() >= {*FOR_USERS}


def test_the_moments_and_blocks() -> None:
    for word in (*Moment, *BLOCKS, LABEL):
        assert f"`{word}`" in PAGE


def test_the_template_that_is_shown_can_be_rendered() -> None:
    [template] = re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL)
    text = render(a_plan(template)).dockerfile
    assert (
        "\nCOPY images/demo/certificates /usr/local/share/ca-certificates/\nRUN update-ca-certificates\n"
        in text
    )


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", PAGE)
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
