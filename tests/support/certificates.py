"""An authority made for one test, and the certificates that it signs, by the program `openssl`."""

from dataclasses import dataclass
from pathlib import Path

from support.programs import program


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Of a server.

    Attributes:
        chain: the file of the certificate.
        key: the file of its key.
    """

    chain: Path
    key: Path


class Authority:
    """Signs certificates.

    Args:
        folder: a new one, for its files.

    Attributes:
        file: its own certificate, for whoever is to trust it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = folder / "authority.key"
        self.file = folder / "authority.pem"
        program("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self._key)
        name = ("-subj", "/CN=an authority of tests")
        program("openssl", "req", "-x509", "-new", "-key", self._key, "-days", "2", *name, "-out", self.file)

    def certificate(self, host: str, *, days: int = 2) -> Certificate:
        """One for a host; with less than no days it has run out."""
        made = Certificate(chain=self._folder / f"{host}.pem", key=self._folder / f"{host}.key")
        request, extensions = self._folder / "request", self._folder / "extensions"
        extensions.write_text(f"subjectAltName=DNS:{host}\n")
        program("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", made.key)
        program("openssl", "req", "-new", "-key", made.key, "-subj", f"/CN={host}", "-out", request)
        program(
            *("openssl", "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key),
            *("-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out", made.chain),
        )
        return made
