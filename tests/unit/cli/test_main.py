"""The command line as its users meet it: as a process."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mlimage import __version__
from mlimage.cli import main
from mlimage.cli.options import VerboseOption
from mlimage.cli.verbs import VERBS

_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}


def _mlimage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "mlimage", *arguments),
        capture_output=True,
        text=True,
        check=False,
        env={**_ENVIRONMENT, **environment},
    )


def test_help_lists_every_verb_in_order() -> None:
    done = _mlimage("--help")
    assert (done.returncode, done.stderr) == (0, "")
    verbs = done.stdout.partition("Verbs:\n")[2].partition("\n\n")[0].splitlines()
    assert [tuple(line.split(None, 1)) for line in verbs] == list(VERBS.items())


def test_no_arguments_is_help() -> None:
    assert _mlimage().stdout == _mlimage("--help").stdout


def test_a_verb_of_verbs_without_one_is_help() -> None:
    done = _mlimage("cache")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == _mlimage("cache", "--help").stdout
    assert done.stdout.partition("Commands:\n")[2] == (
        "  ls      Show what is there, and its size.\n"
        "  prune   Delete what no image needs.\n"
        "  verify  Read all, and remove what is damaged.\n"
    )


def test_names_are_utf8_in_every_locale(tmp_path: Path) -> None:
    """`C` without Python's own escapes from it, as Latin-1 is: other bytes than UTF-8 for the same name."""
    folder = tmp_path / "größe"
    done = _mlimage(
        "build", "-C", str(folder), LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING=""
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"error: there is no folder `{folder}`\nhint: name the folder of a project behind `-C`\n",
    )


def test_folders_before_and_behind_the_verb(tmp_path: Path) -> None:
    """Each is relative to the one before, as those of git."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    done = _mlimage("-C", str(tmp_path), "-C", "a", "render", "-C", "b")
    assert (done.returncode, done.stderr) == (
        2,
        (
            f"error: no project here: neither `{tmp_path}/a/b` nor a folder above it has "
            "`images/NAME/mlimage.yaml`\nhint: `mlimage init NAME` makes one here\n"
        ),
    )


@pytest.mark.parametrize(
    "words", [("-q", "init", "churn"), ("init", "churn", "-q"), ("-v", "init", "churn", "-q")]
)
def test_quiet(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    done = _mlimage("-C", str(tmp_path), *words)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ("sh", "-c", 'rmdir "$PWD"; exec "$0" -m mlimage build', sys.executable),
        cwd=gone,
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        11,
        "error: the current folder does not exist any more\nhint: go to one that does: `cd`\n",
    )


def test_version() -> None:
    done = _mlimage("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mlimage {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("biuld",), "error: no such verb `biuld`\nhint: did you mean `mlimage build`?\n"),
        (("frobnicate",), "error: no such verb `frobnicate`\nhint: `mlimage --help` lists the verbs\n"),
        (("--versoin",), "error: no such option `--versoin`\nhint: did you mean `--version`?\n"),
        (
            ("schema", "--frob"),
            "error: no such option `--frob`\nhint: `mlimage schema --help` shows what it takes\n",
        ),
        (("run",), "error: missing argument `IMAGE`\nhint: `mlimage run --help` shows what it takes\n"),
        (
            ("run", "churn", "train", "--epochs", "3", "a b"),
            (
                "error: no such option `--epochs`\nhint: what `train` itself takes stands behind `--`: "
                "`mlimage run churn train -- --epochs 3 'a b'`\n"
            ),
        ),
        (
            ("run", "churn", "ls", "-la"),
            (
                "error: no such option `-l`\n"
                "hint: an option of a command stands behind `--`, as in `mlimage run NAME -- ls -l`\n"
            ),
        ),
        (
            ("run", "churn", "train", "--usr", "0"),
            "error: no such option `--usr`\nhint: did you mean `--user`?\n",
        ),
        (
            ("run", "churn", "--runtime", "podman"),
            (
                "error: invalid value for `--runtime`: `podman` is not one of `auto`, `docker`, `sandbox`\n"
                "hint: `mlimage run --help` shows what it takes\n"
            ),
        ),
        (
            ("run", "churn", "train", "-C", "/nowhere"),
            "error: there is no folder `/nowhere`\nhint: name the folder of a project behind `-C`\n",
        ),
        (
            ("-C", "/nowhere", "build"),
            "error: there is no folder `/nowhere`\nhint: name one behind `-C`\n",
        ),
        (
            ("-C", "/", "run", "churn", "ls", "-la"),
            (
                "error: no such option `-l`\n"
                "hint: an option of a command stands behind `--`, as in `mlimage run NAME -- ls -l`\n"
            ),
        ),
        (
            ("--install-completion", "tcsh"),
            (
                "error: invalid value for `--install-completion`: "
                "`tcsh` is not one of `bash`, `zsh`, `fish`\n"
                "hint: `mlimage --help` shows what it takes\n"
            ),
        ),
        (
            ("inspect", "churn", "and", "more"),
            "error: nothing can stand here: `and more`\nhint: `mlimage inspect --help` shows what it takes\n",
        ),
        (
            ("init", "churn", "--from"),
            "error: option `--from` requires an argument\nhint: `mlimage init --help` shows what it takes\n",
        ),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = _mlimage(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = _mlimage(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: mlimage {verb} ")


def test_output_that_nobody_reads_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (sys.executable, "-m", "mlimage", "--help"),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        env=_ENVIRONMENT,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_output_is_no_error() -> None:
    done = subprocess.run(
        (
            "sh",
            "-c",
            f"'{sys.executable}' -m mlimage --version >&-; '{sys.executable}' -m mlimage biuld 2>&-",
        ),
        capture_output=True,
        check=False,
        env=_ENVIRONMENT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


_VERB_THAT_WAITS = """
import sys, time, types
module = types.ModuleType("mlimage.cli.build")
def build() -> None:
    try:
        print("working", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
module.build = build
sys.modules["mlimage.cli.build"] = module
from mlimage.cli import main
main(["build"])
"""


@pytest.mark.parametrize(
    ("signal_name", "status", "said"), [("INT", 130, "interrupted\n"), ("TERM", 143, "terminated\n")]
)
def test_signals_end_a_verb_by_way_of_its_cleaning(signal_name: str, status: int, said: str) -> None:
    import signal

    with subprocess.Popen(
        (sys.executable, "-c", _VERB_THAT_WAITS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(getattr(signal, f"SIG{signal_name}"))
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (status, "cleaned up\n", said)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, mlimage.cli\n"
        "try: mlimage.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'rich', 'pydantic', 'requests', 'docker', 'jinja2', 'yaml', 'packaging', 'pip', 'isal'}\n"
        "heavy |= {'mlimage.redact'}  # its expressions take a twentieth of the time\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, check=False, env=_ENVIRONMENT
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("build",), None),
        (("-v", "build"), True),
        (("build", "--verbose"), True),
        (("-q", "build"), False),
        (("build", "--quiet"), False),
        (("-v", "build", "-q"), False),
        (("build", "-qv"), True),
    ],
)
def test_verbose_and_quiet_before_and_after_the_verb(
    words: tuple[str, ...],
    said: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build(*, verbose: VerboseOption = None) -> None:
        print(verbose)

    module = types.ModuleType("mlimage.cli.build")
    vars(module).update(build=build)
    monkeypatch.setitem(sys.modules, "mlimage.cli.build", module)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert (caught.value.code, capsys.readouterr().out) == (0, f"{said}\n")
