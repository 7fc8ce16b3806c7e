"""apt: what it is given, what it answers, and what its complaints mean."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import FetchError, MlimageError, ResolveError, UsageError
from mlimage.lock.apt import STAND_INS, Apt, archives_of, default_packages, find_keyring, unknown
from mlimage.lock.aptfiles import Archive, configuration, parse_uris, sources, status
from mlimage.lock.base import package_places, requested, reusable
from mlimage.lock.model import Deb, Wanted
from mlimage.mirrors import Location, Mirrors
from mlimage.platforms import LINUX_AMD64
from mlimage.process import Command, Completed
from support import locks

HOST = "http://mirror.example.com"
MAIN = Archive(
    name="debian",
    location=Location("http://mirror.example.com/debian"),
    suites=("bookworm", "bookworm-updates"),
)
SECURITY = Archive(
    name="debian-security",
    location=Location("http://u:p@mirror.example.com/debian-security"),
    suites=("bookworm-security",),
)
SHA = "51e4c1f1e3a29f7b52daa53a9be7c63452b21cb9b1ba2f592748475c4132f8b4"


class Recording:
    """A runner that answers what it was told to and remembers the commands."""

    def __init__(self, answers: Mapping[str, tuple[int, str, str]]) -> None:
        self.answers = answers
        self.commands: list[Command] = []

    def __call__(self, command: Command) -> Completed:
        self.commands.append(command)
        status, out, errors = self.answers.get(" ".join(command.argv[:2]), (0, "", ""))
        return Completed(command=command, status=status, stdout=out.encode(), stderr=errors.encode())


def apt(folder: Path, **answers: tuple[int, str, str]) -> tuple[Apt, Recording]:
    names = {"update": "apt-get update", "install": "apt-get install", "pkgnames": "apt-cache pkgnames"}
    runner = Recording({names[name]: answer for name, answer in answers.items()})
    made = Apt(
        folder,
        platform=LINUX_AMD64,
        archives=(MAIN, SECURITY),
        keyring=Path("/keys/debian.gpg"),
        run=runner,
        environ={"http_proxy": "http://proxy.example.com", "SECRET": "x", "LC_ALL": "de_DE"},
    )
    return made, runner


def test_the_debs_of_an_answer() -> None:
    text = (
        f"'{HOST}/debian/pool/main/libx/libxcrypt/libcrypt1_4.4.33-2_amd64.deb' "
        f"libcrypt1_1%3a4.4.33-2_amd64.deb 89464 SHA256:{SHA}\n"
        f"'{HOST}/debian-security/pool/updates/main/o/openssl/openssl_3.0.22-1%7edeb12u2_amd64.deb' "
        f"openssl_3.0.22-1~deb12u2_amd64.deb 7 SHA256:{SHA}\n"
        f"'http://mirror.example.com/debian/pool/main/c/ca/ca_1_all.deb' ca_1_all.deb 1 SHA256:{SHA}\n"
    )
    ca, crypt, openssl = parse_uris(text, (MAIN, SECURITY))
    assert (ca.name, ca.architecture) == ("ca", "all")
    assert crypt == Deb(
        name="libcrypt1",
        version="1:4.4.33-2",
        architecture="amd64",
        archive="debian",
        path="pool/main/libx/libxcrypt/libcrypt1_4.4.33-2_amd64.deb",
        size=89464,
        sha256=Digest.from_hex(SHA),
    )
    assert (openssl.archive, openssl.version) == ("debian-security", "3.0.22-1~deb12u2")
    assert openssl.path == "pool/updates/main/o/openssl/openssl_3.0.22-1~deb12u2_amd64.deb"


def test_a_folder_as_mirror() -> None:
    folder = Archive(name="debian", location=Location("file:///srv/debian"), suites=("bookworm",))
    [deb] = parse_uris(
        f"'file:/srv/debian/pool/main/c/ca/ca_1_all.deb' ca_1_all.deb 1 SHA256:{SHA}\n", (folder,)
    )
    assert (deb.archive, deb.path) == ("debian", "pool/main/c/ca/ca_1_all.deb")


@pytest.mark.parametrize(
    "line",
    [
        f"'http://elsewhere.example.com/debian/pool/a/a_1_all.deb' a_1_all.deb 1 SHA256:{SHA}",
        "'http://mirror.example.com/debian/pool/a/a_1_all.deb' a_1_all.deb 1 MD5Sum:0",
        "E: nonsense",
    ],
)
def test_an_answer_that_cannot_be(line: str) -> None:
    with pytest.raises(ResolveError):
        parse_uris(line, (MAIN, SECURITY))


def test_apt_sees_nothing_of_this_machine_and_trusts_only_signatures(tmp_path: Path) -> None:
    made, runner = apt(tmp_path / "apt", install=(0, "", ""))
    made.update()
    made.resolve(["python3.11", "dash"], status=status(STAND_INS))
    assert [" ".join(command.argv) for command in runner.commands] == [
        "apt-get update -q --error-on=any",
        "apt-get install --print-uris --yes -qq --no-install-recommends --no-remove dash python3.11",
    ]
    for command in runner.commands:
        assert not command.inherit
        assert sorted(command.env) == [
            "APT_CONFIG",
            "DEBIAN_FRONTEND",
            "HOME",
            "LC_ALL",
            "PATH",
            "http_proxy",
        ]
        assert command.env["LC_ALL"] == "C.UTF-8"
    text = configuration(tmp_path, LINUX_AMD64)
    assert 'Dir::Etc::parts "/dev/null";' in text
    assert 'Dir::Etc::trustedparts "/dev/null";' in text
    assert 'APT::Get::AllowUnauthenticated "false";' in text
    assert sources((MAIN, SECURITY), LINUX_AMD64, Path("/keys/debian.gpg")).splitlines() == [
        "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.example.com/debian bookworm main",
        "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.example.com/debian bookworm-updates main",
        (
            "deb [arch=amd64 signed-by=/keys/debian.gpg] "
            "http://u:p@mirror.example.com/debian-security bookworm-security main"
        ),
    ]


def test_stand_ins_are_installed_in_the_eyes_of_apt() -> None:
    assert status({"dpkg": (), "mawk": ("awk",)}) == (
        "Package: dpkg\nStatus: install ok installed\nMaintainer: mlimage\nArchitecture: all\n"
        "Multi-Arch: foreign\nVersion: 9999\nDescription: stand-in\n"
        "\n"
        "Package: mawk\nStatus: install ok installed\nMaintainer: mlimage\nArchitecture: all\n"
        "Multi-Arch: foreign\nVersion: 9999\nProvides: awk\nDescription: stand-in\n"
    )


COMPLAINTS: dict[str, tuple[tuple[int, str, str], type[MlimageError], str]] = {
    "unreachable": (
        (
            100,
            f"Err:1 {HOST}/debian bookworm\n",
            f"E: Failed to fetch {HOST}/debian/InRelease  Could not connect\n",
        ),
        FetchError,
        (
            "cannot read the Debian archives (`http://mirror.example.com/debian`, "
            "`http://mirror.example.com/debian-security`):\n"
            "  Failed to fetch http://mirror.example.com/debian/InRelease  Could not connect"
        ),
    ),
    "unsigned": (
        (100, "", "W: GPG error: bookworm InRelease: NO_PUBKEY 0E98\nE: The repository is not signed.\n"),
        FetchError,
        (
            "the signature of a Debian archive does not hold (`http://mirror.example.com/debian`, "
            "`http://mirror.example.com/debian-security`):\n"
            "  GPG error: bookworm InRelease: NO_PUBKEY 0E98\n"
            "  The repository is not signed."
        ),
    ),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_complaints_of_update(case: str, tmp_path: Path) -> None:
    answer, kind, message = COMPLAINTS[case]
    made, _ = apt(tmp_path / "apt", update=answer)
    with pytest.raises(kind) as caught:
        made.update()
    assert str(caught.value) == message
    assert caught.value.hint


def test_no_solution(tmp_path: Path) -> None:
    complaint = (
        "The following packages have unmet dependencies:\n"
        " a : Depends: b (>= 2) but it is not going to be installed\n"
    )
    made, _ = apt(
        tmp_path / "apt",
        install=(100, complaint, "E: Unable to correct problems, you have held broken packages.\n"),
    )
    with pytest.raises(ResolveError) as caught:
        made.resolve(["a"], status="")
    assert str(caught.value) == (
        "apt finds no solution for the packages of the base:\n"
        "  a : Depends: b (>= 2) but it is not going to be installed\n"
        "  Unable to correct problems, you have held broken packages."
    )


def test_a_machine_without_apt(tmp_path: Path) -> None:
    def absent(command: Command) -> Completed:
        raise FileNotFoundError(command.argv[0])

    made = Apt(
        tmp_path / "apt", platform=LINUX_AMD64, archives=(MAIN,), keyring=Path("/k"), run=absent, environ={}
    )
    with pytest.raises(UsageError, match="this machine has no `apt-get`"):
        made.update()
    with pytest.raises(UsageError) as caught:
        find_keyring([tmp_path / "no.gpg"])
    assert caught.value.hint == "`apt-get install debian-archive-keyring` brings it"


def test_near_names() -> None:
    known = frozenset({"libgomp1", "libsndfile1", "git"})
    assert unknown(["git", "libgomp", "zzz"], known) == {"libgomp": "libgomp1", "zzz": ""}


def test_mirrors_are_tried_in_order() -> None:
    places = {
        "debian": (Location("http://a.example.com/debian"), Location("http://b.example.com/debian")),
        "debian-security": (Location("http://s.example.com/debian-security"),),
    }
    first, second = archives_of("bookworm", Mirrors(configured=places))
    assert [str(archive.location) for archive in first] == [
        "http://a.example.com/debian",
        "http://s.example.com/debian-security",
    ]
    assert [str(archive.location) for archive in second] == [
        "http://b.example.com/debian",
        "http://s.example.com/debian-security",
    ]
    assert [archive.suites for archive in first] == [("bookworm", "bookworm-updates"), ("bookworm-security",)]


def test_a_base_is_kept_only_for_the_same_wishes() -> None:
    wanted = Wanted(
        python="3.11", platform=LINUX_AMD64, suite="bookworm", packages=("git",), requirements=(), indexes=()
    )
    assert requested(wanted) == tuple(sorted((*default_packages("3.11"), "git")))
    base = replace(locks.base(), packages=requested(wanted))
    assert reusable(base, wanted) is base
    assert reusable(base, replace(wanted, packages=())) is None
    assert reusable(base, replace(wanted, suite="trixie")) is None
    assert reusable(None, wanted) is None


def test_places_of_packages() -> None:
    content = b"name: x\nbase:\n  debian: bookworm\n  packages:\n    - git\n    - libgomp1 # for OpenMP\n"
    assert package_places(content, "images/x/mlimage.yaml") == {
        "git": "images/x/mlimage.yaml:5:7",
        "libgomp1": "images/x/mlimage.yaml:6:7",
    }
    assert package_places(b"base: {debian: bookworm}\n", "x") == {}
