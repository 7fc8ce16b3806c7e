"""`mlimage pull`."""

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mlimage.cli.options import JsonOption, PlatformOption, VerboseOption
from mlimage.cli.publish import PlainHttpOption
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.fetch import Http
    from mlimage.oci.registry import Repository
    from mlimage.platforms import Platform
    from mlimage.release.pull import Pulled
    from mlimage.release.signed import Signed
    from mlimage.spec.registry import Reference
    from mlimage.spec.tags import RoleName


def pull(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="REGISTRY/PATH/NAME, with :TAG or @DIGEST behind it.",
            show_default=False,
        ),
    ],
    *,
    variant: Annotated[
        str,
        typer.Option(
            "--variant",
            metavar="auto|NAME",
            help="`auto`: CUDA where the driver of this machine is new enough, else CPU.",
        ),
    ] = "auto",
    role: Annotated[
        Literal["train", "serve"] | None,
        typer.Option(
            "--role",
            metavar="train|serve",
            help="Where each role has an image of its own.",
            show_default=False,
        ),
    ] = None,
    platform: PlatformOption = None,
    load: Annotated[
        bool, typer.Option("--load/--no-load", help="Also bring the image into Docker, as NAME:TAG.")
    ] = False,
    plain_http: PlainHttpOption = False,
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify",
            metavar="KEY",
            help="Only when it is signed by this public key: a file, env://VARIABLE or the address of a key "
            "store.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Get the image that suits this machine from a registry, and only the layers that are not here.

    Which of its variants that is, is decided before anything large comes: by platform, and by the driver that
    the image needs. Every byte is verified; what broke goes on where it was. The image is in the store as
    NAME:VARIANT then, as if it had been built here.

    Examples:
      mlimage pull ghcr.io/acme/churn:latest
      mlimage run churn train
      mlimage pull ghcr.io/acme/churn:latest --variant cpu
      mlimage pull ghcr.io/acme/churn:latest --verify cosign.pub
    """
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.daemon.bring import bring
    from mlimage.daemon.connect import connect
    from mlimage.oci.store import Store

    screen = Screen(json=json, verbose=verbose)
    cache = default_cache(os.environ)
    daemon = connect(os.environ) if load else None
    with cache.in_use():
        pulled = pulled_from(
            reference,
            screen,
            cache,
            variant=variant,
            role=role,
            platform=platform,
            plain=plain_http,
            verify=verify,
        )
        brought = bring(daemon, pulled.image, Store(cache.store), screen.progress) if daemon else None
    if json:
        screen.json(_result(pulled))
        return
    screen.say(f"{pulled.image.name}@{pulled.image.digest}")
    screen.say(f"  {pulled.why}")
    if pulled.signed:
        screen.say(f"  {said_of(pulled.signed)}")
    screen.say(f"  {size_text(pulled.fetched)} came, {size_text(pulled.there)} were here")
    if brought:
        screen.say(f"  loaded into {brought.engine} as {brought.reference}")


def pulled_from(
    text: str,
    screen: "Screen",
    cache: "Cache",
    *,
    variant: str = "auto",
    role: "RoleName | None" = None,
    platform: "Platform | None" = None,
    plain: bool = False,
    verify: str | None = None,
) -> "Pulled":
    """Pull what a reference means for this machine; only what is signed by the key, where one is named."""
    from mlimage.fetch import Http
    from mlimage.host.driver import nvidia_driver
    from mlimage.oci.store import Store
    from mlimage.platforms import LINUX_AMD64, host_platform
    from mlimage.process import run
    from mlimage.release.cosign import trusted_key
    from mlimage.release.offers import Wish
    from mlimage.release.pull import pull as pulled_into

    key = trusted_key(verify, run=run, environ=os.environ) if verify is not None else None
    with Http(environ=os.environ) as http:
        reference, repository = repository_of(text, http, screen, plain=plain)
        return pulled_into(
            reference.selector,
            Wish(
                platform=platform or host_platform() or LINUX_AMD64,
                driver=nvidia_driver(run),
                variant=variant,
                role=role,
            ),
            repository=repository,
            name=reference.repository.rpartition("/")[2],
            store=Store(cache.store),
            progress=screen.progress,
            key=key,
        )


def repository_of(
    text: str, http: "Http", screen: "Screen", *, plain: bool = False
) -> "tuple[Reference, Repository]":
    """A reference as people write it, and the repository that it names."""
    from mlimage.errors import UsageError
    from mlimage.mirrors import load_mirrors
    from mlimage.oci.login import Logins
    from mlimage.oci.registry import Repository
    from mlimage.process import run
    from mlimage.spec.registry import DOCKER_HUB, is_reference, parse_reference

    if not is_reference(text):
        raise UsageError(
            f"`{text}` is no reference to an image", hint="write it as `ghcr.io/acme/churn:latest`"
        )
    reference = parse_reference(text)
    if reference.registry == DOCKER_HUB and DOCKER_HUB not in text:
        raise UsageError(
            f"`{text}` names no registry",
            hint=f"write it as `ghcr.io/acme/{text.rpartition('/')[2]}`; Docker Hub has it as "
            f"`{DOCKER_HUB}/{text if '/' in text else f'USER/{text}'}`",
        )
    return reference, Repository(
        reference,
        http=http,
        mirrors=load_mirrors(os.environ),
        logins=Logins(os.environ, run=run),
        progress=screen.progress,
        plain=plain,
    )


def said_of(signed: "Signed") -> str:
    """A signature, for people."""
    return f"signed by {signed.key.name}" + (f", as {signed.name}" if signed.name else "")


def _result(pulled: "Pulled") -> dict[str, Any]:
    return {
        "name": pulled.image.name,
        "digest": pulled.image.digest,
        "image_id": pulled.image.image_id,
        "platform": str(pulled.image.platform),
        "why": pulled.why,
        "fetched": pulled.fetched,
        "there": pulled.there,
        "signed_by": pulled.signed.key.id if pulled.signed else None,
    }
