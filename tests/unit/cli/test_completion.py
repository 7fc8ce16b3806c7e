"""What a shell offers behind `mlimage`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlimage.cli.completion import SCRIPTS, complete, install
from mlimage.cli.verbs import VERBS, application

_SPEC = """\
name: {name}
python: "3.11"
base: {{debian: bookworm}}
train: {{command: python train.py}}
serve: {{command: python serve.py, port: 8080}}
variants: {{cpu: {{}}, {other}: {{}}}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, other in (("churn", "cuda"), ("digits", "rocm"), ("damaged", "x")):
        folder = tmp_path / "images" / name
        (folder / "app").mkdir(parents=True)
        text = _SPEC.format(name=name, other=other) if name != "damaged" else "name: ["
        (folder / "mlimage.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def offered(line: str) -> list[str]:
    return [each.partition("\t")[0] for each in complete(application(), line)]


def test_verbs_have_their_help(project: Path) -> None:
    assert "".join(complete(application(), "mlimage ")) == "".join(
        f"{verb}\t{what}\n" for verb, what in VERBS.items()
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mlimage ru", ["run"]),
        ("mlimage --vers", ["--version"]),
        ("mlimage cache pr", ["prune"]),
        ("mlimage build --var", ["--variant"]),
        ("mlimage build --qu", ["--quiet"]),
        ("mlimage build ", ["churn", "damaged", "digits"]),
        ("mlimage build churn di", ["digits"]),
        ("mlimage build 'di", ["digits"]),
        ("mlimage run di", ["digits"]),
        ("mlimage run churn:", ["churn:cpu", "churn:cuda"]),
        ("mlimage diff churn:cpu churn:cu", ["churn:cuda"]),
        ("mlimage run churn ", ["train", "serve", "shell"]),
        ("mlimage run churn train ", []),
        ("mlimage build --variant ", ["cpu", "cuda", "rocm"]),
        ("mlimage build digits --variant ", ["cpu", "rocm"]),
        ("mlimage run churn --variant cu", ["cuda"]),
        ("mlimage build churn --variant=cu", ["--variant=cuda"]),
        ("mlimage run --runtime s", ["sandbox"]),
        ("mlimage run damaged:", []),
        ("mlimage build churn --output ", []),  # a file, which the shell knows
        ("mlimage build -C ", []),
    ],
)
def test_what_is_offered(line: str, words: list[str], project: Path) -> None:
    assert offered(line) == words


def test_the_project_that_is_meant(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert offered("mlimage build ") == []
    assert offered(f"mlimage -C {project.parent} build -C {project.name} d") == ["damaged", "digits"]
    assert offered(f"mlimage -C {project} run churn:cu") == ["churn:cuda"]


_ASK = """
eval "$(mlimage --show-completion bash)"
mlimage() { echo >&2 called; }
COMP_WORDBREAKS=$BREAKS
for COMP_LINE in "$@"; do
    COMP_POINT=${#COMP_LINE}
    _mlimage "$PROGRAM"
    echo "${COMPREPLY[*]}"
done
complete -p mlimage
"""


@pytest.mark.parametrize(
    ("breaks", "names", "option"),
    [
        (" \t\n\"'><=;|&(:", "cpu cuda", "rocm"),
        (" \t\n\"'><=;|&(", "churn:cpu churn:cuda", "rocm"),
        (" \t\n", "churn:cpu churn:cuda", "--variant=rocm"),
    ],
)
def test_bash_replaces_what_is_behind_a_colon(breaks: str, names: str, option: str, project: Path) -> None:
    program = Path(sys.executable).with_name("mlimage")
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PROGRAM": str(program)}
    environ["BREAKS"] = breaks
    lines = ("mlimage insp", "mlimage run churn:c", "mlimage build --variant=r", "mlimage run --models /e")
    done = subprocess.run(
        ("bash", "-c", _ASK, "bash", *lines), capture_output=True, text=True, check=False, env=environ
    )
    assert (done.stderr, done.stdout) == (
        "",
        f"inspect\n{names}\n{option}\n\ncomplete -o default -F _mlimage mlimage\n",
    )


@pytest.mark.parametrize(
    ("shell", "file", "said"),
    [
        (
            "bash",
            ".local/share/bash-completion/completions/mlimage",
            "new shells with the package bash-completion have it; without that, add `. {file}` to .bashrc",
        ),
        (
            "zsh",
            ".zfunc/_mlimage",
            "new shells have it if `fpath+=({folder})` stands before `compinit` in .zshrc",
        ),
        ("fish", ".config/fish/completions/mlimage.fish", "new shells have it"),
    ],
)
def test_it_is_installed_where_the_shell_looks(
    shell: str, file: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / file
    assert install(shell, {}) == f"wrote {path}: {said.format(file=path, folder=path.parent)}"
    assert path.read_text() == SCRIPTS[shell]
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]
