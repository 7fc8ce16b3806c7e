"""What is said and which status is given when a run ends otherwise than well."""

import errno
import re
import signal
from pathlib import Path

import pytest
import typer

from mlimage.cli import _run
from mlimage.cli.failures import report
from mlimage.errors import FetchError, LockError, MlimageError, Problem, SpecError
from mlimage.regular import UnfitFileError
from mlimage.signals import Signalled, Taker


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLIMAGE_DEBUG", raising=False)


def _said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_error_with_place_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = LockError("lock is stale", where="lockfiles/digits/lock.cpu.toml", hint="mlimage lock digits")
    assert report(error, ()) == 4
    assert _said(capsys) == (
        "error: lockfiles/digits/lock.cpu.toml: lock is stale\nhint: mlimage lock digits\n"
    )


def test_error_without_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(FetchError("nothing came"), ()) == 6
    assert _said(capsys) == "error: nothing came\n"


def _problem(line: int, hint: str | None) -> Problem:
    return Problem(path="mlimage.yaml", line=line, column=1, key="pyton", message="unknown key", hint=hint)


def test_one_problem_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(SpecError([_problem(3, "did you mean `python`?")]), ()) == 3
    assert _said(capsys) == "error: mlimage.yaml:3:1: pyton: unknown key\nhint: did you mean `python`?\n"


def test_several_problems_of_a_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(SpecError([_problem(9, None), _problem(3, "did you mean `python`?")]), ()) == 3
    assert _said(capsys) == (
        "error: 2 problems in the spec\n"
        "mlimage.yaml:3:1: pyton: unknown key\n"
        "  hint: did you mean `python`?\n"
        "mlimage.yaml:9:1: pyton: unknown key\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Signalled(signal.SIGINT), 130, "interrupted\n"),
        (Signalled(signal.SIGTERM), 143, "terminated\n"),
        (Signalled(signal.SIGHUP), 129, "terminated: the terminal was closed\n"),
        (SystemExit(5), 5, ""),
        (SystemExit(None), 0, ""),
        (typer.Exit(3), 3, ""),
    ],
)
def test_ends_that_are_no_errors(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, ()) == status
    assert _said(capsys) == said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "x", "CACHE/layer"),
            (
                "error: `CACHE/layer`: no space is left on the disk\n"
                "hint: free some (`mlimage cache prune`), or set MLIMAGE_CACHE to a folder on another disk\n"
            ),
        ),
        (
            OSError(errno.ENOSPC, "x"),
            (
                "error: no space is left on the disk\n"
                "hint: free some there, or work in a folder on another disk\n"
            ),
        ),
        (
            OSError(errno.ENOSPC, "x", "/out/a.tar"),
            (
                "error: `/out/a.tar`: no space is left on the disk\n"
                "hint: free some there, or work in a folder on another disk\n"
            ),
        ),
        (
            PermissionError(errno.EACCES, "x", b"/"),  # what the cache is in
            (
                "error: `/`: permission denied\n"
                "hint: change its owner or mode, or set MLIMAGE_CACHE to a folder of your own\n"
            ),
        ),
        (
            OSError(errno.EROFS, "x", "/p/lockfiles/x/.partial-abc", None, "/p/lockfiles/x"),
            (
                "error: `/p/lockfiles/x`: the file system is read-only\n"
                "hint: change its owner, mode or place, or work in a copy of the project\n"
            ),
        ),
        (
            OSError(errno.EROFS, "x", "CACHE/a", None, "CACHE/b"),
            (
                "error: `CACHE/a` -> `CACHE/b`: the file system is read-only\n"
                "hint: set MLIMAGE_CACHE to a folder that you may write\n"
            ),
        ),
    ],
)
def test_refusals_of_the_machine(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    for name in ("filename", "filename2"):
        if isinstance(path := getattr(error, name), str):
            setattr(error, name, path.replace("CACHE", cache))
    assert report(error, ()) == 11
    assert _said(capsys) == said.replace("CACHE/", f"{cache}/")


def _break(message: str) -> None:
    raise ZeroDivisionError(message)


def _raised(message: str) -> ZeroDivisionError:
    with pytest.raises(ZeroDivisionError) as caught:
        _break(message)
    return caught.value


def test_defect_is_apologised_for_and_recorded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    error = _raised("division by zero\nmore")
    assert report(error, ("lock", "--index", "https://me:secret@example.com/simple")) == 1
    (saved,) = (tmp_path / "cache" / "defects").iterdir()
    said = _said(capsys)
    assert re.sub(r"mlimage \d\S*:", "mlimage V:", said) == (
        "error: sorry, this is a defect in mlimage V: ZeroDivisionError: division by zero\n"
        f"hint: please report it with `{saved}`, which has the traceback\n"
    )
    record = saved.read_text()
    assert saved.stat().st_mode & 0o777 == 0o600
    assert record.splitlines()[1] == "command: mlimage lock --index 'https://***@example.com/simple'"
    assert "secret" not in record
    assert "in _break\n    raise ZeroDivisionError(message)" in record


def test_no_error_shows_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, shown = "https://bob:s3same@acme.io/x", "https://***@acme.io/x"
    assert report(FetchError(f"no {url}", where=url, hint=f"look at {url}"), ()) == 6
    assert _said(capsys) == f"error: {shown}: no {shown}\nhint: look at {shown}\n"
    monkeypatch.setenv("MLIMAGE_DEBUG", "1")
    error = _raised(f"no {url}")
    assert report(error, ("lock", f"--to={url}", "https://bob:s3 same@acme.io")) == 1
    said = _said(capsys)
    assert f"ZeroDivisionError: no {shown}" in said
    (saved,) = (tmp_path / "cache" / "defects").iterdir()
    record = saved.read_text()
    assert record.splitlines()[1] == f"command: mlimage lock '--to={shown}' 'https://***@acme.io'"
    assert "same" not in said + record


def test_defect_whose_record_cannot_be_saved_is_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLIMAGE_CACHE", str(tmp_path / "file" / "cache"))
    assert report(_raised("no"), ()) == 1
    said = _said(capsys)
    assert "Traceback (most recent call last)" in said
    assert said.endswith(
        "error: the traceback above could not be saved\nhint: please report it with what you typed\n"
    )


def test_debug_shows_the_traceback_of_every_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLIMAGE_DEBUG", "1")
    assert report(MlimageError("no"), ()) == 1
    assert _said(capsys) == "mlimage.errors.MlimageError: no\nerror: no\n"


def test_control_characters_of_names_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(MlimageError("bad file `\x1b[2J\u202egnp.exe\r`"), ())
    assert _said(capsys) == "error: bad file `\\x1b[2J\\u202egnp.exe\\r`\n"


@pytest.mark.parametrize("arguments", [("no-such-verb",), ("inspect", "no-such-image")])
def test_what_was_signalled_has_not_failed(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever somebody made of the signal, or of what it broke."""
    taker = Taker()
    assert _run(arguments, taker) == 2
    capsys.readouterr()
    taker.number = signal.SIGTERM
    assert _run(arguments, taker) == 143
    assert _said(capsys) == "terminated\n"


def test_what_is_no_file_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody said it better."""
    assert report(UnfitFileError("it is a named pipe, not a regular file", "models/x"), ()) == 11
    assert _said(capsys) == (
        "error: `models/x` cannot be read: it is a named pipe, not a regular file\n"
        "hint: put a regular file there\n"
    )
