"""The command line: one module per verb, named like it, and imported only when that verb is asked for."""

import gc
import os
import sys
from collections.abc import Sequence

from mlimage.cli.failures import OK, report
from mlimage.signals import Signalled, Taker, raised


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `mlimage` with these arguments (default: the process's own) and leave with its exit status.

    Raises:
        SystemExit: always; `mlimage --help` documents the statuses.
    """
    if arguments is None and sys.getfilesystemencoding() != "utf-8":
        # Under `LANG=en_US` Python takes the names of files for Latin-1, and the image would get others.
        from mlimage.process import restart

        restart("-X", "utf8")
    # Python has none where the caller closed it (`>&-`), and nothing below should have to ask.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    gc.set_threshold(50_000)  # most of a short verb is imports, whose objects stay: gc was a tenth of it
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped; it does not end the program.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # both are text files
    given = tuple(sys.argv[1:] if arguments is None else arguments)
    with raised(last=arguments is None) as taker:
        status = _run(given, taker)
    sys.exit(status)


def _run(arguments: tuple[str, ...], taker: Taker) -> int:
    try:
        from mlimage.cli.verbs import application

        group = application()
        with group.make_context("mlimage", list(arguments)) as context:
            group.invoke(context)
        sys.stdout.flush()
    # The one broad `except`: everything that nobody below has translated ends here, as a line for people.
    except BaseException as error:  # noqa: BLE001
        # Whatever became of the run after a signal, it did not fail by itself.
        return report(error if taker.number is None else Signalled(taker.number), arguments)
    return OK
