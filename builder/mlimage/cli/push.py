"""`mlimage push`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    VariantOption,
    VerboseOption,
)
from mlimage.cli.style import size_text

if TYPE_CHECKING:
    from mlimage.cli.screen import Screen
    from mlimage.lock.model import Lock
    from mlimage.release.push import Pushed
    from mlimage.spec.load import LoadedSpec
    from mlimage.spec.tags import ImageTag


def push(
    names: NamesArgument = None,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="REGISTRY/PATH",
            envvar="MLIMAGE_PUSH_TO",
            help="Where: the image NAME goes to the repository REGISTRY/PATH/NAME.",
            show_default=False,
        ),
    ],
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            "-t",
            metavar="TAG",
            help="Let this tag mean it too, whatever it meant before: `latest`; may be repeated.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Let the tag of the content mean other bytes than before.")
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http",
            help="Speak HTTP without encryption, with a registry that is not on this machine; logins go "
            "there in the clear.",
        ),
    ] = False,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Push what was built to a registry: one index of all variants, roles and platforms.

    A plain `docker pull` of it gets the CPU image of the platform. It gets a tag of its own, made of the
    lock's date and a digest of the content, which no later push lets mean something else. Only what the
    registry lacks is sent; what broke goes on where it was. Logins are those of `docker login`.

    Examples:
      mlimage push churn --to ghcr.io/acme               as ghcr.io/acme/churn:20261121-3f2a9c1b04de
      mlimage push --to ghcr.io/acme --tag latest        all images of the project
      mlimage push churn --to localhost:5000             a registry on this machine needs no TLS
    """
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.fetch import Http
    from mlimage.lock.check import check
    from mlimage.lock.text import read_lock
    from mlimage.oci.destination import Destination
    from mlimage.oci.login import Logins
    from mlimage.oci.store import Store
    from mlimage.process import run
    from mlimage.release.index import content_tag, index_of
    from mlimage.release.push import push as pushed_to
    from mlimage.release.ready import members_of
    from mlimage.release.target import repository_of, tag_of
    from mlimage.spec.project import find_project

    screen = Screen(json=json, verbose=verbose)
    found = find_project(project)
    moving = tuple(tag_of(text) for text in dict.fromkeys(tag or ()))
    cache = default_cache(os.environ)
    store = Store(cache.store)
    locks: dict[str, list[tuple[ImageTag, Lock]]] = {}
    specs: dict[str, LoadedSpec] = {}
    for loaded, each in found.select(names or (), variant=variant, platform=platform):
        lock = read_lock(found.lock_folder(loaded.spec.name), each.of_lock)
        check(loaded, lock)
        specs[loaded.spec.name] = loaded
        locks.setdefault(loaded.spec.name, []).append((each, lock))
    # What cannot be pushed is said before anything is.
    ready = [
        (repository_of(to, name), members_of(loaded, locks[name], store), locks[name][0][1].as_of)
        for name, loaded in specs.items()
    ]
    results = []
    with cache.in_use(), Http(environ=os.environ) as http:
        sources: list[str] = []
        for reference, members, as_of in ready:
            images = [member.image for member in members]
            title = str(reference)
            destination = Destination(
                reference,
                http=http,
                logins=Logins(os.environ, run=run),
                note=screen.progress.detail,
                sources=sources,
                plain=plain_http,
            )
            pushed = pushed_to(
                index_of(members, title=reference.repository.rpartition("/")[2]),
                images,
                content_tag=content_tag(images, as_of),
                tags=moving,
                force=force,
                destination=destination,
                store=store,
                progress=screen.progress,
                title=title,
            )
            sources.append(reference.repository)
            _show(screen, title, pushed)
            results.append(_result(title, pushed, [member.image.name for member in members]))
    if json:
        screen.json(results)


def _show(screen: "Screen", repository: str, pushed: "Pushed") -> None:
    first, *others = pushed.tags
    screen.say(f"{repository}:{first}@{pushed.digest}")
    for tag in others:
        screen.say(f"{repository}:{tag}")
    parts = [f"{size_text(pushed.bytes['sent'])} sent", f"{size_text(pushed.bytes['there'])} were there"]
    if pushed.bytes["mounted"]:
        parts.insert(1, f"{size_text(pushed.bytes['mounted'])} taken from other repositories there")
    screen.say(f"  {', '.join(parts)}; {pushed.seconds:.1f} s")


def _result(repository: str, pushed: "Pushed", images: list[str]) -> dict[str, Any]:
    return {
        "repository": repository,
        "digest": pushed.digest,
        "tags": list(pushed.tags),
        "images": images,
        "bytes": dict(pushed.bytes),
        "seconds": round(pushed.seconds, 3),
    }
