"""Whatever a spec or a file beside it says: no message has a credential of a URL in it."""

import contextlib
import io
import json
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlimage.cli.failures import report
from mlimage.errors import MlimageError, SpecError
from mlimage.spec.imports import read_import
from mlimage.spec.load import load_spec
from support.credentials import KEY, NEEDLE, places_of_text, secret_urls, with_text

PLACES = places_of_text()
AROUND = ("{}", "curl {} x", "x @ {}", "-e {}", " {}", "é{}", "{} {}")


def _said(error: MlimageError) -> str:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert report(error, ()) == error.exit_status
    return "\n".join((said.getvalue(), str(error), repr(error), str(error.hint)))


def _has_needle(text: str) -> bool:
    return NEEDLE.lower() in unquote(text).lower()


def _errors(content: bytes, **files: str) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "x")
        (folder / "app").mkdir(parents=True)
        (folder / "mlimage.yaml").write_bytes(content)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        try:
            load_spec(folder, shown="images/x")
        except SpecError as error:
            return _said(error)
    return ""


def test_every_kind_of_place_is_there() -> None:
    assert len(PLACES) > 70
    assert {
        ("name",),
        ("train", "command", 0),
        ("env", KEY),
        ("variants", "x", "indexes", "x", "url"),
        ("data", "x", KEY),
    } <= set(PLACES)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_password_at_each_place(place: tuple[str | int, ...]) -> None:
    """The document is never whole, so that all that can be said of it is said."""
    for url in (
        f"https://bob:{NEEDLE}@acme.io/simple",
        f"https://{NEEDLE}@acme.io",
        f"https://b:1/{NEEDLE}@h",
    ):
        for around in AROUND[:3]:
            said = _errors(json.dumps(with_text(place, around.replace("{}", url))).encode())
            assert said
            assert not _has_needle(said), said


@pytest.mark.parametrize("password", ["pw", "p/w", "p?w", "p#w", "p@w", "p w"])
def test_no_index_and_no_place_of_data_has_a_password(password: str) -> None:
    """Also where URLs of the web would end before it: else a spec has it, and the image."""
    url = f"https://bob:{password}@acme.io/simple"
    index = _errors(json.dumps(with_text(("indexes", "x", "url"), url)).encode())
    assert "indexes.x.url: a URL with a user name or a password: secrets have no place in a spec\n" in index
    data = _errors(json.dumps(with_text(("data", "x", "here"), f"postgresql://ml:{password}@db/x")).encode())
    assert "data.x.here: an address with a password: secrets have no place in a spec\n" in data


@given(place=st.sampled_from(PLACES), url=secret_urls(), around=st.sampled_from(AROUND))
@example(place=("train", "command"), url=f"https://bob:pa${NEEDLE}@h", around="curl {}")
@example(place=("run", 0, "command"), url=f"https://bob:pa {NEEDLE}@h", around="-{}")
@example(place=("serve", "command"), url=f"https://bob:a`b${NEEDLE}@h", around="curl {}")
@example(place=("env", KEY), url=f"https://bob:pa\n{NEEDLE}@h", around="{}")
def test_passwords_of_any_characters(place: tuple[str | int, ...], url: str, around: str) -> None:
    said = _errors(json.dumps(with_text(place, around.replace("{}", url))).encode())
    assert said
    assert not _has_needle(said), said


@given(
    url=secret_urls("@/?:\"'`\\%$&;{}[]<>()^|~+=,!*aA1\u00e9"),
    line=st.sampled_from(
        [
            "{}",
            "-i {}",
            "--index-url={}",
            "x @ {}",
            "-r {}",
            "x=={}",
            "-e {}",
            "x --hash={}",
            "--{}",
            "./{}.whl",
        ]
    ),
)
def test_lines_of_requirements_files(url: str, line: str) -> None:
    content = b"name: x\npython: '3.11'\nbase: {debian: bookworm}\ntrain: python a.py\nrequirements: r.txt\n"
    said = _errors(content, **{"r.txt": line.format(url) + "\n"})
    assert not _has_needle(said), said


@given(
    url=secret_urls("@/?:\"'`\\%$&;{}[]<>()^|~+=,!*aA1\u00e9"),
    line=st.sampled_from(
        [
            "{}",
            "-i {}",
            "--extra-index-url={}",
            "x @ {}",
            "-e {}",
            "x=={}",
            "-f {}",
            "x @ {}/x-1-py3-none-any.whl",
        ]
    ),
)
def test_what_is_imported(url: str, line: str) -> None:
    """Of it a spec is written."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "requirements.txt")
        file.write_text(line.format(url) + "\n", encoding="utf-8", newline="")
        try:
            said = repr(read_import(file))
        except MlimageError as error:
            said = _said(error)
    assert not _has_needle(said), said
