"""What `cosign` is told when it signs, and what is said when it cannot."""

import json
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlimage.digest import Digest
from mlimage.errors import RegistryError, UsageError, VerificationError
from mlimage.process import Command, Completed
from mlimage.release.cosign import Identity, trusted_key, verify_identity
from mlimage.release.sign import signer
from mlimage.release.target import repository_of
from mlimage.spec.registry import Reference
from support.signing import pair

HUB = repository_of("docker.io/acme", "churn")
HERE = repository_of("localhost:5000", "churn")
FAR = repository_of("registry.example.com/acme", "churn")
INDEX, IMAGE = Digest.of(b"index"), Digest.of(b"image")
CLASSIC = ("--use-signing-config=false", "--new-bundle-format=false")
OWN = {"COSIGN_REPOSITORY": "", "COSIGN_EXPERIMENTAL": "", "COSIGN_DOCKER_MEDIA_TYPES": ""}


@dataclass(repr=False)
class Cosign:
    """Stands for the command: one of a version, with a key of this password.

    Attributes:
        version: 2, 3, or one to come.
        key: PEM of the public key.
        password: of the private key; None where it has none.
        fails: what it says of a `sign` or `verify`.
        seen: when it runs.
        commands: that were started.
    """

    version: int = 3
    key: bytes = pair("owner").pem
    password: str | None = "open sesame"  # noqa: S105 - it opens nothing
    fails: str = ""
    seen: Callable[[Command], object] = lambda _: None
    commands: list[Command] = field(default_factory=list)

    def __call__(self, command: Command) -> Completed:
        program, verb, *options = command.argv
        assert (program, command.inherit, command.stdin) == ("cosign", True, None)
        self.commands.append(command)
        self.seen(command)
        taken = {2: {"--tlog-upload"}, 3: {"--tlog-upload", *(each.partition("=")[0] for each in CLASSIC)}}
        unknown = {"--tlog-upload", *(each.partition("=")[0] for each in CLASSIC)} - taken.get(
            self.version, set()
        )
        for option in options if verb == "sign" else ():
            if option.partition("=")[0] in unknown:
                return self._failed(command, f"unknown flag: {option.partition('=')[0]}")
        if "--help" in options or verb == "version":
            return Completed(command=command, status=0, stdout=b"usage", stderr=b"")
        if verb in {"public-key", "sign"} and self.password not in {None, command.env.get("COSIGN_PASSWORD")}:
            return self._failed(command, "decrypt: encrypted: decryption failed")
        if verb in {"sign", "verify"} and self.fails:
            return self._failed(command, self.fails)
        return Completed(command=command, status=0, stdout=self.key, stderr=b"")

    def _failed(self, command: Command, told: str) -> Completed:
        text = f"Flag --x has been deprecated\nError: {told}\nerror during command execution: {told}\n"
        return Completed(command=command, status=1, stdout=b"", stderr=text.encode())

    @property
    def lines(self) -> list[str]:
        return [" ".join(command.argv) for command in self.commands]


def nobody(_: Command) -> Completed:
    raise FileNotFoundError("cosign")


