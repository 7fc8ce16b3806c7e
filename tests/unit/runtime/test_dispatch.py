import ast
from pathlib import Path

import pytest

from mlimage import resources
from mlimage.runtime.dispatch import Start, dispatch, help_text, missing
from mlimage.runtime.failure import StartError
from mlimage.runtime.roles import Determinism, Role, Roles, parse_roles

TRAIN = Role(command=("python", "-m", "digits.train"), env={}, port=None, health=None)
SERVE = Role(command=("python", "-m", "digits.serve"), env={}, port=8080, health="/ping")


def roles(**found: Role) -> Roles:
    return Roles(roles=found, data=("events",), determinism=Determinism(profile="fast", seed=7), env={})


BOTH = roles(train=TRAIN, serve=SERVE)


def start(
    *arguments: str, of: Roles = BOTH, shells: tuple[str, ...] = ("/bin/bash", "/bin/sh")
) -> Start | None:
    return dispatch(arguments, of, exists=lambda path: path in shells)


def test_a_role_gets_the_other_arguments_behind_its_command() -> None:
    assert start("train", "--epochs", "3") == Start(
        command=("python", "-m", "digits.train", "--epochs", "3"), role="train"
    )


def test_a_role_may_have_arguments_that_look_like_words_of_the_runtime() -> None:
    assert start("train", "--", "serve") == Start(
        command=("python", "-m", "digits.train", "--", "serve"), role="train"
    )


def test_without_arguments_it_serves() -> None:
    assert start() == Start(command=("python", "-m", "digits.serve"), role="serve")


def test_without_arguments_and_server_it_helps() -> None:
    assert start(of=roles(train=TRAIN)) is None


@pytest.mark.parametrize("word", ["help", "--help", "-h"])
def test_help(word: str) -> None:
    assert start(word) is None


def test_any_other_command_is_as_it_is() -> None:
    assert start("ls", "-l") == Start(command=("ls", "-l"), role=None)


def test_a_command_behind_dashes_may_be_named_like_a_role() -> None:
    assert start("--", "train", "x") == Start(command=("train", "x"), role=None)


def test_the_best_shell_there_is() -> None:
    assert start("shell", "-c", "id") == Start(command=("/bin/bash", "-c", "id"), role=None)
    assert start("shell", shells=("/bin/sh",)) == Start(command=("/bin/sh",), role=None)


@pytest.mark.parametrize("word", ["fingerprint", "probe", "record"])
def test_a_word_is_a_program_of_the_runtime(word: str) -> None:
    program = ("/opt/venv/bin/python", "/opt/mlimage/lib/mlimage/runtime/__main__.py")
    assert start(word, "--json") == Start(command=(*program, word, "--json"), role=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train",), "this image has no role `train`; it has `serve`, `shell`"),
        (("shell",), "this image has no shell (/bin/bash or /bin/sh)"),
        (("--",), "there is no command behind `--`"),
    ],
)
def test_what_is_not_there(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(StartError) as caught:
        start(*arguments, of=roles(serve=SERVE), shells=())
    assert (caught.value.message, caught.value.status) == (message, 127)


def test_a_near_miss_of_a_role() -> None:
    assert missing("tarin", BOTH) == (
        "`tarin` is no role of this image and no command in it; roles: `train`, `serve`, `shell`; "
        "did you mean `train`?"
    )


def test_help_text() -> None:
    assert help_text(BOTH) == (
        "arguments of this image:\n"
        "\n"
        "  train        python -m digits.train\n"
        "  serve        python -m digits.serve  (port 8080, health /ping)\n"
        "  shell        a shell\n"
        "  fingerprint  what this machine and image are, numerically (--json)\n"
        "  probe        whether this machine computes right, and as another one (--help)\n"
        "  verify       whether it computes what its golden record says (--json)\n"
        "  record       what chosen requests give, for `mlimage freeze` (--help)\n"
        "  -- COMMAND   any other command\n"
        "  help         this text\n"
        "\n"
        "data is read from /data/events\n"
        "models are written to and read from /models\n"
    )


def test_roles_file_as_a_build_writes_it() -> None:
    content = (
        b'{"data":["events"],"determinism":{"profile":"strict","seed":3},"env":{"A":"1"},'
        b'"serve":{"command":["s"],"env":{},"health":"/h","port":9},"train":null}'
    )
    assert parse_roles(content) == Roles(
        roles={"serve": Role(command=("s",), env={}, port=9, health="/h")},
        data=("events",),
        determinism=Determinism(profile="strict", seed=3),
        env={"A": "1"},
    )


def test_places_in_the_application_as_a_build_writes_them() -> None:
    content = (
        b'{"data":["rows"],"determinism":{"profile":"fast","seed":0},"env":{},"links":{"rows.csv":"/data/rows"},'
        b'"places":{"rows":{"local":"app/rows.csv"}},"serve":null,"train":null}'
    )
    read = parse_roles(content)
    assert (read.places, read.links) == ({"rows": {"local": "app/rows.csv"}}, {"rows.csv": "/data/rows"})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "TypeError: list indices must be integers or slices, not str"),
        (b"{}", "KeyError: 'determinism'"),
        (b'{"determinism":{"profile":"fast","seed":true},"data":[]}', "TypeError: not a whole number: True"),
        (
            b'{"determinism":{"profile":"fast","seed":0},"data":[],"train":{"command":[],"env":{}}}',
            "ValueError: a command is empty",
        ),
        (
            b'{"determinism":{"profile":"fast","seed":0},"data":[],"train":{"command":["a\\u0000"],"env":{}}}',
            "TypeError: not a text: 'a\\x00'",
        ),
    ],
)
def test_damaged_roles_files(content: bytes, why: str) -> None:
    with pytest.raises(StartError) as caught:
        parse_roles(content)
    assert caught.value.message == f"/opt/mlimage/roles.json is damaged ({why}); build the image again"


@pytest.mark.parametrize("module", sorted(resources.runtime().rglob("*.py")), ids=lambda path: path.name)
def test_the_runtime_is_python_3_9_and_imports_nothing_foreign(module: Path) -> None:
    import sys

    tree = ast.parse(module.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            assert name.startswith("mlimage.runtime") or name.partition(".")[0] in sys.stdlib_module_names
