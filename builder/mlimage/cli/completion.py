"""What a shell offers behind `mlimage …`: verbs, options, and the images and variants of the project.

A shell's script hands the line up to the cursor to `mlimage --complete`, which prints what can stand in the
place of its last word: a line each, with its help behind a tab. No line means names of files.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from mlimage.errors import MlimageError
from mlimage.spec.project import Project, find_project

if TYPE_CHECKING:
    from mlimage.spec.tags import ImageTag

# Words of bash end at `:` and `=`, too, unless its user wants otherwise, and it replaces only what is behind
# the last of them.
_BASH: Final = r"""_mlimage() {
    local line="${COMP_LINE:0:COMP_POINT}" item
    local word="${line##*[[:space:]]}"
    local ends="${COMP_WORDBREAKS//[^:=]/}" kept=""
    [[ -z $ends ]] || kept="${word%"${word##*["$ends"]}"}"
    COMPREPLY=()
    while IFS=$'\t' read -r item _; do
        COMPREPLY+=("${item#"$kept"}")
    done < <("$1" --complete "$line" 2>/dev/null)
}
complete -o default -F _mlimage mlimage
"""
# zsh calls a file of `fpath` as the function; evaluated, the file makes it known.
_ZSH: Final = r"""#compdef mlimage
_mlimage() {
    local line
    local -a offered
    for line in "${(@f)$("${words[1]}" --complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}"; do
        [[ -z $line ]] || offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    if (( $#offered )); then
        _describe mlimage offered
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _mlimage ]]; then
    _mlimage "$@"
else
    compdef _mlimage mlimage
fi
"""
_FISH: Final = r"""function __mlimage_offered
    set -l words (commandline -opc)
    $words[1] --complete (commandline -cp | string collect) 2>/dev/null
end
complete --command mlimage --no-files --arguments '(__mlimage_offered)'
complete --command mlimage --condition 'test -z "$(__mlimage_offered)"' --force-files
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def install(shell: str, environ: Mapping[str, str]) -> str:
    """Write a shell's script where it looks for it; returns what the user is told.

    No file of the user's own is changed: where one has to be, the line for it is said.
    """
    from mlimage.atomic import write_atomically

    home = Path.home()
    if shell == "fish":
        folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        file, then = folder / "fish/completions/mlimage.fish", "new shells have it"
    elif shell == "zsh":
        folder = Path(environ.get("ZDOTDIR") or home) / ".zfunc"
        file = folder / "_mlimage"
        then = (
            f"new shells have it if `fpath+=({shlex.quote(str(folder))})` stands before `compinit` in .zshrc"
        )
    else:
        data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
        folder = Path(environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
        file = folder / "completions/mlimage"
        then = (
            "new shells with the package bash-completion have it; "
            f"without that, add `. {shlex.quote(str(file))}` to .bashrc"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, SCRIPTS[shell].encode())
    return f"wrote {file}: {then}"


def complete(group: Any, line: str) -> Iterator[str]:
    """What may stand in the place of a line's last word: `VALUE`, a tab, its help and a line feed each."""
    from typer.completion import completion_init, shell_completion  # type: ignore[attr-defined]

    completion_init()
    words = shell_completion.split_arg_string(line)
    last = "" if not words or line[-1:].isspace() else words.pop()
    option, equals, _ = last.partition("=")
    kept = f"{option}=" if equals and option.startswith("--") else ""
    shell: Any = shell_completion.get_completion_class("fish")
    asked = shell(group, {"obj": words}, "mlimage", "")
    for item in asked.get_completions(words[1:], last):
        if item.type == "plain":  # a shell knows files and folders better
            text = " ".join((item.help or "").split())
            yield f"{kept}{item.value}\t{text}\n"


def image_names(context: typer.Context, incomplete: str) -> list[str]:
    """The images of the project that begin so."""
    project = _project(context)
    return _beginning(project.names(), incomplete) if project else []


def image_references(context: typer.Context, incomplete: str) -> list[str]:
    """The same; and behind `NAME:` the tags of that image."""
    name, colon, _ = incomplete.partition(":")
    if not colon:
        return image_names(context, incomplete)
    return _beginning((f"{name}:{tag}" for tag in _tags(context, [name])), incomplete)


def variants(context: typer.Context, incomplete: str) -> list[str]:
    """The variants of the images that the line names, or of all."""
    names = image_names(context, "")
    # Where the value of an option is wanted, typer has not got as far as to know the arguments.
    named = [word for word in context.obj if word in names]
    found = dict.fromkeys(tag.variant for tag in _tags(context, named or names))
    return _beginning(found, incomplete)


def _tags(context: typer.Context, names: Iterable[str]) -> Iterator["ImageTag"]:
    """Those of images whose spec can be read."""
    from mlimage.spec.tags import image_tags

    project = _project(context)
    for name in names:
        with suppress(MlimageError):
            yield from image_tags(project.load(name).spec) if project else ()


def _project(context: typer.Context) -> Project | None:
    """The project that is meant, by what stands behind the `-C`s."""
    start = Path(*(context.find_root().params.get("folders") or ()), context.params.get("project") or "")
    with suppress(MlimageError):
        return find_project(start)
    return None


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
