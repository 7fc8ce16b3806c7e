"""The group of verbs: knows each one's name and line of help, and imports its module when it is called."""

import importlib
import inspect
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from typer.core import TyperGroup

from mlimage.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

Shell = Literal["bash", "zsh", "fish"]
VERBS: Final = {
    "init": "Make a new image folder that builds as it is",
    "lock": "Pin every wheel and .deb by name and SHA-256",
    "render": "Write the Dockerfile of each variant, to read and commit",
    "build": "Turn spec and lock into one sealed image",
    "push": "Push all variants of what was built to a registry",
    "pull": "Get the image that suits this machine from a registry",
    "verify-signature": "Verify who signed an image of a registry",
    "run": "Train, serve or open a shell in an image",
    "freeze": "Record what a trained model computes, and freeze it",
    "doctor": "Look for what keeps images from running on this machine",
    "probe": "Say whether this machine computes right, and as another",
    "fingerprint": "Show what this machine and an image are, numerically",
    "verify": "Prove that an image computes here as where it was frozen",
    "reproduce": "Make an image again from what is in it, and compare",
    "diff": "Show how two images differ, from packages down to files",
    "inspect": "Show an image's layers, configuration and packages",
    "sbom": "Print what an image is made of, as CycloneDX or SPDX",
    "audit": "Look for known vulnerabilities in what a lock names",
    "cache": "List, prune and verify what was fetched and built",
    "schema": "Print the JSON Schema of mlimage.yaml, for editors",
}
"""In the order of the pipeline, as `mlimage --help` lists them."""

_EPILOG: Final = """\
\b
Examples:
  mlimage init churn --from requirements.txt
  mlimage lock churn && mlimage build churn
  mlimage run churn train

\b
Exit statuses:
  0 done    1 defect in mlimage    2 usage    3 spec    4 lock missing or stale
  5 cannot resolve    6 fetch failed or hash differs    7 build failed
  8 verification failed    9 registry    10 cannot run here
  11 refused by this machine (disk full, no permission)
  12 secrets or vulnerabilities found    130 interrupted    143 terminated

\b
`mlimage VERB --help` tells more. MLIMAGE_DEBUG=1 shows tracebacks.
"""


def application() -> Any:
    """The whole command line as a click group (typer's own class for it has no public name)."""
    app = typer.Typer(
        cls=_Verbs,
        name="mlimage",
        help="One locked, reproducible image for training and serving a model.",
        epilog=_EPILOG,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        subcommand_metavar="VERB ...",
        options_metavar="[OPTIONS]",
        context_settings={"max_content_width": 100},
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def _version(asked: bool) -> None:
    if asked:
        from mlimage import __version__

        typer.echo(f"mlimage {__version__}")
        raise typer.Exit


def _completed(context: typer.Context, line: str | None) -> None:
    if line is not None and not context.resilient_parsing:
        from mlimage.cli.completion import complete

        typer.echo("".join(complete(context.command, line)), nl=False)
        raise typer.Exit


def _shown(shell: Shell | None) -> None:
    if shell is not None:
        from mlimage.cli.completion import SCRIPTS

        typer.echo(SCRIPTS[shell], nl=False)
        raise typer.Exit


def _installed(shell: Shell | None) -> None:
    if shell is not None:
        from mlimage.cli.completion import install

        typer.echo(install(shell, os.environ))
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "-C",
            metavar="FOLDER",
            help="Run as if started in this folder, as git and make do; "
            "each further `-C`, here or after the verb, is relative to the one before.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool | None,
        typer.Option(
            "--verbose/--quiet",
            "-v/-q",
            help="Say more on standard error; or nothing there but warnings and errors. "
            "Also allowed after the verb.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        Shell | None,
        typer.Option(
            metavar="bash|zsh|fish",
            callback=_installed,
            is_eager=True,
            help="Install completion for this shell and exit.",
            show_default=False,
        ),
    ] = None,
    show_completion: Annotated[
        Shell | None,
        typer.Option(
            metavar="bash|zsh|fish",
            callback=_shown,
            is_eager=True,
            help="Print the script for this shell's completion and exit.",
            show_default=False,
        ),
    ] = None,
    complete: Annotated[
        str | None, typer.Option(metavar="LINE", callback=_completed, is_eager=True, hidden=True)
    ] = None,
) -> None:
    # options.VerboseOption looks `verbose` up; the callbacks of the others have acted.
    del verbose, version, install_completion, show_completion, complete
    for folder in folders or ():
        try:
            os.chdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError(
                f"there is no folder `{folder.absolute()}`", hint="name one behind `-C`"
            ) from None
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class _Verbs(TyperGroup):
    """Loads verbs lazily. Contexts and commands are `Any`: their classes have no public name in typer."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        return load_verb(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            raise UsageError(f"no such verb `{name}`", hint=_verb_hint(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _verb_hint(name: str) -> str:
    near = get_close_matches(name, VERBS, n=1)
    return f"did you mean `mlimage {near[0]}`?" if near else "`mlimage --help` lists the verbs"


def load_verb(name: str) -> Any:
    """Import the module of this verb and make a click command of its function, or of its `typer.Typer`."""
    function = name.replace("-", "_")
    module = importlib.import_module(f"mlimage.cli.{function}")
    member: Callable[..., None] | typer.Typer = getattr(module, function)
    if isinstance(member, typer.Typer):
        for below in member.registered_commands:
            below.help = help_text(inspect.getdoc(below.callback) or "")
        command = typer.main.get_command(member)
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(
            name,
            help=help_text(inspect.getdoc(member) or VERBS.get(name, "")),
        )(member)
        command = typer.main.get_command(app)
    command.name = name
    command.short_help = VERBS.get(name)
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _as_people_write_it(parameter)
    return command


def _as_people_write_it(argument: Any) -> None:
    """Show `IMAGE`, and not typer's `{IMAGE}` and `IMAGE <list[str]>`."""
    argument.metavar = name = argument.metavar or argument.name.upper()
    argument.display_type_rich = lambda ctx: None  # noqa: ARG005 - typer calls it by this name
    if argument.required:
        argument.get_usage_pieces = lambda ctx: [name]  # noqa: ARG005


def help_text(docstring: str) -> str:
    r"""The docstring as help: sections for readers of code go, examples keep their lines (click's ``\b``)."""
    kept = re.split(r"^(?:Args|Raises|Returns):\s*$", docstring, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = (block for block in re.split(r"\n\s*\n", kept.strip("\n")) if block.strip())
    return "\n\n".join(_keep_lines(block) for block in blocks)


def _keep_lines(block: str) -> str:
    literal = any(line.startswith((" ", "\t")) for line in block.splitlines()) and not block.startswith("\b")
    return f"\b\n{block}" if literal else block
