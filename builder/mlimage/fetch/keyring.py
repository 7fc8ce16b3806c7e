"""The user's keyring, asked by the program `keyring` as pip does it with `--keyring-provider subprocess`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlimage.pipconfig import keyring_is_disabled
from mlimage.process import Command, Runner, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name and a password, which is never shown.

    Attributes:
        name: of the user; empty where a token says it all.
        password: empty where it is not known.
        source: where it was found, for messages.
    """

    name: str
    password: str = field(repr=False)
    source: str


class Keyring:
    """Asks the program; one that is not on this machine, or that pip is not to use, knows nothing.

    Args:
        environ: says where programs are; the program gets it, since it has to find the user's session.
        run: starts it.
    """

    def __init__(self, environ: Mapping[str, str], *, run: Runner = run) -> None:
        self._environ = environ
        self._run = run

    @property
    def program(self) -> str | None:
        """Its path, where it may be asked."""
        found = shutil.which("keyring", path=self._environ.get("PATH", ""))
        return found if found and not keyring_is_disabled(self._environ) else None

    def find(self, service: str, name: str) -> Login | None:
        """The login that is kept under this name of a service; None where there is none.

        Args:
            service: what keyrings call a server: a URL, or `host[:port]`.
            name: of the user; empty where the keyring has to know it, too.
        """
        program = self.program
        if program is None:
            return None
        # Without a name a keyring older than 25.2 refuses, as one that knows nothing does.
        asked = ("get", service, name) if name else ("--mode", "creds", "get", service)
        done = self._run(Command(argv=(program, *asked), env={**self._environ, "PYTHONIOENCODING": "utf-8"}))
        lines = done.text.splitlines()
        if done.status != 0 or len(lines) != (1 if name else 2):
            return None
        return Login(name=name or lines[0], password=lines[-1], source="the keyring")
