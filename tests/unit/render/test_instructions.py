"""Single instructions: values, steps and names that mean something to a Dockerfile, and must not."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.errors import UsageError
from mlimage.plan.model import Moment, RunStep
from mlimage.render.instructions import (
    app_words,
    copy_app,
    in_history,
    normal,
    packages_command,
    packages_run,
    pairs,
    run_step,
    wheels_run,
)
from support.sealing import plan_of


def a_step(command: str, *, network: bool = True) -> RunStep:
    return RunStep(at=Moment.AFTER_APP, command=command, secrets=(), cache=(), network=network)


def read_pair(text: str) -> tuple[str, str]:
    """A word of ENV as Docker's lexer reads it: the parts that `pairs` writes of its language."""
    name, _, word = text.partition("=")
    if not word.startswith('"'):
        assert re.search(r"[\s\"'\\$]", word) is None
        return name, word
    assert re.fullmatch(r'"(?:[^"\\$]|\\["\\$])*"', word), word
    return name, re.sub(r"\\(.)", r"\1", word[1:-1])


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")))
@example('a\\"$"\\')
@example("")
@example(" x ")
@example("$HOME ${A:-b} \\$c")
def test_any_value_in_one_line_is_read_back(value: str) -> None:
    [text] = pairs([("A", value)], of="env")
    assert read_pair(text) == ("A", value)
    assert "\n" not in text


def test_values_are_as_bare_as_can_be() -> None:
    values = [("A", "/opt/venv/bin:/usr/bin"), ("B", "a b"), ("C", ""), ("D", "C:\\"), ("E", "x=1,2%+@")]
    assert pairs(values, of="env") == (
        "A=/opt/venv/bin:/usr/bin",
        'B="a b"',
        'C=""',
        'D="C:\\\\"',
        "E=x=1,2%+@",
    )


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\n"])
def test_no_dockerfile_can_say_a_line_break(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        pairs([("A", "b"), ("KEY", value)], of="env")
    assert (caught.value.message, caught.value.hint) == (
        "`env.KEY` has a line break, which a Dockerfile cannot say",
        "write it in one line, or let the program read it from a file of the app",
    )


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("true", "RUN true"),
        ("  true  ", "RUN true"),
        ("a && b | c > d", "RUN a && b | c > d"),
        ("echo a\\b", "RUN echo a\\b"),
        ("echo $((1 << 2))", "RUN <<'EOF'\nset -eu\necho $((1 << 2))\nEOF\n"),
        ("cat <<< a", "RUN <<'EOF'\nset -eu\ncat <<< a\nEOF\n"),
        ("echo a \\", "RUN <<'EOF'\nset -eu\necho a \\\nEOF\n"),
        ("echo a\\ ", "RUN <<'EOF'\nset -eu\necho a\\ \nEOF\n"),
        ('["a"]', "RUN <<'EOF'\nset -eu\n[\"a\"]\nEOF\n"),
        (" # nothing", "RUN <<'EOF'\nset -eu\n # nothing\nEOF\n"),
        ("a\nb", "RUN <<'EOF'\nset -eu\na\nb\nEOF\n"),
        ("a\n\n  EOF\nEOF\nEOF_", "RUN <<'EOF__'\nset -eu\na\n\n  EOF\nEOF\nEOF_\nEOF__\n"),
    ],
)
def test_steps(command: str, text: str) -> None:
    assert run_step(a_step(command)) == text


def test_options_stand_before_the_command() -> None:
    step = RunStep(
        at=Moment.BEFORE_APP, command="a\nb", secrets=("one", "two"), cache=("/root/.cache",), network=False
    )
    options = (
        "RUN --mount=type=secret,id=one,target=/run/secrets/one,required=true \\\n"
        "    --mount=type=secret,id=two,target=/run/secrets/two,required=true \\\n"
        "    --mount=type=cache,target=/root/.cache,sharing=locked \\\n"
        "    --network=none \\\n"
    )
    assert run_step(step) == f"{options}    <<'EOF'\nset -eu\na\nb\nEOF\n"
    assert run_step(replace(step, command="a")) == f"{options}    a"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")).filter(str.strip))
