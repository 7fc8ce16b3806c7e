"""Where package indexes, Debian archives and registries are on this machine, as far as it says so itself."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlimage.errors import FetchError, UsageError
from mlimage.redact import address

DEFAULT_INDEX: Final = "default"
"""Name of the index that has every package which the spec does not bind to another one."""

_NO_FOLDER_HINT: Final = "a URL begins with `https://`; a folder of wheels or an archive must exist"


@dataclass(frozen=True, slots=True)
class Location:
    """One place that holds an index or an archive: a web server, or a folder of this machine.

    Attributes:
        url: `https://…`, `http://…` or `file:///…`, without a final slash; may hold credentials.
    """

    url: str

    @property
    def folder(self) -> Path | None:
        """The folder, when it is one of this machine."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def plain(self) -> bool:
        """Whether what comes from it travels unencrypted over a network."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not _loopback(parts.hostname or "")

    def join(self, path: str) -> str:
        """The URL of a path below it; the path is as people write it, not yet quoted."""
        return f"{self.url}/{quote(path, safe='/~+')}"

    def __str__(self) -> str:
        return address(self.url)


def location(text: str, *, base: Path, source: str) -> Location:
    """A location as people write it: a URL, or a folder relative to `base` (`~` allowed).

    Args:
        text: what was written.
        base: the folder that relative ones count from.
        source: who says so, for messages: a variable's name, or a file and its line.

    Raises:
        UsageError: another scheme than `https`, `http` and `file`, or no host.
    """
    if "://" not in text and not text.startswith("file:"):
        return Location((base / Path(text).expanduser()).absolute().as_uri())
    try:
        parts = urlsplit(text.strip())
        port_is_a_number = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_a_number = urlsplit(""), False
    if parts.scheme == "file" and parts.path.startswith("/") and parts.netloc in {"", "localhost"}:
        return Location(Path(unquote(parts.path)).as_uri())
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_a_number:
        raise UsageError(
            f"`{address(text)}` is not a URL of an index or archive",
            where=source,
            hint="write `https://HOST/PATH`, or the path of a folder",
        )
    return Location(urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", "")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """Where each index and archive is.

    Attributes:
        configured: what the environment and the configuration file say, by name.
        environ: environment variables.
        apt: the folder of apt's configuration.
    """

    configured: Mapping[str, tuple[Location, ...]]
    environ: Mapping[str, str] = field(default_factory=dict)
    apt: Path = Path("/etc/apt")

    def index(self, name: str, url: str | None = None) -> tuple[Location, ...]:
        """The places of a package index, in order of preference; the same content is expected at each.

        Args:
            name: the index's name in the spec, or `default`.
            url: what the spec gives for it.

        Raises:
            UsageError: nothing says where it is, or what says so cannot be read.
        """
        found = self._chosen(name)
        if found:
            return found
        if url is not None:
            place = location(url, base=Path.cwd(), source=f"indexes.{name}.url")
            if place.plain:
                raise UsageError(
                    f"index `{name}` is at `{place}`, which is not encrypted",
                    hint=f"use `https://`, or allow it on this machine: set {variable(name)} to that URL",
                )
            return (place,)
        if name == DEFAULT_INDEX:
            from mlimage.pipconfig import index_url

            return (location(index_url(self.environ), base=Path.cwd(), source="pip's `index-url`"),)
        raise UsageError(
            f"nothing says where index `{name}` is",
            hint=f"set {variable(name)}, or give it a url in the spec under `indexes`",
        )

    def registry(self, name: str) -> tuple[Location, ...]:
        """The places that stand for a registry of images, in order of preference; none where nobody says so.

        Args:
            name: the registry's host, with its port if it has one: `docker.io`.

        Raises:
            UsageError: one is a folder.
        """
        found = self._chosen(name)
        for place in found:
            if place.folder is not None:
                raise UsageError(
                    f"the mirror of registry `{name}` is the folder `{place}`, and must be a registry",
                    hint=f"set {variable(name)}=https://HOST, or https://HOST/PATH for images below a path",
                )
        return found

    def service(self, name: str, url: str) -> tuple[Location, ...]:
        """The places of a public service, in order of preference: its own where nobody says otherwise.

        Args:
            name: of the service: `osv`.
            url: its own address.
        """
        return self._chosen(name) or (Location(url),)

    def archive(self, name: str) -> tuple[Location, ...]:
        """The places of a Debian archive (`debian`, `debian-security`), in order of preference.

        Raises:
            UsageError: neither the user nor apt says where it is.
        """
        found = self._chosen(name)
        if found:
            return found
        from mlimage.aptconfig import archives

        found = tuple(
            location(uri, base=Path("/"), source="apt's sources") for uri in archives(self.apt).get(name, ())
        )
        if found:
            return found
        raise UsageError(
            f"nothing says where the archive `{name}` is: apt on this machine has no source for it",
            hint=f'set {variable(name)}=URL, or `[mirrors] {name} = "URL"` in {config_file(self.environ)}',
        )

    def _chosen(self, name: str) -> tuple[Location, ...]:
        value = self.environ.get(variable(name))
        if value and value.strip():
            places = tuple(
                location(word, base=Path.cwd(), source=variable(name)) for word in _words(value.strip())
            )
            source: str = variable(name)
        else:
            places = self.configured.get(name, ())
            source = str(config_file(self.environ))
        for place in places:
            if place.folder is not None and not place.folder.is_dir():
                raise FetchError(
                    f"mirror `{name}` is the folder `{place}`, which is not there",
                    where=source,
                    hint=_NO_FOLDER_HINT,
                )
        return places


def load_mirrors(environ: Mapping[str, str] = os.environ, *, apt: Path = Path("/etc/apt")) -> Mirrors:
    """The mirrors of this machine; pip's and apt's configuration are read only when they are needed.

    Raises:
        UsageError: the configuration file is wrong, with `path:line`.
    """
    return Mirrors(configured=_read_config(config_file(environ)), environ=dict(environ), apt=apt)


def variable(name: str) -> str:
    """The environment variable that says where the index or archive `name` is."""
    return "MLIMAGE_MIRROR_" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def config_file(environ: Mapping[str, str]) -> Path:
    """The user's configuration file, whether it is there or not."""
    base = environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME', '~')}/.config"
    return Path(base).expanduser() / "mlimage" / "config.toml"


