"""The files that apt is given, and what it answers, as text; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from mlimage.digest import Digest
from mlimage.errors import ResolveError
from mlimage.lock.model import Deb
from mlimage.mirrors import Location
from mlimage.platforms import Platform

_URI: Final = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that apt reads: its name in locks, where it is, and the suites that are read there."""

    name: str
    location: Location
    suites: tuple[str, ...]


def configuration(folder: Path, platform: Platform) -> str:
    """`apt.conf`: apt reads it before any other, and no other."""
    nothing = "/dev/null"
    settings = {
        "Dir::Etc": folder / "etc",
        "Dir::Etc::main": nothing,
        "Dir::Etc::parts": nothing,
        "Dir::Etc::sourcelist": folder / "etc" / "sources.list",
        "Dir::Etc::sourceparts": nothing,
        "Dir::Etc::preferences": nothing,
        "Dir::Etc::preferencesparts": nothing,
        "Dir::Etc::trusted": nothing,
        "Dir::Etc::trustedparts": nothing,
        "Dir::Etc::netrc": "/etc/apt/auth.conf",
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
        "Dir::State": folder / "state",
        "Dir::State::lists": folder / "state" / "lists",
        "Dir::State::status": folder / "etc" / "status",
        "Dir::State::extended_states": folder / "state" / "extended_states",
        "Dir::Cache": folder / "cache",
        "Dir::Log": nothing,
        "APT::Architecture": platform.debian,
        "APT::Architectures": platform.debian,
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Sandbox::User": "",  # it need not be root, and has no other user to become
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::ForceHash": "SHA256",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    return "".join(f'{key} "{value}";\n' for key, value in settings.items())


def sources(archives: Sequence[Archive], platform: Platform, keyring: Path) -> str:
    """`sources.list`; no source is trusted but by its signature."""
    return "".join(
        f"deb [arch={platform.debian} signed-by={keyring}] {archive.location.url} {suite} main\n"
        for archive in archives
        for suite in archive.suites
    )


def status(stand_ins: Mapping[str, tuple[str, ...]]) -> str:
    """The status file of dpkg for a system on which only the stand-ins are installed."""
    stanzas = []
    for name, provides in stand_ins.items():
        fields = {
            "Package": name,
            "Status": "install ok installed",
            "Maintainer": "mlimage",
            "Architecture": "all",
            "Multi-Arch": "foreign",
            "Version": "9999",  # satisfies every lower bound
        }
        if provides:
            fields["Provides"] = ", ".join(provides)
        fields["Description"] = "stand-in"
        stanzas.append("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return "\n".join(stanzas)


def parse_uris(text: str, archives: Sequence[Archive]) -> tuple[Deb, ...]:
    """What `apt-get --print-uris` says, as debs without their scripts.

    Raises:
        ResolveError: a line is not as apt writes it, or names a place that is in no archive.
    """
    debs = []
    for line in text.splitlines():
        match = _URI.match(line.strip())
        parts = match["file"].removesuffix(".deb").split("_") if match else []
        if match is None or len(parts) != 3:
            raise ResolveError(f"apt gave something else than a package: `{line.strip()}`")
        archive, path = _placed(match["uri"], archives)
        name, version, architecture = (unquote(part) for part in parts)
        debs.append(
            Deb(
                name=name,
                version=version,
                architecture=architecture,
                archive=archive,
                path=path,
                size=int(match["size"]),
                sha256=Digest.from_hex(match["sha256"]),
            )
        )
    return tuple(sorted(debs, key=lambda deb: deb.name))


def _placed(uri: str, archives: Sequence[Archive]) -> tuple[str, str]:
    for archive in archives:
        prefix = _comparable(archive.location.url) + "/"
        if _comparable(uri).startswith(prefix):
            return archive.name, unquote(_comparable(uri)[len(prefix) :])
    raise ResolveError(
        f"apt names a package at `{_comparable(uri)}`, which is in none of the archives that it was given"
    )


def _comparable(uri: str) -> str:
    """Without credentials, and with one spelling of `file:`."""
    if uri.startswith("file:"):
        return "file:/" + uri[5:].lstrip("/")
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
