"""Commands of roles: split as a shell splits words, and read by one only where one is started."""

import re

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from mlimage.spec.commands import Command

_COMMANDS: TypeAdapter[tuple[str, ...]] = TypeAdapter(Command)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('sh -c "exec python serve.py --port $PORT"', ["sh", "-c", "exec python serve.py --port $PORT"]),
        ('/bin/sh -ec "a; b > c"', ["/bin/sh", "-ec", "a; b > c"]),
        ("bash -euo pipefail -c 'a && b' x", ["bash", "-euo", "pipefail", "-c", "a && b", "x"]),
        ("bash -c -x 'a $B'", ["bash", "-c", "-x", "a $B"]),
        (r"echo cost\$5", ["echo", "cost$5"]),
    ],
)
def test_what_a_shell_reads_is_the_shells(text: str, words: list[str]) -> None:
    assert list(_COMMANDS.validate_python(text)) == words


@pytest.mark.parametrize(
    "text",
    [
        "python train.py && python check.py",
        "python train.py > log 2>&1",
        "gunicorn -b 0.0.0.0:$PORT app:app",
        "exec uvicorn app:app --port ${PORT}",
        "bash run.sh $DATA",
        "env A=1 sh -c 'echo $A'",
        "python -c 'print(\"$HOME\")'",
        'python -c "import sys; print(sys.argv)" "$(date)"',
    ],
)
def test_the_hint_gives_a_list_that_works(text: str) -> None:
    hint = _refused(text)["hint"]
    listed = re.fullmatch(r"let a shell read it: `(\[sh, -c, .*\])`", hint)
    assert listed, hint
    words = yaml.safe_load(listed[1])
    assert list(_COMMANDS.validate_python(tuple(words))) == words
    assert words[2].removeprefix("exec ") == text.removeprefix("exec ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sh -c python serve.py $X",
            "only the word after `-c` is read by the shell, so `$X` stays as it is",
        ),
        (
            "bash -o errexit -c 'a; b' && c",
            "only the word after `-c` is read by the shell, so `&&` means nothing in it",
        ),
        ("bash --rcfile x.sh $X", "no shell reads the command, so `$X` stays as it is"),
    ],
)
def test_the_rest_of_a_shells_words_is_nobodys(text: str, message: str) -> None:
    assert _refused(text)["message"] == message


def _refused(text: str) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        _COMMANDS.validate_python(text)
    return caught.value.errors()[0]["ctx"]
