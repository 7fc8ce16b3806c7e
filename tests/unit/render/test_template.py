"""Templates of users: what is wrong is said whole, at its line; what they may do works."""

from dataclasses import replace

import pytest

from mlimage.errors import SpecError
from mlimage.plan.model import BuildPlan, Moment, RunStep
from mlimage.render.dockerfile import render
from support.sealing import plan_of

EXTENDS = '{% extends "Dockerfile.j2" %}\n'
NAMES = "docs/dockerfiles.md says what a template may name"
BLOCKS = "before_packages, after_packages, before_app, after_app"
STEP = RunStep(at=Moment.BEFORE_APP, command="from the spec", secrets=(), cache=(), network=True)


def a_plan(template: str, *steps: RunStep) -> BuildPlan:
    plan = plan_of(["app"])
    dockerfile = replace(plan.dockerfile, template=("images/demo/my.j2", template), steps=steps)
    labels = (("org.opencontainers.image.title", "demo"),)
    return replace(plan, dockerfile=dockerfile, config=replace(plan.config, labels=labels))


def in_block(text: str, block: str = "after_app") -> str:
    return f"{EXTENDS}{{% block {block} %}}\n{text}\n{{% endblock %}}\n"


def said(template: str, *steps: RunStep) -> str:
    with pytest.raises(SpecError) as caught:
        render(a_plan(template, *steps))
    return str(caught.value)


LOOKED = (
    "Jinja was looking for the following tags: `endblock`. "
    "The innermost block that needs to be closed is `block`"
)


def unsafe(attribute: str, of: str) -> str:
    return f"access to attribute `{attribute}` of `{of}` object is unsafe"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("{{ qqq }}", 3, "`qqq` is undefined"),
        ("{{ base.x }}", 3, "`mlimage.lock.model.AssembledBase object` has no attribute `x`"),
        ("{{ image.x }}", 3, "`str object` has no attribute `x`"),
        ("{{ ports[7] }}", 3, "tuple object has no element 7"),
        ("\n\n{{ image | uper }}", 5, "no filter named `uper`"),
        ("{% if image is odder %}{% endif %}", 3, "no test named `odder` found"),
        ("{{ image | dictsort }}", 3, "`str` object has no attribute `items`"),
        ("{{ image + 1 }}", 3, 'can only concatenate str (not "int") to str'),
        ("{{ 1 // 0 }}", 3, "integer division or modulo by zero"),
        ("{{ ports | batch }}", 3, "do_batch() missing 1 required positional argument: `linecount`"),
        ("{{ image.__class__ }}", 3, unsafe("__class__", "str")),
        ("{{ ''.__class__.__mro__ }}", 3, unsafe("__class__", "str")),
        ("{{ image.format.__globals__ }}", 3, unsafe("__globals__", "function")),
        ("{{ '{0.__class__}'.format(image) }}", 3, unsafe("__class__", "str")),
        ("{{ base.__init__ }}", 3, unsafe("__init__", "AssembledBase")),
        ("{% include 'config' %}", 3, "there is no template `config`"),
        ("{% include '../../README.md' %}", 3, "there is no template `../../README.md`"),
        ("{% include '/etc/passwd' %}", 3, "there is no template `/etc/passwd`"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", 3, "it calls itself without end"),
        ("{{ image", 4, "expected token `end of print statement`, got `{`"),
        ("{{ image }", 3, "unexpected `}`"),
        (
            "{{ range(10 ** 9) | list }}",
            3,
            "range too big. The sandbox blocks ranges larger than MAX_RANGE (100000)",
        ),
        (
            "{% FOO %}",
            3,
            f"encountered unknown tag `FOO`. {LOOKED}",
        ),
    ],
)
def test_what_fails_in_a_block(text: str, line: int, message: str) -> None:
    assert said(in_block(text)) == f"images/demo/my.j2:{line}:1: {message}\n  hint: {NAMES}"


def test_a_near_miss() -> None:
    assert said(in_block("a\nRUN {{ imag }}")) == (
        "images/demo/my.j2:4:1: `imag` is undefined\n  hint: did you mean `image`?"
    )


BEGIN = f'begin it with `{{% extends "Dockerfile.j2" %}}`, and fill blocks: {BLOCKS}'
OUTSIDE = f"what stands outside of blocks is in no Dockerfile\n  hint: put it into a block: {BLOCKS}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", f"1:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}"),
        ("{% block after_app %}{% endblock %}", f"1:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}"),
        ("\n{% extends 'Dockerfile' %}", f"2:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}"),
        ("{% extends image %}", f"1:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}"),
        (f"{EXTENDS}{EXTENDS}", f"1:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}"),
        (
            f"{EXTENDS}{{% block after_apps %}}{{% endblock %}}",
            "2:1: there is no block `after_apps` to fill\n  hint: did you mean `after_app`?",
        ),
        (
            f"{EXTENDS}\n{{% block qqq %}}{{% endblock %}}",
            f"3:1: there is no block `qqq` to fill\n  hint: blocks: {BLOCKS}",
        ),
        (
            in_block("") + in_block("").removeprefix(EXTENDS),
            f"5:1: block `after_app` defined twice\n  hint: {NAMES}",
        ),
        (f"{EXTENDS}\n\nRUN lost\n", f"4:1: {OUTSIDE}"),
        (f"# syntax=docker/dockerfile:1\n{EXTENDS}", f"1:1: {OUTSIDE}"),
        (f"{EXTENDS}{{% set x = 1 %}}\n{{{{ x }}}}\n", f"3:1: {OUTSIDE}"),
    ],
)
def test_what_is_no_extension(template: str, message: str) -> None:
    assert said(template) == f"images/demo/my.j2:{message}"


def test_all_problems_at_once() -> None:
    assert said("RUN a\n{% block x %}{% endblock %}\n{% block before_app %}{% endblock %}", STEP) == (
        f"images/demo/my.j2:1:1: a template extends `Dockerfile.j2`\n  hint: {BEGIN}\n"
        f"images/demo/my.j2:1:1: {OUTSIDE}\n"
        f"images/demo/my.j2:2:1: there is no block `x` to fill\n  hint: blocks: {BLOCKS}\n"
        "images/demo/my.j2:3:1: the block `before_app` leaves out the steps that `run:` has there\n"
        "  hint: write `{{ super() }}` where they belong in it"
    )


def test_steps_of_the_spec_stay_where_the_template_says() -> None:
    template = in_block("RUN before\n{{ super() }}\nRUN after", "before_app")
    text = render(a_plan(template, STEP)).dockerfile
    assert "\nRUN before\nRUN from the spec\n\nRUN after\n" in text
    assert "\nRUN from the spec\n" in render(a_plan(in_block("RUN x"), STEP)).dockerfile


def test_variables_loops_macros_and_comments_work() -> None:
    template = (
        f"{{# why #}}\n{EXTENDS}{{% set team = 'vision' %}}\n"
        "{% macro say(what) %}RUN echo {{ what }}{% endmacro %}\n"
        "{% block after_app %}\n{% for one in [team, image] %}\n{{ say(one) }}\n{% endfor %}\n{% endblock %}"
    )
    text = render(a_plan(template)).dockerfile
    assert "\nCOPY images/demo/app /app\nRUN echo vision\nRUN echo demo\nLABEL " in text
