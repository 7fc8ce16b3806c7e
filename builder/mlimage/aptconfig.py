"""Which Debian archives apt on this machine is configured to, from both formats of its sources.

Only the archives `debian` and `debian-security` themselves are looked for. A third party's archive often has
Debian's suite names too, so a source counts only when it has the component `main` and is either signed by
Debian's own keyring or, where it names no keyring file, lies in a folder that is called like the archive.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SCHEMES = re.compile(r"(?:https?|file|copy)://?", re.IGNORECASE)
_PLAIN_OPTION = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str

    @property
    def archive(self) -> str | None:
        """The Debian archive that it is; None for somebody else's."""
        folder = self.uri.rstrip("/").rpartition("/")[2]
        if "main" not in self.components:
            return None
        if self.signed_by and "BEGIN PGP" not in self.signed_by:
            if "debian-archive" not in self.signed_by:
                return None
        elif folder not in {"debian", "debian-security"}:
            return None
        security = self.suite.endswith(("-security", "/updates")) or folder == "debian-security"
        return "debian-security" if security else "debian"


def archives(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """The URIs of each Debian archive, in apt's order, each once and without final slash.

    Args:
        folder: apt's configuration, `/etc/apt`; files in it that cannot be read are passed over, as are
            sources that are not a plain place (`cdrom:`, `mirror+file:`).
    """
    found: dict[str, list[str]] = {}
    for source in _sources(folder):
        archive = source.archive
        if archive and _SCHEMES.match(source.uri):
            uri = source.uri.rstrip("/")
            uri = "file:" + uri[len("copy:") :] if uri.startswith("copy:") else uri
            uris = found.setdefault(archive, [])
            if uri not in uris:
                uris.append(uri)
    return {archive: tuple(uris) for archive, uris in found.items()}


def _sources(folder: Path) -> Iterator[_Source]:
    parts = folder / "sources.list.d"
    paths = [folder / "sources.list", *(sorted(parts.iterdir()) if parts.is_dir() else [])]
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if path.suffix == ".list":
            yield from _one_line(text.splitlines())
        elif path.suffix == ".sources":
            yield from _deb822(text)


def _one_line(lines: Iterable[str]) -> Iterator[_Source]:
    """sources.list(5), ONE-LINE-STYLE FORMAT: `deb [options] uri suite component…`."""
    for line in lines:
        text = line.partition("#")[0].strip()
        if not text.startswith(("deb ", "deb\t")):
            continue
        options = _PLAIN_OPTION.search(text)
        settings = dict(
            option.split("=", 1) for option in (options[1].split() if options else ()) if "=" in option
        )
        try:
            words = shlex.split(_PLAIN_OPTION.sub("", text, count=1))[1:]
        except ValueError:
            continue
        if len(words) >= 2:
            yield _Source(
                uri=words[0],
                suite=words[1],
                components=tuple(words[2:]),
                signed_by=settings.get("signed-by", ""),
            )


def _deb822(text: str) -> Iterator[_Source]:
    """sources.list(5), DEB822-STYLE FORMAT: stanzas of fields, each of which may go on in indented lines."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                fields[key] = f"{fields.get(key, '')} {line.strip()}"
            else:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {
            "no",
            "false",
        }:
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield _Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    signed_by=fields.get("signed-by", ""),
                )
