"""What `push` and `build --push` share: their options, the sending, and what is shown of it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from mlimage.cli.screen import Screen
    from mlimage.lock.model import Lock
    from mlimage.oci.destination import Destination
    from mlimage.oci.store import Store
    from mlimage.release.attest import Attestation
    from mlimage.release.index import Member
    from mlimage.release.push import Pushed
    from mlimage.release.sign import Signer
    from mlimage.spec.model import ImageSpec

ToOption = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="REGISTRY/PATH",
        envvar="MLIMAGE_PUSH_TO",
        help="Where: the image NAME goes to the repository REGISTRY/PATH/NAME.",
        show_default=False,
    ),
]

TagOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        "-t",
        metavar="TAG",
        help="Let this tag mean it too, whatever it meant before: `latest`; may be repeated.",
        show_default=False,
    ),
]

ForceOption = Annotated[
    bool, typer.Option("--force", help="Let the tag of the content mean other bytes than before.")
]

AttestOption = Annotated[
    bool,
    typer.Option(
        "--attest/--no-attest",
        help="Attach SBOMs and provenance to each image; its digest stays what it is.",
    ),
]

PlainHttpOption = Annotated[
    bool,
    typer.Option(
        "--plain-http",
        help="Speak HTTP without encryption, with a registry that is not on this machine; logins go "
        "there in the clear.",
    ),
]

SignOption = Annotated[
    str | None,
    typer.Option(
        "--sign",
        metavar="KEY|keyless",
        help="Sign all of it with `cosign`: KEY is a file, env://VARIABLE or the address of a key store; "
        "`keyless` signs as this CI job.",
        show_default=False,
    ),
]

TransparencyLogOption = Annotated[
    bool,
    typer.Option(
        "--transparency-log",
        help="Note what KEY signs in sigstore's public log, for ever; `keyless` always does.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The images of one name, and where they go.

    Attributes:
        destination: the repository.
        spec: from which they were built.
        images: the images, each with its lock.
    """

    destination: "Destination"
    spec: "ImageSpec"
    images: "Sequence[tuple[Member, Lock]]"


def place_of(to: str | None) -> str:
    """Where to push; raises `UsageError` when nobody said it."""
    from mlimage.errors import UsageError

    if to is None:
        raise UsageError(
            "missing option `--to`", hint="write it as `--to ghcr.io/acme`, or set MLIMAGE_PUSH_TO"
        )
    return to


def signer_of(sign: str | None, *, transparency_log: bool, plain: bool) -> "Signer | None":
    """What signs, ready to; a password is asked for at a terminal. Raises as `release.sign.signer` does."""
    from mlimage.errors import UsageError
    from mlimage.process import run
    from mlimage.release.sign import signer

    if sign is None:
        if transparency_log:
            raise UsageError("`--transparency-log` is about signatures", hint="add `--sign KEY`")
        return None
    ask = _password if sys.stdin.isatty() else None
    return signer(sign, run=run, environ=os.environ, ask=ask, log=transparency_log, plain=plain)


def _password(prompt: str) -> str:
    from mlimage.errors import UsageError

    try:
        return getpass(prompt)
    except EOFError:
        raise UsageError("no password was given") from None


def publish(
    publications: "Sequence[Publication]",
    *,
    tags: Sequence[str],
    force: bool,
    attest: bool,
    project: Path,
    store: "Store",
    scans: Path,
    screen: "Screen",
    signer: "Signer | None" = None,
) -> list[dict[str, Any]]:
    """Push, sign, and show each; what there is to print as JSON.

    Raises as `release.push.push`, `Signer.sign` and, before all that, `release.secrets.check_secrets` do.
    """
    from mlimage.process import run
    from mlimage.release.attest import attested
    from mlimage.release.index import content_tag, index_of
    from mlimage.release.push import push
    from mlimage.release.secrets import Outgoing, Scans, check_secrets

    outgoing = [
        Outgoing(
            name=each.spec.name,
            images=tuple(member.image for member, _ in each.images),
            allowed=each.spec.push.allow_secrets,
        )
        for each in publications
    ]
    for unused in check_secrets(outgoing, store=store, scans=Scans(scans), progress=screen.progress):
        screen.warn(unused)
    results = []
    for each in publications:
        members = [member for member, _ in each.images]
        images = [member.image for member in members]
        reference = each.destination.reference
        title = str(reference)
        pushed = push(
            index_of(members, title=reference.repository.rpartition("/")[2]),
            images,
            content_tag=content_tag(images, each.images[0][1].as_of),
            tags=tags,
            force=force,
            destination=each.destination,
            store=store,
            progress=screen.progress,
            title=title,
        )
        attestations = (
            attested(
                each.images,
                spec=each.spec,
                project=project,
                destination=each.destination,
                run=run,
                progress=screen.progress,
                title=title,
            )
            if attest
            else ()
        )
        if signer is not None:
            documents = (one.attached.digest for one in attestations)
            signer.sign(reference, [pushed.digest, *(image.digest for image in images), *documents])
        _show(screen, title, pushed, attestations, signer)
        results.append(
            _result(title, pushed, [image.name for image in images], signer)
            | {"attestations": [one.value for one in attestations]}
        )
    return results


def _show(
    screen: "Screen",
    repository: str,
    pushed: "Pushed",
    attestations: "Sequence[Attestation]",
    signer: "Signer | None",
) -> None:
    first, *others = pushed.tags
    screen.say(f"{repository}:{first}@{pushed.digest}")
    for tag in others:
        screen.say(f"{repository}:{tag}")
    parts = [f"{size_text(pushed.bytes['sent'])} sent", f"{size_text(pushed.bytes['there'])} were there"]
    if pushed.bytes["mounted"]:
        parts.insert(1, f"{size_text(pushed.bytes['mounted'])} taken from other repositories there")
    screen.say(f"  {', '.join(parts)}; {pushed.seconds:.1f} s")
    new = sum(each.attached.new for each in attestations)
    counts = {"attached": new, "were there": len(attestations) - new}
    if attestations:
        told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        screen.say(f"  SBOMs and provenance: {told}")
    if signer is not None:
        screen.say(f"  signed with {signer.name}")


def _result(repository: str, pushed: "Pushed", images: list[str], signer: "Signer | None") -> dict[str, Any]:
    return {
        "repository": repository,
        "digest": pushed.digest,
        "tags": list(pushed.tags),
        "images": images,
        "bytes": dict(pushed.bytes),
        "seconds": round(pushed.seconds, 3),
        "signed_with": signer.name if signer else None,
    }