@pytest.fixture(autouse=True)
def _no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip of this machine may name some."""
    monkeypatch.setattr("mlimage.release.cosign.authorities", lambda environ: environ.get("SSL_CERT_FILE"))


def test_a_key_with_each_version() -> None:
    three = Cosign()
    made = signer("cosign.key", run=three, environ={}, ask=lambda _: "open sesame")
    made.sign(FAR, [INDEX, IMAGE, IMAGE])
    far = f"registry.example.com/acme/churn@{INDEX} registry.example.com/acme/churn@{IMAGE}"
    classic = " ".join(CLASSIC)
    assert three.lines == [
        f"cosign sign --tlog-upload=false {classic} --help",
        "cosign public-key --key cosign.key",
        f"cosign sign --yes --key cosign.key --tlog-upload=false {classic} {far}",
    ]
    assert [dict(command.env) for command in three.commands] == [
        {},
        {**OWN, "COSIGN_PASSWORD": "open sesame"},
        {**OWN, "COSIGN_PASSWORD": "open sesame"},
    ]
    two, http = Cosign(version=2, password=None), "--allow-http-registry"
    signer("env://KEY", run=two, environ={}, log=True).sign(HERE, [INDEX])
    assert two.lines[1:] == [
        "cosign sign --tlog-upload=true --help",
        "cosign public-key --key env://KEY",
        f"cosign sign --yes --key env://KEY --tlog-upload=true {http} localhost:5000/churn@{INDEX}",
    ]


def test_no_secret_is_shown() -> None:
    run = Cosign(fails="no")
    made = signer("cosign.key", run=run, environ={"TOKEN": "hush"}, ask=lambda _: "open sesame")
    with pytest.raises(RegistryError) as caught:
        made.sign(FAR, [INDEX])
    for text in (repr(made), *map(str, run.commands), str(caught.value), str(caught.value.hint)):
        assert "sesame" not in text
        assert "hush" not in text


def test_who_is_asked_for_a_password() -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "open sesame"

    run = Cosign(password=None)
    signer("a.key", run=run, environ={"COSIGN_PASSWORD": ""}, ask=ask)
    signer("awskms:///alias/x", run=run, environ={}, ask=ask)
    signer("keyless", run=run, environ={"SIGSTORE_ID_TOKEN": "x"}, ask=ask)
    assert asked == []
    signer("env://KEY", run=run, environ={}, ask=ask)
    assert asked == ["password of env://KEY: "]


def refused(key: str, run: Callable[[Command], Completed], **environ: str) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught:
        signer(key, run=run, environ=environ)
    return str(caught.value), caught.value.hint


def test_what_cannot_sign_is_said_before() -> None:
    for key in ("cosign.key", "keyless"):
        assert refused(key, nobody) == (
            "`cosign` is not on this machine, which makes signatures and knows identities",
            (
                "Debian 13 or newer: `apt-get install cosign`; macOS: `brew install cosign`; "
                "others: https://docs.sigstore.dev"
            ),
        )
    assert refused("cosign.key", Cosign(version=9)) == (
        "this `cosign` does not make signatures that cosign 2 and 3 verify",
        "take cosign 2 or 3",
    )
    assert refused("cosign.key", Cosign()) == (
        "cosign cannot use the key `cosign.key`: decrypt: encrypted: decryption failed",
        "is COSIGN_PASSWORD set, and right?",
    )
    assert refused("cosign.key", Cosign(key=pair("p384").pem, password=None)) == (
        "`cosign.key` is a key of a kind with which cosign 2 and 3 do not verify the same",
        "ECDSA on P-256, which `cosign generate-key-pair` makes, or RSA of 2048 bits or more",
    )
    for environ in ({}, {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.com"}, {"SIGSTORE_ID_TOKEN": ""}):
        assert refused("keyless", Cosign(), **environ) == (
            "nothing here says who signs: this is no CI job that has an identity",
            (
                "GitHub: `permissions: {id-token: write}`; GitLab: `id_tokens: {SIGSTORE_ID_TOKEN: "
                "{aud: sigstore}}`; elsewhere sign with a key: `--sign cosign.key`"
            ),
        )


def test_keyless() -> None:
    run = Cosign(password=None)
    environ = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.com"}
    signer("keyless", run=run, environ=environ).sign(HUB, [INDEX])
    assert run.lines == ["cosign version", f"cosign sign --yes docker.io/acme/churn@{INDEX}"]


@pytest.mark.parametrize("told", ["MANIFEST_UNKNOWN: \x1b[31mno such thing", "", "x" * 10_000])
def test_what_cosign_says(told: str) -> None:
    run = Cosign(password=None, fails=f"signing [{FAR}@{INDEX}]: {told}")
    with pytest.raises(RegistryError) as caught:
        signer("cosign.key", run=run, environ={}, plain=True).sign(FAR, [INDEX])
    assert "--allow-http-registry" in run.commands[-1].argv
    shown = {
        "": "it ended with status 1",
        "x" * 10_000: "x" * 500,
    }.get(told, "MANIFEST_UNKNOWN:  [31mno such thing")
    assert str(caught.value) == (
        f"`registry.example.com/acme/churn` was pushed, and could not be signed: {shown}"
    )
    assert caught.value.hint == "the same `mlimage push` again signs it, and sends nothing twice"


def test_authorities(tmp_path: Path) -> None:
    run = Cosign(password=None)
    signer("cosign.key", run=run, environ={"SSL_CERT_FILE": "/etc/ours.pem"})
    assert run.commands[-1].env == {**OWN, "SSL_CERT_FILE": "/etc/ours.pem"}
    signer("cosign.key", run=run, environ={"SSL_CERT_FILE": str(tmp_path)})
    assert run.commands[-1].env == {**OWN, "SSL_CERT_DIR": str(tmp_path)}


@pytest.mark.parametrize(
    ("reference", "host", "key"),
    [
        (FAR, "registry.example.com", "registry.example.com"),
        (HUB, "index.docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_the_login_of_a_variable_that_cosign_2_does_not_know(
    reference: Reference, host: str, key: str, tmp_path: Path
) -> None:
    seen: list[tuple[Mapping[str, object], int, Path]] = []

    def see(command: Command) -> None:
        folder = command.env.get("DOCKER_CONFIG")
        if folder is not None:
            path = Path(folder, "config.json")
            seen.append((json.loads(path.read_bytes()), stat.S_IMODE(path.parent.stat().st_mode), path))

    run = Cosign(password=None, seen=see)
    auths = {"auths": {host: {"auth": "bWU6c2VjcmV0"}, "other.example.com": {"auth": "eDp5"}}}
    environ = {"DOCKER_AUTH_CONFIG": json.dumps(auths), "DOCKER_CONFIG": str(tmp_path)}
    signer("cosign.key", run=run, environ=environ).sign(reference, [INDEX])
    [(config, mode, path)] = seen
    assert config == {"auths": {key: {"auth": "bWU6c2VjcmV0"}}}
    assert (mode, path.exists()) == (0o700, False)
    assert not any("secret" in line or "bWU6" in line for line in run.lines)
    signer("cosign.key", run=run, environ={"DOCKER_CONFIG": str(tmp_path)}).sign(FAR, [INDEX])
    assert "DOCKER_CONFIG" not in run.commands[-1].env


def test_an_identity_token() -> None:
    seen: list[object] = []
    run = Cosign(
        password=None,
        seen=lambda command: seen.extend(
            json.loads(Path(folder, "config.json").read_bytes())
            for name, folder in command.env.items()
            if name == "DOCKER_CONFIG"
        ),
    )
    environ = {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {"registry.example.com": {"identitytoken": "t"}}})}
    signer("cosign.key", run=run, environ=environ).sign(FAR, [INDEX])
    assert seen == [{"auths": {"registry.example.com": {"identitytoken": "t"}}}]


def test_keys_that_verify(tmp_path: Path) -> None:
    path = tmp_path / "cosign.pub"
    path.write_bytes(pair("owner").pem)
    wanted = pair("owner").public.id
    assert trusted_key(str(path), run=nobody, environ={}).id == wanted
    assert trusted_key("env://KEY", run=nobody, environ={"KEY": pair("owner").pem.decode()}).id == wanted
    run = Cosign(password=None)
    assert trusted_key("awskms:///alias/x", run=run, environ={}).id == wanted
    assert run.lines == ["cosign public-key --key awskms:///alias/x"]
    for key, message in (
        ("env://KEY", "the variable `KEY` of `env://KEY` is not set"),
        (str(tmp_path / "none"), f"{tmp_path}/none: cannot be read: no such file or directory"),
        (str(tmp_path), f"{tmp_path}: cannot be read: is a directory"),
    ):
        with pytest.raises(UsageError) as caught:
            trusted_key(key, run=nobody, environ={})
        assert str(caught.value) == message


def test_identities() -> None:
    run = Cosign()
    me = Identity(name="me@example.com", issuer="https://example.com")
    verify_identity(HERE, INDEX, me, run=run, environ={})
    [line] = run.lines
    assert line == (
        "cosign verify --certificate-identity=me@example.com --certificate-oidc-issuer=https://example.com "
        f"--allow-http-registry localhost:5000/churn@{INDEX}"
    )
    run.fails = "no signatures found"
    with pytest.raises(VerificationError) as caught:
        verify_identity(FAR, INDEX, me, run=run, environ={})
    assert str(caught.value) == (
        f"`registry.example.com/acme/churn@{INDEX}` is not verified as signed by `me@example.com`: "
        "no signatures found"
    )
