"""Where CI gets a mlimage that no index has: `https://HOST/FILE#sha256=DIGEST`, of `--mlimage-from`. Pure."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from mlimage import DISTRIBUTION
from mlimage.digest import Digest
from mlimage.errors import UsageError
from mlimage.mirrors import Location
from mlimage.redact import address

EXAMPLE: Final = "--mlimage-from 'https://HOST/FILE.whl#sha256=DIGEST'"

ARCHIVES: Final = (".tar.gz", ".zip")
"""How names of source archives end that pip builds."""

_ODD: Final = re.compile(r"[^A-Za-z0-9:/?#@&+,=._~%-]")
"""What has no place in a URL (RFC 3986), or has a meaning in a requirements file: pip ends the URL at `;`."""
_SHA256: Final = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedUrl:
    """A wheel or a source archive of mlimage.

    Attributes:
        url: without its fragment; no credentials are in it.
        filename: the last part of its path.
        sha256: digest of the file.
    """

    url: str
    filename: str
    sha256: Digest

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel; else it is an archive, of which pip builds one."""
        return self.filename.endswith(".whl")

    @property
    def requirement(self) -> str:
        """What pip reads with `--require-hashes`."""
        return f"{DISTRIBUTION} @ {self.url} \\\n    --hash={self.sha256}\n"


def parse_pinned_url(text: str) -> PinnedUrl:
    """Read what the user gives.

    Raises:
        UsageError: pip in CI could not get it, could get something else, or the URL tells a secret.
    """
    try:
        parts = urlsplit(text)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _refused(text, "is not a URL", f"write `{EXAMPLE}`") from None
    if "+" in parts.scheme or parts.scheme in {"git", "ssh"}:
        why = "is not a file: with `--require-hashes`, pip takes nothing from version control"
        raise _refused(text, why, f"give {_URL}, or that of a source archive of the commit")
    if "://" not in text or parts.scheme not in {"http", "https"}:
        raise _refused(text, "is not on the web, where CI could get it", f"upload it, and give {_URL}")
    if not known:
        raise _refused(text, "is not a URL", f"write `{EXAMPLE}`")
    odd = _ODD.search(text)
    if odd:
        shown = odd[0] if odd[0].isprintable() else repr(odd[0])
        why = f"has `{shown}`, which a URL in a requirements file cannot have"
        raise _refused(text, why, f"write it as `{quote(odd[0], safe='')}`")
    if "@" in parts.netloc:
        why = "has credentials, which would be committed"
        raise _refused(text, why, "leave them out: pip in CI can take them from netrc or keyring")
    if Location(text).plain:
        raise _refused(text, "is not encrypted", "give a URL that begins with `https://`")
    if parts.query:
        why = "has a query, which would be committed and may hold a token"
        raise _refused(text, why, "give a URL of the file without one")
    filename = unquote(parts.path).rpartition("/")[2]
    if not filename.endswith((".whl", *ARCHIVES)):
        why = "is neither a wheel nor a source archive"
        raise _refused(text, why, "its name must end in " + ", ".join(f"`{s}`" for s in (".whl", *ARCHIVES)))
    if filename.endswith(".whl") and not _is_ours(filename):
        raise _refused(text, f"is not a wheel of `{DISTRIBUTION}`", f"give {_URL}")
    digest = _SHA256.fullmatch(parts.fragment)
    if digest is None:
        why = "has no sha256" if not parts.fragment else f"has `#{parts.fragment}`, which is not its sha256"
        raise _refused(text, why, "append `#sha256=` and the 64 digits that `sha256sum FILE` prints")
    return PinnedUrl(url=text.partition("#")[0], filename=filename, sha256=Digest.from_hex(digest[1]))


_URL: Final = f"the URL of a wheel, `{EXAMPLE}`"


def _refused(text: str, why: str, hint: str) -> UsageError:
    return UsageError(f"--mlimage-from: `{address(text)}` {why}", hint=hint)


def _is_ours(filename: str) -> bool:
    try:
        return parse_wheel_filename(filename)[0] == DISTRIBUTION
    except InvalidWheelFilename:
        return False