def _words(value: str) -> list[str]:
    # One existing folder may have spaces in its name; else words, as pip reads its own variables.
    return [value] if Path(value).expanduser().is_dir() else value.split()


def _read_config(path: Path) -> dict[str, tuple[Location, ...]]:
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, line, column = _place_of(str(error))
        raise UsageError(f"not TOML: {message}", where=f"{path}:{line}:{column}") from error
    for key in content:
        if key != "mirrors":
            raise UsageError(
                f"unknown key `{key}`", where=f"{path}:{_line_of(text, key)}", hint="known: `mirrors`"
            )
    mirrors = content.get("mirrors", {})
    if not isinstance(mirrors, dict):
        raise UsageError(
            "`mirrors` must be a table", where=f"{path}:{_line_of(text, 'mirrors')}", hint="[mirrors]"
        )
    found: dict[str, tuple[Location, ...]] = {}
    for name, value in mirrors.items():
        where = f"{path}:{_line_of(text, name)}"
        texts = [value] if isinstance(value, str) else value
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(text, str) and text for text in texts)
        ):
            raise UsageError(
                f"mirror `{name}` must be a URL, a folder, or a list of them",
                where=where,
                hint=f'{name} = "https://HOST/PATH"',
            )
        found[name] = tuple(location(text, base=path.parent, source=where) for text in texts)
    return found


def _place_of(message: str) -> tuple[str, int, int]:
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if not match:
        return message, 1, 1
    return match[1][:1].lower() + match[1][1:], int(match[2] or 1), int(match[3] or 1)


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"""\s*(?:\[\s*)?["']?{re.escape(key)}["']?\s*(?:[=.\]]|$)""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
