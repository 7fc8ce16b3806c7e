"""The application's `.dockerignore` decides in the project as it does in the application."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlimage.content.ignore import read_ignore
from mlimage.errors import BuildError
from mlimage.plan.model import BuildPlan
from mlimage.render.ignore import render_ignore
from support.sealing import plan_of


def a_plan(*patterns: str, source: str = "images/demo/app", template: bool = False) -> BuildPlan:
    plan = plan_of(["app"])
    dockerfile = replace(
        plan.dockerfile, source=source, ignore=patterns, template=("t", "") if template else None
    )
    return replace(plan, dockerfile=dockerfile)


def ignores(plan: BuildPlan, path: str) -> bool:
    return read_ignore(render_ignore(plan).splitlines()).ignores(path)


def test_the_whole_file() -> None:
    plan = a_plan(
        "a", "/b/", "./c", "d/../e", "!f", "! /g", "**/h", "**.i", "**", "**/", "# comment", " # none", "",
        " ", ".", "/", "..", "../j", "k/../../l", "\\#m", "**n/o", "!**.p",
        source="images/demo/a*b",
    )  # fmt: skip
    assert render_ignore(plan) == (
        "# What `docker build -f images/demo/Dockerfile.cpu .` sees of the project.\n"
        "# To render it anew: mlimage render demo\n"
        "*\n"
        "!lockfiles/demo/cpu.txt\n"
        "!images/demo/a\\*b\n"
        "images/demo/a\\*b/a\n"
        "images/demo/a\\*b/b\n"
        "images/demo/a\\*b/c\n"
        "images/demo/a\\*b/e\n"
        "!images/demo/a\\*b/f\n"
        "!images/demo/a\\*b/g\n"
        "images/demo/a\\*b/**/h\n"
        "images/demo/a\\*b/**/*.i\n"
        "images/demo/a\\*b/**\n"
        "images/demo/a\\*b/**\n"
        "images/demo/a\\*b/# none\n"
        "images/demo/a\\*b/\\#m\n"
        "images/demo/a\\*b/**/*n/o\n"
        "!images/demo/a\\*b/**/*.p\n"
    )


def test_nothing_else_of_the_project_is_seen() -> None:
    plan = a_plan("!../other", "!../../secret")
    seen = {
        path: not ignores(plan, path)
        for path in (
            "lockfiles/demo/cpu.txt", "lockfiles/demo/cpu.toml", "images/demo/app/x",
            "images/demo/mlimage.yaml", "images/demo/application", "images/other/app/x", "images/demo/other",
            "secret", ".git/config",
        )
    }  # fmt: skip
    assert [path for path, is_seen in seen.items() if is_seen] == [
        "lockfiles/demo/cpu.txt",
        "images/demo/app/x",
    ]


def test_a_template_sees_the_folder_of_its_image() -> None:
    plan = a_plan("tmp", template=True)
    assert not ignores(plan, "images/demo/extra/file")
    assert not ignores(plan, "images/demo/tmp")
    assert ignores(plan, "images/demo/app/tmp")
    assert ignores(plan, "images/other/file")


signs = st.text(st.sampled_from("ab/*?[]^-\\!#. \u00e4"), max_size=10)
parts = st.sampled_from(
    ("a", "b", "**", "*", "?", "..", ".", "", "**a", "a**", "a*", "**.b", "[a-b]", "\\a", "#", "!")
)
patterns = st.one_of(
    signs,
    st.builds(lambda back, start, some: back + start + "/".join(some), st.sampled_from(("", "!", " ! ", "#")),
              st.sampled_from(("", "/", "./", "//", " ")), st.lists(parts, max_size=4)),
)  # fmt: skip
names = st.text(st.sampled_from("ab.#! "), min_size=1, max_size=3).filter(
    lambda name: name not in {".", ".."}
)


@settings(max_examples=1000, deadline=None)
@given(
    lines=st.lists(patterns, max_size=5),
    path=st.lists(names, min_size=1, max_size=4),
    source=st.sampled_from(("images/demo/app", "images/demo/a[b]*?", "images/demo")),
)
@example(lines=["? /"], path=["a "], source="images/demo/app")
def test_the_same_is_left_out(lines: list[str], path: list[str], source: str) -> None:
    try:
        own = read_ignore(("", *lines))
    except BuildError:
        return  # the build says so before it comes to this
    inside = "/".join(path)
    assert ignores(a_plan(*lines, source=source), f"{source}/{inside}") is own.ignores(inside)
