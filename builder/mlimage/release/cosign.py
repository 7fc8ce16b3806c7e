"""The `cosign` command, as mlimage starts it: what it is told, and what it says.

https://github.com/sigstore/cosign/blob/main/doc/cosign.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlimage.atomic import temporary_folder
from mlimage.digest import Digest
from mlimage.errors import UsageError, VerificationError, reason_of
from mlimage.oci.login import Logins, config_with
from mlimage.oci.registry import default_place
from mlimage.pipconfig import authorities
from mlimage.process import Command, Completed, Runner
from mlimage.redact import redact
from mlimage.release.signature import PublicKey, read_key
from mlimage.spec.registry import Reference

PASSWORD: Final = "COSIGN_PASSWORD"  # noqa: S105 - the name of a variable
_OWN: Final = {"COSIGN_REPOSITORY": "", "COSIGN_EXPERIMENTAL": "", "COSIGN_DOCKER_MEDIA_TYPES": ""}
"""Signatures lie beside the image, in the form that both versions of cosign and mlimage read."""
_PREFIX: Final = re.compile(r"\AError: (?:signing \[[^]]*\]: )?")
"""What an error begins with: it lists all that was to be signed."""
_CONFIG: Final = "DOCKER_AUTH_CONFIG"
_IN_ENVIRONMENT: Final = "env://"


def cosign(run: Runner, *arguments: str, env: Mapping[str, str] | None = None) -> Completed:
    """Run it to its end; `env` adds to the environment.

    Raises:
        UsageError: it is not there.
    """
    try:
        return run(Command(argv=("cosign", *arguments), env=env or {}, inherit=True))
    except FileNotFoundError:
        raise UsageError(
            "`cosign` is not on this machine, which makes signatures and knows identities",
            hint="Debian 13 or newer: `apt-get install cosign`; macOS: `brew install cosign`; "
            "others: https://docs.sigstore.dev",
        ) from None


def said(done: Completed) -> str:
    """What it says was wrong, in one line."""
    lines = [line for line in done.errors.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("Error: ")), lines[-1] if lines else "")
    text = "".join(each if each.isprintable() else " " for each in _PREFIX.sub("", told))
    return redact(text.strip())[:500] or f"it ended with status {done.status}"


def settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for it.

    Authorities that mlimage is told of by other names than cosign, which is written in Go, knows them, too.
    """
    chosen = authorities(environ)
    if chosen is None:
        return dict(_OWN)
    trusted = Path(chosen).expanduser()
    return {**_OWN, "SSL_CERT_DIR" if trusted.is_dir() else "SSL_CERT_FILE": str(trusted)}


@contextmanager
def logged_in(repository: Reference, *, run: Runner, environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Variables by which it has the login that mlimage has, as long as the block runs.

    It reads Docker's `config.json` and asks credential helpers by itself; but cosign 2 does not know the
    variable that stands before that file.
    """
    login = Logins(environ, run=run).of(repository.registry) if environ.get(_CONFIG) else None
    if login is None:
        yield {}
        return
    with temporary_folder("login") as folder:  # which nobody else may enter
        (folder / "config.json").write_bytes(config_with(repository.registry, login))
        yield {"DOCKER_CONFIG": str(folder)}


def transport(repository: Reference, *, plain: bool = False) -> Sequence[str]:
    """Options for a registry without encryption: one on this machine, or where the user asks for it."""
    place = default_place(repository.registry, plain=plain)
    return ("--allow-http-registry",) if place.url.startswith("http:") else ()


def named(repository: Reference, digest: Digest) -> str:
    """A manifest of a repository by its digest: a tag may mean something else by now."""
    return f"{repository.registry}/{repository.repository}@{digest}"


def has_password(key: str) -> bool:
    """Whether a key that signs has a password: cosign's files do, and a store of keys looks at who asks."""
    return "://" not in key or key.startswith(_IN_ENVIRONMENT)


def public_key(key: str, *, run: Runner, env: Mapping[str, str]) -> PublicKey:
    """The public key of a key that cosign can use.

    Args:
        key: a file, `env://VARIABLE`, or an address of a key store (`awskms://…`).
        run: starts cosign.
        env: variables for it.

    Raises:
        UsageError: cosign is not there or cannot use it, or the key is of a kind that is not verified.
    """
    done = cosign(run, "public-key", "--key", key, env=env)
    if done.status != 0:
        why = said(done)
        raise UsageError(
            f"cosign cannot use the key `{key}`: {why}",
            hint=f"is {PASSWORD} set, and right?" if "decrypt" in why else None,
        )
    return read_key(done.stdout, name=key)


def trusted_key(key: str, *, run: Runner, environ: Mapping[str, str]) -> PublicKey:
    """A public key as people name it; only a key store needs cosign.

    Args:
        key: as of `public_key`.
        run: starts cosign.
        environ: the environment.

    Raises:
        UsageError: it cannot be had, or is of a kind that is not verified.
    """
    if key.startswith(_IN_ENVIRONMENT):
        variable = key.removeprefix(_IN_ENVIRONMENT)
        if variable not in environ:
            raise UsageError(f"the variable `{variable}` of `{key}` is not set")
        return read_key(environ[variable].encode(errors="replace"), name=key)
    if "://" in key:
        return public_key(key, run=run, env=settings(environ))
    try:
        content = Path(key).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {reason_of(error)}", where=key) from error
    return read_key(content, name=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs without a key.

    Attributes:
        name: an address, or the URL of a workflow.
        issuer: who vouches for that: the URL of an OpenID provider.
    """

    name: str
    issuer: str


def verify_identity(
    repository: Reference,
    digest: Digest,
    identity: Identity,
    *,
    run: Runner,
    environ: Mapping[str, str],
    plain: bool = False,
) -> None:
    """Let cosign verify that somebody signed an image without a key.

    Args:
        repository: where it is.
        digest: of its manifest or index.
        identity: who must have signed.
        run: starts cosign.
        environ: the environment.
        plain: as of `transport`.

    Raises:
        VerificationError: nobody of that name did, or cosign could not find out.
        UsageError: cosign is not there.
    """
    with logged_in(repository, run=run, environ=environ) as login:
        done = cosign(
            run,
            "verify",
            f"--certificate-identity={identity.name}",
            f"--certificate-oidc-issuer={identity.issuer}",
            *transport(repository, plain=plain),
            named(repository, digest),
            env={**settings(environ), **login},
        )
    if done.status != 0:
        raise VerificationError(
            f"`{named(repository, digest)}` is not verified as signed by `{identity.name}`: {said(done)}"
        )
