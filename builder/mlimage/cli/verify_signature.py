"""`mlimage verify-signature`."""

import os
from typing import Annotated

import typer

from mlimage.cli.options import JsonOption, VerboseOption
from mlimage.cli.publish import PlainHttpOption


def verify_signature(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="REGISTRY/PATH/NAME, with :TAG or @DIGEST behind it.",
            show_default=False,
        ),
    ],
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="The public key that must have signed: a file, env://VARIABLE or the address of a store.",
            show_default=False,
        ),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            "--identity",
            metavar="NAME",
            help="Who must have signed without a key: an address, or the URL of a workflow.",
            show_default=False,
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            "--issuer",
            metavar="URL",
            help="Who vouches for the identity: an OpenID provider.",
            show_default=False,
        ),
    ] = None,
    plain_http: PlainHttpOption = False,
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    r"""Verify that an image of a registry is signed: by a key, or without one by somebody.

    What the reference means must have a good signature; others beside it do not matter. Of an index that is
    enough, for it names its images by their digests. Keys are verified here, without `cosign` and without a
    transparency log; identities are verified by `cosign`, which must be installed.

    Examples:
      mlimage verify-signature ghcr.io/acme/churn:latest --key cosign.pub
      mlimage verify-signature ghcr.io/acme/churn:latest \
          --identity https://github.com/acme/churn/.github/workflows/push.yml@refs/heads/main \
          --issuer https://token.actions.githubusercontent.com
    """
    from mlimage.cli.pull import repository_of, said_of
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError
    from mlimage.fetch import Http
    from mlimage.process import run
    from mlimage.release.cosign import Identity, trusted_key, verify_identity
    from mlimage.release.signed import signed

    screen = Screen(json=json, verbose=verbose)
    by_identity = identity is not None and issuer is not None
    if (key is not None) == by_identity or (identity is None) != (issuer is None):
        raise UsageError(
            "who must have signed is said by `--key`, or by `--identity` and `--issuer` together",
            hint="`--key cosign.pub`",
        )
    trusted = trusted_key(key, run=run, environ=os.environ) if key is not None else None
    with Http(environ=os.environ) as http:
        named, repository = repository_of(reference, http, screen, plain=plain_http)
        digest = repository.document(named.selector).digest
        found = signed(repository, digest, trusted) if trusted is not None else None
    if identity is not None and issuer is not None:
        by = Identity(name=identity, issuer=issuer)
        verify_identity(named, digest, by, run=run, environ=os.environ, plain=plain_http)
    if json:
        screen.json(
            {
                "repository": repository.name,
                "digest": digest,
                "key": found.key.id if found else None,
                "signed_as": found.name if found else None,
                "identity": identity,
                "issuer": issuer,
            }
        )
        return
    screen.say(f"{repository.name}@{digest}")
    screen.say(f"  {said_of(found)}" if found else f"  signed by {identity}")
