from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.errors import UsageError
from mlimage.host.arguments import check_data, check_role, parse_data, parse_env, parse_port, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2g", 2 << 30),
        ("512M", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("8388608", 8 << 20),
        ("9000kb", 9000 << 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--memory") == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("much", "--memory: `much` is no size"),
        ("-1g", "--memory: `-1g` is no size"),
        ("", "--memory: `` is no size"),
        ("2", "--memory: `2` is less than 6 MB"),
    ],
)
def test_no_sizes(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_size(text, "--memory")
    assert (str(caught.value), caught.value.hint) == (message, "for instance --memory 2g")


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert parse_size(text, "--memory") > 0


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("9000", ("127.0.0.1", 9000)),
        ("0", ("127.0.0.1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),  # noqa: S104
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_ports(text: str, port: tuple[str, int]) -> None:
    assert parse_port(text) == port


@pytest.mark.parametrize(
    "text", ["http", "70000", "-1", "9000:8080", ":80", "::1:80", "9000 ", "[1.2.3.4]x:1"]
)
def test_no_ports(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_port(text)
    assert str(caught.value) == f"--port: `{text}` is no port"


def test_variables() -> None:
    found = parse_env(["B=1=2", "A", "B=3", "C="], {"A": "own"})
    assert found == (("A", "own"), ("B", "3"), ("C", ""))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("1A=x", "--env: `1A=x` is no variable", "write NAME=VALUE"),
        ("=x", "--env: `=x` is no variable", "write NAME=VALUE"),
        ("GONE", "--env: `GONE` is not set here", "write GONE=VALUE, or set it first"),
    ],
)
def test_no_variables(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_env([text], {})
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_data() -> None:
    assert parse_data(["events=/mnt/a=b"], ("events", "users")) == {"events": "/mnt/a=b"}


@pytest.mark.parametrize(
    ("texts", "declared", "message", "hint"),
    [
        (["events"], ("events",), "--data: `events` names no folder", "write NAME=FOLDER"),
        (
            ["events=a", "events=b"],
            ("events",),
            "--data: `events` is given twice",
            "each data name has one folder",
        ),
        (["event=a"], ("events",), "the image reads no data `event`", "did you mean `events`?"),
        (["x=a"], ("events", "users"), "the image reads no data `x`", "its data names: `events`, `users`"),
        (
            ["x=a"],
            (),
            "the image reads no data `x`",
            "declare it in mlimage.yaml, for instance `data: [x]`, and build again",
        ),
    ],
)
def test_no_data(texts: list[str], declared: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_data(texts, declared)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_data_that_a_role_lacks() -> None:
    check_data(["a"], ("a",), {}, "train")
    check_data([], ("a-b",), {"MLIMAGE_DATA_A_B": "s3://bucket"}, "train")
    with pytest.raises(UsageError) as caught:
        check_data(["b"], ("a", "b", "c"), {}, "train")
    assert str(caught.value) == "`train` reads data that is not given: `a`, `c`"
    assert caught.value.hint == "give its folder: --data a=FOLDER --data c=FOLDER"


def test_roles() -> None:
    check_role(("train",), ("train",), "churn")
    check_role(("ls", "-l"), (), "churn")
    with pytest.raises(UsageError) as caught:
        check_role(("serve",), ("train",), "churn")
    assert str(caught.value) == "`churn` has no role `serve`; it has `train`, `shell`"
    assert caught.value.hint == "give it a command in its mlimage.yaml: `serve: {command: …}`"
    with pytest.raises(UsageError) as caught:
        check_role((), ("train", "serve"), "churn")
    assert str(caught.value) == "say what `churn` shall do: `train`, `serve`, `shell`, or `-- COMMAND`"
    assert caught.value.hint == "for instance `mlimage run churn train`"