def test_any_script_ends_where_it_ends(command: str) -> None:
    text = run_step(a_step(command.strip("\n")))
    script = re.fullmatch(r"RUN <<'(EOF_*)'\nset -eu\n(.*)\n\1\n", text, re.DOTALL)
    if script is None:
        assert text == f"RUN {command.strip()}"
        assert "\n" not in text
    else:
        assert script[2] == command.strip("\n")
        assert script[1] not in script[2].split("\n")


@pytest.mark.parametrize(
    ("source", "words", "pattern"),
    [
        ("images/demo/app", "images/demo/app /app", "images/demo/app"),
        ("images/demo/a b", '["images/demo/a b", "/app"]', "images/demo/a b"),
        ("images/demo/größe é", '["images/demo/größe é", "/app"]', "images/demo/größe é"),
        ("images/demo/it's", "images/demo/it\\'s /app", "images/demo/it's"),
        ("images/demo/$x[1]*?", "images/demo/\\$x[[]1]?? /app", "images/demo/$x[[]1]??"),
        ("images/demo/a '$x\"", '["images/demo/a \\\\\'\\\\$x\\\\\\"", "/app"]', "images/demo/a '$x\""),
    ],
)
def test_the_application_is_copied_whatever_its_name(source: str, words: str, pattern: str) -> None:
    """As BuildKit 0.12 and 0.25 read it; they write the pattern into the history."""
    plan = plan_of(["app"])
    plan = replace(plan, dockerfile=replace(plan.dockerfile, source=source))
    assert (copy_app(plan), app_words(plan)) == (words, (pattern, "/app"))


def test_indexes_are_words_of_a_shell() -> None:
    plan = plan_of(["app"])
    plan = replace(plan, dockerfile=replace(plan.dockerfile, indexes=("https://a/simple", "https://b/$(c)'")))
    assert wheels_run(plan) == (
        "--mount=type=bind,from=pip,source=/pip,target=/pip \\\n"
        "    --mount=type=bind,source=lockfiles/demo/cpu.txt,target=/requirements.txt \\\n"
        "    PYTHONPATH=/pip python3.11 -m pip download --require-hashes --no-deps \\\n"
        "       --extra-index-url=https://a/simple \\\n"
        "       --extra-index-url='https://b/$(c)'\"'\"'' \\\n"
        "       --no-cache-dir --only-binary=:all: --dest=/wheels --requirement=/requirements.txt"
    )


def test_packages_that_are_kept_are_installed_once_more() -> None:
    plan = plan_of(["app"])
    before = packages_command(plan)
    plan = replace(plan, dockerfile=replace(plan.dockerfile, kept=("b==1.0", "a==2!1.0+cpu")))
    assert packages_command(plan) == before + "".join(
        " && /opt/venv/bin/python -m pip install --force-reinstall --no-index --find-links=/wheels --no-deps "
        f"--no-cache-dir --root-user-action=ignore {each}"
        for each in ("b==1.0", "'a==2!1.0+cpu'")
    )
    assert packages_run(plan).endswith(
        " \\\n"
        "    && /opt/venv/bin/python -m pip install --force-reinstall --no-index --find-links=/wheels \\\n"
        "       --no-deps --no-cache-dir --root-user-action=ignore b==1.0 \\\n"
        "    && /opt/venv/bin/python -m pip install --force-reinstall --no-index --find-links=/wheels \\\n"
        "       --no-deps --no-cache-dir --root-user-action=ignore 'a==2!1.0+cpu'"
    )
    assert " ".join(packages_run(plan).replace("\\\n", " ").split()).endswith(packages_command(plan))


@pytest.mark.parametrize(
    "created_by",
    [
        "RUN /bin/sh -c a && b # buildkit",
        "RUN |1 A=b /bin/sh -c a  && b # buildkit",
        "RUN |2 SOURCE_DATE_EPOCH=1 A=b c /bin/sh -c a\t&& b # buildkit",
    ],
)
def test_histories_of_one_instruction(created_by: str) -> None:
    assert normal(created_by) == in_history("RUN", "a \\\n    && b".replace("\\\n", ""))
