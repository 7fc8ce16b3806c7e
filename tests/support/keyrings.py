"""A program `keyring` that knows what a test puts into it, and notes what it was asked."""

import shlex
from collections.abc import Mapping
from pathlib import Path


class FakeKeyring:
    """In a folder of its own, for `PATH`.

    Args:
        folder: where it is made.
        logins: what it writes, by its arguments, as words; it knows nothing else.
    """

    def __init__(self, folder: Path, logins: Mapping[str, str]) -> None:
        self._log = folder / "asked"
        cases = "".join(
            f"  {shlex.quote(asked)}) printf %s {shlex.quote(said)} ;;\n" for asked, said in logins.items()
        )
        program = folder / "keyring"
        folder.mkdir()
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {shlex.quote(str(self._log))}\n'
            f'case "$*" in\n{cases}  *) exit 1 ;;\nesac\n'
        )
        program.chmod(0o755)
        self.path = str(folder)

    @property
    def asked(self) -> list[str]:
        """What it was asked, in order."""
        return self._log.read_text().splitlines() if self._log.exists() else []
