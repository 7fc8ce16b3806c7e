"""What is said, and with which exit status, when a run of `mlimage` ends otherwise than well."""

import errno
import os
import re
import select
import signal
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlimage.cli.style import clean, painted
from mlimage.errors import MlimageError, SpecError
from mlimage.signals import Signalled

if TYPE_CHECKING:
    from mlimage.refusals import Refusal

OK: Final = 0
DEFECT: Final = 1
USAGE: Final = 2
MACHINE: Final = 11
"""The machine refused what was right to ask: the disk is full, a folder cannot be written, and the like."""


_SIGNALLED: Final = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated: the terminal was closed",
}


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Say on standard error what `error` means for the user, and return the exit status.

    Args:
        error: what ended the run.
        arguments: the command line, for the file that records a defect.
    """
    status = _chosen_status(error)
    if status is not None:
        return status
    if isinstance(error, KeyboardInterrupt):
        number = signal.Signals(error.number) if isinstance(error, Signalled) else signal.SIGINT
        _say(_SIGNALLED[number])
        return 128 + number
    if isinstance(error, BrokenPipeError) and _nobody_reads_stdout():
        _let_stdout_go()
        return 128 + signal.SIGPIPE
    if os.environ.get("MLIMAGE_DEBUG", "0") not in {"", "0"}:
        _say(_traceback(error))
    if refusal := _refusal(error):
        _error(refusal.what, refusal.hint)
        return MACHINE
    if isinstance(error, MlimageError):
        return _report_mlimage_error(error)
    if _is_typers(error):
        return _report_usage(error, arguments)
    if isinstance(error, FileNotFoundError) and _stands_nowhere():
        _error("the current folder does not exist any more", "go to one that does: `cd`")
        return MACHINE
    return _report_defect(error, arguments)


def _say(text: str) -> None:
    with suppress(OSError):  # a pipe without a reader, a terminal that was closed
        print(clean(text), file=sys.stderr, flush=True)  # noqa: T201 - this module speaks to people


def _error(text: str, hint: str | None = None) -> None:
    _say(f"{painted('error:', 'red', sys.stderr)} {clean(text)}")
    if hint:
        _say(f"{painted('hint:', 'cyan', sys.stderr)} {clean(hint)}")


def _report_mlimage_error(error: MlimageError) -> int:
    if isinstance(error, SpecError) and len(error.problems) != 1:
        _error(f"{len(error.problems)} problems in the spec\n{error}")
    elif isinstance(error, SpecError):
        (problem,) = error.problems
        _error(str(problem), problem.hint)
    else:
        _error(str(error), error.hint)
    return error.exit_status


def _chosen_status(error: BaseException) -> int | None:
    """The status of an exit that somebody asked for: `sys.exit(status)`, `raise typer.Exit(status)`."""
    if isinstance(error, SystemExit):
        return OK if error.code is None else error.code if isinstance(error.code, int) else DEFECT
    if "typer" in sys.modules:
        from typer import Exit

        if isinstance(error, Exit):
            return error.exit_code
    return None


def _is_typers(error: BaseException) -> bool:
    if "typer" not in sys.modules:
        return False
    from typer.exceptions import Abort, TyperException

    return isinstance(error, TyperException | Abort)


def _report_usage(error: Any, arguments: Sequence[str]) -> int:
    """Typer's complaints in our words; its classes have no public names, so attributes tell them apart."""
    from mlimage.cli.verbs import VERBS

    context = getattr(error, "ctx", None)
    verb = next((word for word in arguments if word in VERBS), None)
    path = context.command_path if context else f"mlimage {verb}" if verb else "mlimage"
    hint = f"`{path} --help` shows what it takes"
    if not hasattr(error, "format_message"):
        _say("aborted")
        return DEFECT
    message = error.format_message()
    if hasattr(error, "possibilities"):
        name = error.option_name
        message = f"no such option `{name}`"
        near = get_close_matches(name, _options(context), n=1) if context else []
        if near:
            hint = f"did you mean `{near[0]}`?"
        elif verb == "run":
            hint = _behind_dashes(name, arguments) or hint
    elif hasattr(error, "param_type") and error.param is not None:
        message = f"missing {error.param.param_type_name} {_names(error.param)}"
    elif extra := re.fullmatch(r"Got unexpected extra argument\(s\) \((.*)\)", message):
        message = f"nothing can stand here: `{extra[1]}`"
    elif " Did you mean " in message:
        message, _, near_names = message.partition(" Did you mean ")
        hint = f"did you mean {_our_grammar(near_names)}"
    _error(_our_grammar(message), hint)
    return USAGE


