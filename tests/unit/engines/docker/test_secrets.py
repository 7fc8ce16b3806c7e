"""What users may write behind `--secret`, and what they are told else."""

from pathlib import Path

import pytest

from mlimage.engines.docker.secrets import need_secrets, parse_secrets
from mlimage.errors import UsageError
from mlimage.plan.model import Moment, RunStep

ENVIRON = {"TOKEN": "hunter2", "EMPTY": ""}


def a_step(*secrets: str) -> RunStep:
    return RunStep(at=Moment.AFTER_APP, command="x", secrets=secrets, cache=(), network=True)


STEPS = (a_step("hub-token"), a_step("hub-token", "netrc"))


def test_files_and_variables_but_no_values(tmp_path: Path) -> None:
    file = tmp_path / 'to=k,"en"'
    file.write_text("hunter2")
    given = (f"netrc={file}", "hub-token=env:TOKEN", "hub-token=env:EMPTY")
    assert parse_secrets(given, STEPS, environ=ENVIRON) == (
        ("hub-token", "env=EMPTY"),
        ("netrc", f"src={file}"),
    )


def test_a_relative_file_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("hunter2")
    monkeypatch.chdir(tmp_path)
    assert parse_secrets(["netrc=token"], STEPS, environ={}) == (("netrc", f"src={tmp_path}/token"),)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            "netrc",
            "`--secret netrc` says not where the secret is",
            "`--secret netrc=FILE`, or `--secret netrc=env:VARIABLE`",
        ),
        (
            "netrc=",
            "`--secret netrc` says not where the secret is",
            "`--secret netrc=FILE`, or `--secret netrc=env:VARIABLE`",
        ),
        (
            "=x",
            "`--secret =x` says not where the secret is",
            "`--secret NAME=FILE`, or `--secret NAME=env:VARIABLE`",
        ),
        ("hub_token=x", "no step asks for the secret `hub_token`", "did you mean `hub-token`?"),
        (
            "else=x",
            "no step asks for the secret `else`",
            "name it in the spec: `run: [{command: …, secrets: [else]}]`",
        ),
        ("netrc=env:TOKE", "the secret `netrc` is in no variable `TOKE`: it is not set", None),
        ("netrc=/nowhere/x", "the secret `netrc` is in no file `/nowhere/x`", None),
        ("netrc=/", "the secret `netrc` is in no file `/`", None),
    ],
)
def test_what_leads_nowhere(given: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        parse_secrets([given], STEPS, environ=ENVIRON)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert "hunter2" not in str(caught.value)


def test_steps_must_get_what_they_ask_for() -> None:
    need_secrets((("hub-token", "env=A"), ("netrc", "env=B")), STEPS)
    with pytest.raises(UsageError) as caught:
        need_secrets((), STEPS)
    assert (caught.value.message, caught.value.hint) == (
        "a step asks for the secret `hub-token` and the secret `netrc`",
        "hand it over: `--secret hub-token=FILE` `--secret netrc=FILE`",
    )
