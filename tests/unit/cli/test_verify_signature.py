"""`mlimage verify-signature`: who is asked for, and what it prints."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.cli import main
from mlimage.fetch import Http
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.pushing import destination, pushed
from support.signing import pair, sign_claim


@pytest.fixture
def registry(source: Store, pushable: SealedImage, quick: Http) -> Iterator[FaultyRegistry]:
    with faulty_registry() as made:
        digest = pushed(pushable, source, destination(made, quick), tags=["latest"]).digest
        sign_claim(made, digest, pair("owner"))
        yield made


def ended(*arguments: str) -> object:
    """The exit status."""
    with pytest.raises(SystemExit) as caught:
        main(("verify-signature", *arguments))
    return caught.value.code


def test_by_a_key(registry: FaultyRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "cosign.pub"
    key.write_bytes(pair("owner").pem)
    reference = f"{registry.host}/team/demo:latest"
    assert ended(reference, "--key", str(key)) == 0
    first, second = capsys.readouterr().out.splitlines()
    place, digest = first.split("@")
    assert (place, second) == (f"{registry.host}/team/demo", f"  signed by {key}, as example.com/team/demo")
    assert ended(reference, "--key", str(key), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "repository": place,
        "digest": digest,
        "key": pair("owner").public.id,
        "signed_as": "example.com/team/demo",
        "identity": None,
        "issuer": None,
    }


def test_by_an_identity(
    registry: FaultyRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "cosign"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{told}\n[ -e {told}.ok ] || {{ echo "Error: no" >&2; exit 10; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    who = ("--identity", "me@example.com", "--issuer", "https://example.com")
    reference = f"{registry.host}/team/demo"
    assert ended(f"{reference}:latest", *who) == 8
    verb, identity, issuer, plain, named = told.read_text().splitlines()
    assert (verb, plain) == ("verify", "--allow-http-registry")
    assert identity == "--certificate-identity=me@example.com"
    assert issuer == "--certificate-oidc-issuer=https://example.com"
    digest = named.removeprefix(f"{reference}@")
    assert ("team/demo", digest) in registry.manifests
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (
        "",
        f"error: `{named}` is not verified as signed by `me@example.com`: no\n",
    )
    Path(f"{told}.ok").touch()
    assert ended(f"{reference}:latest", *who) == 0
    assert capsys.readouterr().out == f"{named}\n  signed by me@example.com\n"
    assert ended(f"{reference}:latest", *who, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "repository": reference,
        "digest": digest,
        "key": None,
        "signed_as": None,
        "identity": "me@example.com",
        "issuer": "https://example.com",
    }


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--identity", "me@example.com"),
        ("--issuer", "https://example.com"),
        ("--key", "k", "--identity", "me@example.com", "--issuer", "https://example.com"),
        ("--key", "k", "--issuer", "https://example.com"),
    ],
)
def test_who_must_have_signed(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("ghcr.io/acme/churn", *options) == 2
    assert capsys.readouterr().err == (
        "error: who must have signed is said by `--key`, or by `--identity` and `--issuer` together\n"
        "hint: `--key cosign.pub`\n"
    )