def _behind_dashes(option: str, arguments: Sequence[str]) -> str | None:
    """`mlimage run X train --epochs 3`, as it is to be typed: the role's own arguments stand behind `--`."""
    from shlex import join

    at = next((i for i, word in enumerate(arguments) if word.startswith(option)), 0)
    roles = [i for i, word in enumerate(arguments[:at]) if word in {"train", "serve", "shell"}]
    if roles:
        typed = join(["mlimage", *arguments[:at], "--", *arguments[at:]])
        return f"what `{arguments[roles[0]]}` itself takes stands behind `--`: `{typed}`"
    return "an option of a command stands behind `--`, as in `mlimage run NAME -- ls -l`"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return " / ".join(f"`{name}`" for name in parameter.opts)
    return f"`{parameter.metavar or parameter.name.upper()}`"


def _options(context: Any) -> list[str]:
    return [
        name
        for parameter in context.command.get_params(context)
        for name in parameter.opts
        if name.startswith("--")
    ]


def _our_grammar(message: str) -> str:
    """Lower case, names in backticks, no final full stop."""
    quoted = (
        re.sub(r"'([^'\n]*)'", r"`\1`", message.strip())
        .removesuffix(".")
        .replace("No such command", "no such verb")
        .replace(": Input should", ": it should")
        .replace(": Value error, ", ": ")
    )
    return quoted[:1].lower() + quoted[1:]


def _refusal(error: BaseException) -> "Refusal | None":
    """What the machine refused; for want of which nothing else that an error says is true."""
    from mlimage.atomic import STANDARD_OUTPUT
    from mlimage.refusals import exhausted_by, refusal_of

    cause = exhausted_by(error) if isinstance(error, MlimageError) else error
    if isinstance(cause, OSError) and cause.filename is None and _stdout_refuses(cause.errno):
        with suppress(OSError):
            _let_stdout_go()
        cause.filename = STANDARD_OUTPUT
    return refusal_of(cause) if cause else None


def _stdout_refuses(number: int | None) -> bool:
    """Whether it was standard output, which nobody names: it is a file on a full disk, or takes nothing."""
    from mlimage.atomic import OF_WRITES

    if number not in OF_WRITES:
        return False
    try:
        output = sys.stdout.fileno()
        kind = os.fstat(output).st_mode
        if stat.S_ISREG(kind):
            return number != errno.ENOSPC or os.fstatvfs(output).f_bavail == 0
        return stat.S_ISCHR(kind) and not os.isatty(output)
    except (OSError, ValueError):
        return False


def _stands_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _report_defect(error: BaseException, arguments: Sequence[str]) -> int:
    from mlimage import __version__

    first = str(error).strip().partition("\n")[0]
    named = f"{type(error).__name__}: {first}" if first else type(error).__name__
    _error(f"sorry, this is a defect in mlimage {__version__}: {named}")
    record = _record(error, arguments)
    try:
        saved = _save(record)
    except (OSError, MlimageError):
        _say(record)
        _error("the traceback above could not be saved", "please report it with what you typed")
    else:
        _say(
            f"{painted('hint:', 'cyan', sys.stderr)} please report it with `{saved}`, which has the traceback"
        )
    return DEFECT


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()


def _record(error: BaseException, arguments: Sequence[str]) -> str:
    import platform

    from mlimage import __version__
    from mlimage.process import Command
    from mlimage.redact import redact

    text = "\n".join(
        (
            f"mlimage {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"command: {Command(argv=('mlimage', *arguments))}",
            "",
            _traceback(error),
            "",
        )
    )
    return redact(text)


def _save(record: str) -> Path:
    import time

    from mlimage.atomic import write_atomically
    from mlimage.cache import default_cache

    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    path = default_cache(os.environ).root / "defects" / name
    write_atomically(path, record.encode(errors="backslashreplace"), mode=0o600)
    return path


def _nobody_reads_stdout() -> bool:
    """Whether it was standard output that broke: a pipe without a reader shows an error condition."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(events & select.POLLERR for _descriptor, events in poll.poll(0))
    except (OSError, ValueError):
        return False


def _let_stdout_go() -> None:
    """Keep the interpreter from complaining, when it ends, that what it still holds cannot be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
