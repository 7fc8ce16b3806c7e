"""Resolves the packages of an assembled base with the real apt, in folders of its own.

apt sees nothing of this machine: not its sources, packages, preferences or hooks. It sees an empty system of
the suite, and Debian's signatures are checked as always.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from mlimage.errors import FetchError, ResolveError, UsageError
from mlimage.lock.aptfiles import Archive, configuration, parse_uris, sources
from mlimage.lock.model import Deb
from mlimage.mirrors import Mirrors
from mlimage.platforms import Platform
from mlimage.process import Command, Completed, Runner, refuse_full

STAND_INS: Final[Mapping[str, tuple[str, ...]]] = {
    # package: what it provides. Debian's packages depend on them for maintainer scripts, which mlimage does
    # not run: its own handlers stand in. dpkg alone would bring tar and 9 MB.
    "dpkg": (),
    "debconf": ("debconf-2.0",),
    "mawk": ("awk",),
}
"""Packages that are taken as installed, so that nothing brings them but the user's own wish."""

KEYRINGS: Final = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
"""Where Debian's package `debian-archive-keyring` puts its keys; the second name is trixie's."""

_UNMET: Final = re.compile(r" : (Pre)?-?(Depends|Conflicts|Breaks): | but it is ")
_PASSED_ON: Final = re.compile(
    r"(http|https|ftp|all|no)_proxy\Z|SSL_CERT_FILE\Z|SSL_CERT_DIR\Z", re.IGNORECASE
)


def default_packages(python: str) -> tuple[str, ...]:
    """What every base has: enough to start python, run a shell script and make a TLS connection."""
    return (
        "base-files",
        "base-passwd",
        "ca-certificates",
        "coreutils",
        "dash",
        "libc-bin",
        "libgomp1",
        "libstdc++6",
        "netbase",
        f"python{python}",
        "tzdata",
    )


def archives_of(suite: str, mirrors: Mirrors) -> tuple[tuple[Archive, ...], ...]:
    """The archives of a suite; one set of them for each mirror, to be tried in order."""
    main, security = mirrors.archive("debian"), mirrors.archive("debian-security")
    return tuple(
        (
            Archive(name="debian", location=main[min(n, len(main) - 1)], suites=(suite, f"{suite}-updates")),
            Archive(
                name="debian-security",
                location=security[min(n, len(security) - 1)],
                suites=(f"{suite}-security",),
            ),
        )
        for n in range(max(len(main), len(security)))
    )


def find_keyring(candidates: Sequence[Path] = KEYRINGS) -> Path:
    """Debian's keys on this machine.

    Raises:
        UsageError: it has none.
    """
    for path in candidates:
        if path.is_file():
            return path
    raise UsageError(
        "this machine has no keys to check Debian's signatures with",
        hint="`apt-get install debian-archive-keyring` brings it",
    )


class Apt:
    """apt with a folder of its own, for one suite and platform."""

    def __init__(
        self,
        folder: Path,
        *,
        platform: Platform,
        archives: Sequence[Archive],
        keyring: Path,
        run: Runner,
        environ: Mapping[str, str],
    ) -> None:
        """Write apt's configuration into the folder, which must be empty and is the caller's to delete."""
        self._folder = folder
        self._archives = tuple(archives)
        self._run = run
        self._environ = environ
        for name in ("etc", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "apt.conf").write_text(configuration(folder, platform))
        (folder / "etc" / "sources.list").write_text(sources(archives, platform, keyring))
        (folder / "etc" / "status").write_text("")

    def update(self) -> None:
        """Fetch the archives' lists and check their signatures.

        Raises:
            FetchError: an archive cannot be reached, or is not signed by Debian.
            UsageError: this machine has no apt.
        """
        done = self._apt("apt-get", "update", "-q", "--error-on=any")
        if done.status != 0:
            raise _update_error(done, self._archives)

    def names(self) -> frozenset[str]:
        """Every package that the archives have."""
        return frozenset(self._apt("apt-cache", "pkgnames").text.split())

    def resolve(self, packages: Sequence[str], *, status: str) -> tuple[Deb, ...]:
        """The packages and all they depend on, in order of their names, without what is installed.

        Args:
            packages: exact names.
            status: dpkg's status file of the system, none of whose packages may go.

        Raises:
            ResolveError: apt finds no solution.
        """
        (self._folder / "etc" / "status").write_text(status, encoding="utf-8")
        done = self._apt(
            "apt-get",
            "install",
            "--print-uris",
            "--yes",
            "-qq",
            "--no-install-recommends",
            "--no-remove",
            *sorted(set(packages)),
        )
        if done.status != 0:
            raise ResolveError(
                "apt finds no solution for the packages of the base:\n" + _indented(_complaint(done)),
                hint="change `base.packages`",
            )
        return parse_uris(done.text, self._archives)

    def _apt(self, *argv: str) -> Completed:
        env = {name: value for name, value in self._environ.items() if _PASSED_ON.match(name)}
        env |= {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self._folder),
            "LC_ALL": "C.UTF-8",
            "APT_CONFIG": str(self._folder / "apt.conf"),
            "DEBIAN_FRONTEND": "noninteractive",
        }
        try:
            done = self._run(Command(argv=argv, env=env, cwd=self._folder, alone=True))
        except FileNotFoundError:
            raise UsageError(
                f"this machine has no `{argv[0]}`, which resolves the packages of a Debian base",
                hint="lock on Debian or Ubuntu, or in a container of it; building needs no apt",
            ) from None
        return refuse_full(done, self._folder)


def unknown(packages: Sequence[str], known: frozenset[str]) -> Mapping[str, str]:
    """The packages that the archives do not have, each with the nearest name, or nothing, for a hint.

    Asked before `resolve`, because apt takes a name that it does not know for a pattern.
    """
    return {
        name: next(iter(get_close_matches(name, known, n=1, cutoff=0.75)), "")
        for name in packages
        if name not in known
    }


def _update_error(done: Completed, archives: Sequence[Archive]) -> FetchError:
    complaint = _complaint(done)
    places = ", ".join(f"`{archive.location}`" for archive in archives)
    if re.search(r"NO_PUBKEY|not signed|EXPKEYSIG|BADSIG|signature", complaint):
        return FetchError(
            f"the signature of a Debian archive does not hold ({places}):\n" + _indented(complaint),
            hint="is the mirror a copy of Debian? is the package `debian-archive-keyring` new enough?",
        )
    return FetchError(
        f"cannot read the Debian archives ({places}):\n" + _indented(complaint),
        hint="name another mirror: MLIMAGE_MIRROR_DEBIAN=URL and MLIMAGE_MIRROR_DEBIAN_SECURITY=URL",
    )


def _complaint(done: Completed) -> str:
    """The lines in which apt says what is wrong, without its letters and repetition."""
    lines = [line.strip() for line in (done.text + "\n" + done.errors).splitlines()]
    chosen = [line[3:] for line in lines if line.startswith(("E: ", "W: "))]
    explained = [line for line in lines if _UNMET.search(line)]
    return (
        "\n".join(dict.fromkeys([*explained, *chosen]))
        or "\n".join(lines[-5:])
        or f"exit status {done.status}"
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
