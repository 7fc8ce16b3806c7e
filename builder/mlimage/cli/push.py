"""`mlimage push`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mlimage.cli.options import (
    JsonOption,
    NamesArgument,
    PlatformOption,
    ProjectOption,
    VariantOption,
    VerboseOption,
)
from mlimage.cli.publish import (
    AttestOption,
    ForceOption,
    PlainHttpOption,
    Publication,
    SignOption,
    TagOption,
    ToOption,
    TransparencyLogOption,
    place_of,
    publish,
    signer_of,
)

if TYPE_CHECKING:
    from mlimage.lock.model import Lock
    from mlimage.spec.load import LoadedSpec
    from mlimage.spec.tags import ImageTag


def push(
    names: NamesArgument = None,
    *,
    to: ToOption = None,
    tag: TagOption = None,
    force: ForceOption = False,
    attest: AttestOption = True,
    plain_http: PlainHttpOption = False,
    sign: SignOption = None,
    transparency_log: TransparencyLogOption = False,
    variant: VariantOption = None,
    platform: PlatformOption = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Push what was built to a registry: one index of all variants, roles and platforms.

    A plain `docker pull` of it gets the CPU image of the platform. It gets a tag of its own, made of the
    lock's date and a digest of the content, which no later push lets mean something else. Only what the
    registry lacks is sent; what broke goes on where it was. Logins are those of
    `docker login`, or of DOCKER_AUTH_CONFIG.

    SBOMs and provenance are attached to each image, as OCI referrers, unless `--no-attest` is given.

    An image with secrets is not pushed: tokens of known services, private keys, passwords in URLs and in
    files such as `.env` and `.netrc`; in the application, in what `run:` steps left and in variables. Where
    something is none, the spec says so (`push.allow_secrets`).

    Examples:
      mlimage push churn --to ghcr.io/acme               as ghcr.io/acme/churn:20261121-3f2a9c1b04de
      mlimage push --to ghcr.io/acme --tag latest        all images of the project
      mlimage push churn --to localhost:5000             a registry on this machine needs no TLS
      mlimage push churn --to ghcr.io/acme --sign cosign.key
    """
    from mlimage.cache import default_cache
    from mlimage.cli.remotes import Remotes
    from mlimage.cli.screen import Screen
    from mlimage.lock.check import check
    from mlimage.lock.text import read_lock
    from mlimage.oci.store import Store
    from mlimage.release.ready import members_of
    from mlimage.release.target import tag_of
    from mlimage.spec.project import find_project

    screen = Screen(json=json, verbose=verbose)
    place = place_of(to)
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
    with (
        cache.in_use(),
        Remotes(to=place, cache=None, plain=plain_http, store=store, screen=screen) as remotes,
    ):
        # What cannot be pushed or signed is said before anything is.
        ready = [
            Publication(
                destination=remotes.destination(name),
                spec=loaded.spec,
                images=tuple(
                    zip(
                        members_of(loaded, locks[name], store, project=found, cache=cache),
                        (lock for _, lock in locks[name]),
                        strict=True,
                    )
                ),
            )
            for name, loaded in specs.items()
        ]
        signer = signer_of(sign, transparency_log=transparency_log, plain=plain_http)
        results = publish(
            ready,
            tags=moving,
            force=force,
            attest=attest,
            project=found.root,
            store=store,
            scans=cache.scans,
            screen=screen,
            signer=signer,
        )
    if json:
        screen.json(results)
