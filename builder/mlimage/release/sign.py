"""Signs what was pushed, with the `cosign` command; whether it can is found out before anything is pushed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mlimage.digest import Digest
from mlimage.errors import RegistryError, UsageError
from mlimage.process import Runner
from mlimage.release.cosign import (
    PASSWORD,
    cosign,
    has_password,
    logged_in,
    named,
    public_key,
    said,
    settings,
    transport,
)
from mlimage.spec.registry import Reference

KEYLESS: Final = "keyless"
"""Stands for a key where the identity of the machine signs, by way of a short-lived certificate."""
_FORMS: Final = (
    ("--use-signing-config=false", "--new-bundle-format=false"),  # cosign 3, and the last of 2
    (),
)
"""Options of `cosign sign` for the form that all verify. Its version is no help: Debian's is `devel`."""
_IDENTITIES: Final = (
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    ("SIGSTORE_ID_TOKEN",),
    ("BUILDKITE_AGENT_ACCESS_TOKEN",),
    ("GOOGLE_SERVICE_ACCOUNT_NAME",),
    ("SPIFFE_ENDPOINT_SOCKET",),
)
"""Variables, all of one line, by which cosign gets an identity and asks nobody (its `pkg/providers`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What will sign.

    Attributes:
        name: of the key; or `keyless`.
        options: of `cosign sign`.
        env: variables for it, the password among them.
        environ: the environment.
        run: starts it.
        plain: whether it may speak HTTP without encryption with registries that are not on this machine.
    """

    name: str
    options: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    run: Runner
    plain: bool

    def sign(self, repository: Reference, digests: Sequence[Digest]) -> None:
        """Sign manifests and indexes of a registry; cosign puts no second signature by a key there.

        Args:
            repository: where they are.
            digests: their digests.

        Raises:
            RegistryError: cosign could not.
        """
        with logged_in(repository, run=self.run, environ=self.environ) as login:
            done = cosign(
                self.run,
                "sign",
                "--yes",
                *self.options,
                *transport(repository, plain=self.plain),
                *(named(repository, digest) for digest in dict.fromkeys(digests)),
                env={**self.env, **login},
            )
        if done.status != 0:
            raise RegistryError(
                f"`{repository}` was pushed, and could not be signed: {said(done)}",
                hint="the same `mlimage push` again signs it, and sends nothing twice",
            )


def signer(
    key: str,
    *,
    run: Runner,
    environ: Mapping[str, str],
    ask: Callable[[str], str] | None = None,
    log: bool = False,
    plain: bool = False,
) -> Signer:
    """Make sure that cosign is there and can use the key.

    Args:
        key: a file, `env://VARIABLE`, an address of a key store (`awskms://…`), or `keyless`.
        run: starts cosign.
        environ: the environment.
        ask: asks a person for a password, given a prompt; None where there is nobody.
        log: whether signatures by a key are noted in sigstore's public transparency log, for ever.
        plain: as of `Signer`.

    Raises:
        UsageError: cosign is not there, has another version, or cannot use the key.
    """
    env = settings(environ)
    if key == KEYLESS:
        cosign(run, "version")
        if not any(all(environ.get(name) for name in names) for names in _IDENTITIES):
            raise UsageError(
                "nothing here says who signs: this is no CI job that has an identity",
                hint="GitHub: `permissions: {id-token: write}`; GitLab: `id_tokens: {SIGSTORE_ID_TOKEN: "
                "{aud: sigstore}}`; elsewhere sign with a key: `--sign cosign.key`",
            )
        return Signer(name=key, options=(), env=env, environ=environ, run=run, plain=plain)
    options = _form(run, log=log)
    if ask is not None and PASSWORD not in environ and has_password(key):
        env[PASSWORD] = ask(f"password of {key}: ")
    public_key(key, run=run, env=env)
    return Signer(name=key, options=("--key", key, *options), env=env, environ=environ, run=run, plain=plain)


def _form(run: Runner, *, log: bool) -> tuple[str, ...]:
    """Options that this cosign takes; asked for help too, it does no more than say whether it does."""
    for form in _FORMS:
        options = (f"--tlog-upload={'true' if log else 'false'}", *form)
        if cosign(run, "sign", *options, "--help").status == 0:
            return options
    raise UsageError(
        "this `cosign` does not make signatures that cosign 2 and 3 verify", hint="take cosign 2 or 3"
    )
