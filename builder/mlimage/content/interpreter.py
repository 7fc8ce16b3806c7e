"""Runs the python of an unpacked base on this machine, through the base's own dynamic loader.

No privileges, containers or chroot are needed, and python sees the C library that the image will have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.content.installation import library_folders, loader_of
from mlimage.document import DocumentError, read_document
from mlimage.errors import BuildError
from mlimage.platforms import Platform, native_platform
from mlimage.process import Command, Runner

_LOADER: Final = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}

_DESCRIBE: Final = """\
import json, os, platform
from packaging.markers import default_environment
from packaging.tags import sys_tags
print(json.dumps({
    "markers": dict(default_environment()),
    "tags": [str(tag) for tag in sys_tags()],
    "version": platform.python_version(),
    "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an image's python is, as packaging tools see it.

    Attributes:
        markers: the environment of PEP 508 markers. The release and version of the kernel are empty: they are
            the machine's that locks, not the image's.
        tags: compatibility tags of PEP 425, the preferred first.
        version: full version of python.
        glibc: version of the C library.
    """

    markers: Mapping[str, str]
    tags: tuple[str, ...]
    version: str
    glibc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The python `X.Y` of the root file system at `root`.

    Attributes:
        root: the unpacked base.
        python: `X.Y`.
        platform: of the base.
        installed: path of the program in a base that somebody else made (`content.installation`); None in an
            assembled one, where all is in its Debian place.
        bytecode: folder where it keeps what it imports compiled, for its next start; None: nowhere.
    """

    root: Path
    python: str
    platform: Platform
    installed: str | None = None
    bytecode: Path | None = None

    @property
    def loader(self) -> Path:
        """The dynamic loader of the base; not the path that programs name, which may be an absolute link."""
        found = loader_of(self.root, self.program) if self.installed else None
        return found or self._multiarch / _LOADER[self.platform.architecture]

    @property
    def program(self) -> Path:
        """The python itself."""
        return self.root / (self.installed or f"usr/bin/python{self.python}")

    @property
    def _multiarch(self) -> Path:
        return self.root / "usr" / "lib" / self.platform.multiarch

    @property
    def _libraries(self) -> tuple[Path, ...]:
        if self.installed:
            return library_folders(self.root, self.program, self.platform)
        return (self._multiarch, self.root / "usr" / "lib")

    def command(
        self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> Command:
        """The command that runs python with these arguments.

        Nothing of this machine's configuration gets in: the environment holds only what stands here and in
        `env`, and `sys.path` has neither site folders (add some with `PYTHONPATH`) nor the current one.

        Raises:
            BuildError: this machine cannot run programs of the platform, or the base has no such python.
        """
        self._check()
        libraries = self._libraries
        return Command(
            argv=(
                str(self.loader),
                "--inhibit-cache",
                "--library-path",
                ":".join(map(str, libraries)),
                "--argv0",
                str(self.program),
                str(self.program),
                "-S",
                "-s",
                *(("-X", f"pycache_prefix={self.bytecode}") if self.bytecode else ("-B",)),
                *args,
            ),
            env={
                "PYTHONHOME": str(self.program.parent.parent),
                "PYTHONSAFEPATH": "1",
                "PYTHONHASHSEED": "0",
                "PYTHONUTF8": "1",
                "LC_ALL": "C.UTF-8",
                "LOCPATH": str(self.root / "usr" / "lib" / "locale"),
                "GCONV_PATH": str(_first_with("gconv", libraries)),
                "OPENSSL_CONF": "/dev/null",
                "TZ": "UTC",
                "PATH": "/usr/bin:/bin",
                **(env or {}),
            },
            # Where python is older than 3.11, which knows no safe path, it looks for modules there.
            cwd=self.root if self.installed else None,
            stdin=stdin,
        )

    def describe(self, run: Runner) -> Target:
        """Ask the interpreter what it is.

        Raises:
            BuildError: it cannot be run, or does not answer.
        """
        import packaging

        command = self.command(
            "-c", _DESCRIBE, env={"PYTHONPATH": str(Path(packaging.__file__).parent.parent)}
        )
        try:
            done = run(command)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise BuildError(
                f"python {self.python} of the base cannot be started: {why}",
                hint="is the cache on a disk that programs may run from? MLIMAGE_CACHE names another folder",
            ) from error
        if done.status != 0:
            raise BuildError(f"python {self.python} of the base does not run: {_last_line(done.errors)}")
        try:
            answer = read_document(done.stdout)
            return Target(
                markers={**answer.get("markers").table(), "platform_release": "", "platform_version": ""},
                tags=answer.get("tags").texts(),
                version=answer.get("version").text(),
                glibc=answer.get("glibc").text().removeprefix("glibc "),
            )
        except DocumentError:
            raise BuildError(
                f"python {self.python} of the base does not say what it is: {_last_line(done.text)}"
            ) from None

    def _check(self) -> None:
        if native_platform() != self.platform:
            raise BuildError(
                f"this machine cannot run python of `{self.platform}`",
                hint=f"build it on a {self.platform.machine} machine with Linux, or write `bytecode: false`",
            )
        for path in (self.loader, self.program):
            if not path.exists():
                raise BuildError(
                    f"the base has no `/{path.relative_to(self.root)}`",
                    hint="`mlimage cache prune --all` lets it be unpacked anew"
                    if self.installed
                    else "the python of the spec must be the one of the base's Debian suite",
                )


def _first_with(name: str, folders: tuple[Path, ...]) -> Path:
    return next((folder / name for folder in folders if (folder / name).is_dir()), folders[0] / name)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]
