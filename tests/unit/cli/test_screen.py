"""What a verb shows, where, and how."""

import io
import json
import subprocess
import sys
import threading

import pytest

from mlimage.cli.lines import Lines
from mlimage.cli.screen import Screen
from mlimage.cli.style import clean, seconds_text, size_text, width


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 150
    Screen().table("Layers", ("layer", "files", "size"), [("base", 1200, "41.5 MB"), (long, 3, "812 B")])
    assert capsys.readouterr() == (
        (
            "Layers\n"
            f"layer{' ' * 145}  files     size\n"
            f"base{' ' * 146}   1200  41.5 MB\n"
            f"{long}      3    812 B\n"
        ),
        "",
    )


def test_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table("", ("layer", "size"), [])
    assert capsys.readouterr().out == "layer  size\n"


def test_cells_are_one_line_and_cannot_play_with_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().table("", ("name", "note"), [("é日本", "a"), ("\x1b[2J", "b\nc")])
    assert capsys.readouterr().out == "name     note\né日本    a\n\\x1b[2J  b c\n"


def test_json_mode_prints_nothing_but_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(json=True)
    screen.say("hello")
    screen.table("T", ("a",), [("b",)])
    screen.warn("careful")
    screen.progress.note("done")
    screen.progress.detail("not shown")
    screen.json({"b": 1, "a": ["é"]})
    assert capsys.readouterr() == (
        '{\n  "b": 1,\n  "a": [\n    "é"\n  ]\n}\n',
        "warning: careful\ndone\n",
    )


URL = "https://bob:s3same@acme.io/x"
SHOWN = "https://***@acme.io/x"


def test_no_end_shows_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(verbose=True)
    screen.say(f"at {URL}")
    screen.table(URL, ("where",), [(URL,)])
    screen.warn(URL)
    screen.progress.note(URL)
    screen.progress.detail(URL)
    now = [0.0]
    lines = Lines(verbose=False, lock=threading.RLock(), clock=lambda: now[0])
    with lines.task(f"fetch {URL}"):
        now[0] += 2
        lines.show_due()
    assert capsys.readouterr() == (
        f"at {SHOWN}\n{SHOWN}\nwhere\n{SHOWN}\n",
        f"warning: {SHOWN}\n{SHOWN}\n{SHOWN}\nfetch {SHOWN} …\nfetch {SHOWN}: done in 2.0 s\n",
    )
    Screen(json=True).json({URL: [URL, 1, {"to": "a@b"}]})
    out = capsys.readouterr().out
    assert json.loads(out) == {SHOWN: [SHOWN, 1, {"to": "a@b"}]}


def test_bars_show_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    err = _Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    with Screen().progress.task(f"fetch {URL}") as task:
        task.advance(1)
    assert SHOWN in err.getvalue()
    assert "s3same" not in err.getvalue()


def test_verbose_shows_details(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(verbose=True).progress.detail("how")
    assert capsys.readouterr() == ("", "how\n")


def test_quiet_shows_results_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(verbose=False)
    screen.progress.detail("what")
    screen.progress.note("how")
    with screen.progress.task("work", total=2) as task:
        task.advance(1)
    screen.warn("careful")
    screen.say("result")
    assert capsys.readouterr() == ("result\n", "warning: careful\n")


def test_lines_mention_long_tasks_only(capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    lines = Lines(verbose=False, lock=threading.RLock(), clock=lambda: now[0])
    with lines.task("quick"):
        now[0] += 0.9
        lines.show_due()
    with lines.task("fetch 2 files", total=4_000_000, unit="bytes") as task:
        now[0] += 1.1
        lines.show_due()
        task.advance(1_000_000)
        now[0] += 1
        lines.show_due()
        now[0] += 4
        lines.show_due()
        now[0] += 1
    with lines.task("resolve") as task:
        now[0] += 2
        task.advance(3)
        lines.show_due()
    assert capsys.readouterr() == (
        "",
        (
            "fetch 2 files …\n"
            "fetch 2 files: 25 % (1.0 MB of 4.0 MB)\n"
            "fetch 2 files: done in 7.1 s\n"
            "resolve: 3\n"
            "resolve: done in 2.0 s\n"
        ),
    )


def test_lines_say_nothing_of_the_end_of_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = Lines(verbose=False, lock=threading.RLock(), clock=lambda: now[0])

    def fail() -> None:
        with lines.task("work"):
            now[0] = 2
            lines.show_due()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert capsys.readouterr().err == "work …\n"


def test_bars_come_and_go_and_results_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    out, err = _Terminal(), _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    screen = Screen()
    with screen.progress.task("fetch", total=10, unit="bytes") as task:
        task.advance(5)
        with screen.progress.task("unpack"):
            screen.say("a result")
        screen.progress.note("half [bold]done[/bold]")
    screen.warn("that was all")
    assert out.getvalue() == "a result\n"
    assert "half [bold]done[/bold]\n" in err.getvalue()
    assert err.getvalue().endswith("\x1b[33mwarning:\x1b[0m that was all\n")


def test_a_bar_is_one_line_in_the_narrowest_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    err = _Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    with Screen().progress.task("layers of churn:cpu", total=10_000_000, unit="bytes") as task:
        task.advance(1)
    assert "layers" in err.getvalue()
    assert "\n" not in err.getvalue().rstrip("\n")


@pytest.mark.parametrize("variable", ["CI", "NO_COLOR"])
def test_no_colour_where_it_is_not_wanted(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    err = _Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    Screen().warn("careful")
    assert err.getvalue() == "warning: careful\n"


def test_what_python_remarks_about_sources_of_packages_is_not_shown() -> None:
    program = (
        "import warnings\n"
        "from mlimage.cli.screen import Screen\n"
        "Screen()\n"
        "for name in ('<unknown>', 'own.py'):\n"
        "    warnings.warn_explicit(f'in {name}', SyntaxWarning, name, 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "own.py:1: SyntaxWarning: in own.py\n"


def test_threads_do_not_mix_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()

    def work(number: int) -> None:
        for _ in range(50):
            with screen.progress.task(str(number)):
                screen.progress.note(f"{number}" * 40)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines) == [f"{number}" * 40 for number in range(8) for _ in range(50)]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (4_200_000, "4.2 MB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_json_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a\x9b": "\x1b[2J\x7f\x9b\u202ex\n\t"}
    Screen(json=True).json(value)
    written = capsys.readouterr().out
    assert written == '{\n  "a\\u009b": "\\u001b[2J\\u007f\\u009b\\u202ex\\n\\t"\n}\n'
    assert json.loads(written) == value


def test_clean_keeps_text_lines_and_our_colours() -> None:
    assert clean("a\tb\n\x1b[31mé\x1b[0m\x07") == "a\tb\n\x1b[31mé\x1b[0m\\x07"


def test_width() -> None:
    assert [width(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]
