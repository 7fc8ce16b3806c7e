"""`mlimage verify`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlimage.cli.asking import Conditions, asked_of, image_named
from mlimage.cli.options import (
    TIMEOUT,
    CpusOption,
    EnvOption,
    GpusOption,
    ImageArgument,
    JsonOption,
    MemoryOption,
    RuntimeOption,
    TimeoutOption,
    VariantOption,
    VerboseOption,
)
from mlimage.cli.publish import PlainHttpOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlimage.cache import Cache
    from mlimage.cli.screen import Screen
    from mlimage.host.choose import Choice
    from mlimage.host.contract import Contract
    from mlimage.host.reach import Server
    from mlimage.oci.attach import Attached
    from mlimage.oci.model import SealedImage
    from mlimage.oci.store import Store
    from mlimage.verify.parity.model import PartName, Report
    from mlimage.verify.parity.verify import Against, Image

_DEFAULT: "tuple[PartName, ...]" = ("fingerprint", "probe", "features", "outputs")


def verify(
    image: ImageArgument,
    *,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="FILE|IMAGE",
            help="Hold fingerprint and probe against this: a file of another machine, or another image here. "
            "By default the machine that froze the image.",
            show_default=False,
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="PART",
            help="Only this part: fingerprint, probe, features, outputs, response or latency; may be "
            "repeated. It fails where it cannot be done.",
            show_default=False,
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Also start the server: its answers, and how long they take.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="LIMITS",
            help="Most that answers may take, `p50=20ms,p99=50ms`; p50, p90, p99, max. Starts the server.",
            show_default=False,
        ),
    ] = None,
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=1, max=100_000, help="Measure so many.")
    ] = 200,
    health_timeout: Annotated[
        float,
        typer.Option("--health-timeout", metavar="SECONDS", min=0.1, help="Until a server must be healthy."),
    ] = 120.0,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE.html", help="Write a page to read and keep.", show_default=False
        ),
    ] = None,
    attach: Annotated[
        bool,
        typer.Option("--attach", help="Attach the JSON report to the image in the registry it comes from."),
    ] = False,
    plain_http: PlainHttpOption = False,
    variant: VariantOption = None,
    runtime: RuntimeOption = "auto",
    env: EnvOption = None,
    memory: MemoryOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    timeout: TimeoutOption = TIMEOUT,
    as_json: JsonOption = False,
    verbose: VerboseOption = None,
) -> None:
    """Prove that an image computes here what it computed where it was frozen, or name what does not.

    What this machine is and whether it computes right; then the image's golden record, stage by stage: from
    requests to features, from recorded features to outputs, and with --serve from requests to the answers of
    the running server. The first part that fails is the culprit. The status is 8 when one does.

    Examples:
      mlimage verify churn
      mlimage verify churn --serve --budget p99=50ms
      mlimage verify churn --stage features
      mlimage verify ghcr.io/acme/churn:latest --against laptop.json --report churn.html
      mlimage verify ghcr.io/acme/churn:latest --serve --attach
    """
    from datetime import UTC, datetime

    from mlimage.atomic import write_atomically
    from mlimage.cache import default_cache
    from mlimage.cli.screen import Screen
    from mlimage.errors import UsageError, VerificationError
    from mlimage.host.ask import need_word
    from mlimage.host.choose import choose
    from mlimage.host.contract import read_contract
    from mlimage.oci.store import Store
    from mlimage.verify.parity.latency import parse_budget
    from mlimage.verify.parity.model import PARTS, SERVED, Subject
    from mlimage.verify.parity.page import as_page
    from mlimage.verify.parity.value import as_value
    from mlimage.verify.parity.verify import Wanted
    from mlimage.verify.parity.verify import verify as verified

    screen = Screen(json=as_json, verbose=verbose)
    limits = parse_budget(budget) if budget is not None else ()
    for name in stage or ():
        if name not in PARTS:
            raise UsageError(f"--stage: there is no `{name}`", hint=f"one of {', '.join(PARTS)}")
    asked: set[PartName] = {name for name in PARTS if name in (stage or ())}
    if serve:
        asked |= SERVED
    if limits:
        asked.add("latency")
    if attach and "/" not in image:
        raise UsageError(
            f"--attach: `{image}` names no registry", hint="name the image as `ghcr.io/acme/churn:latest`"
        )
    cache = default_cache(os.environ)
    store = Store(cache.store)
    sealed = image_named(image, screen, cache, store, variant=variant, plain=plain_http)
    need_word(sealed, "fingerprint", store)
    contract = read_contract(sealed, store)
    conditions = Conditions(
        variant=variant,
        runtime=runtime,
        env=tuple(env or ()),
        memory=memory,
        cpus=cpus,
        gpus=gpus,
        timeout=timeout,
    )
    other = _against(against, screen, cache, store, conditions) if against is not None else None
    if other:
        asked.add("fingerprint")
    choice = choose(runtime, os.environ)
    found = verified(
        _image(sealed, contract, choice, conditions, screen, cache, store, patience=health_timeout),
        Wanted(
            parts=frozenset(asked if stage else {*_DEFAULT, *asked}),
            asked=frozenset(asked),
            budget=limits,
            requests=requests,
            against=other,
        ),
        subject=Subject(
            name=sealed.name,
            digest=sealed.digest,
            image_id=sealed.image_id,
            platform=str(sealed.platform),
            runtime=choice.daemon.facts.title if choice.daemon else "the sandbox",
        ),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if report is not None:
        write_atomically(report, as_page(found).encode())
    if as_json:
        screen.json(as_value(found))
    _show(found, screen)
    if report is not None:
        screen.say(f"report: {report}")
    if attach:
        attached = _attach(found, image, sealed, screen, plain=plain_http)
        screen.progress.note(f"attached as {attached.digest}")
    if not found.passed:
        raise typer.Exit(VerificationError.exit_status)


def _image(
    sealed: "SealedImage",
    contract: "Contract",
    choice: "Choice",
    conditions: Conditions,
    screen: "Screen",
    cache: "Cache",
    store: "Store",
    *,
    patience: float,
) -> "Image":
    """What can be asked of it: its own model, whatever lies in the project's folder of models."""
    from dataclasses import replace

    from mlimage.atomic import temporary_folder
    from mlimage.errors import RunError
    from mlimage.host.ask import need_word
    from mlimage.host.contract import User
    from mlimage.host.prepare import Wishes, prepare
    from mlimage.host.serving import no_server, serve_for
    from mlimage.runtime.golden.record import Record
    from mlimage.verify.parity.taken import taken_record
    from mlimage.verify.parity.verify import Image

    lacks: dict[PartName, str] = {}
    try:
        need_word(sealed, "verify", store)
    except RunError as error:
        lacks |= dict.fromkeys(("features", "outputs"), error.message)
    if why := no_server(contract):
        lacks |= dict.fromkeys(("response", "latency"), why)

    def ask(*words: str) -> "Mapping[str, object]":
        with screen.progress.task(f"{words[0]} of {sealed.name}"):
            return asked_of(sealed, screen, conditions, *words).said

    def serve(work: "Callable[[Server], None]") -> None:
        wishes = Wishes(
            arguments=("serve",),
            port="0",
            env=conditions.env,
            memory=conditions.memory,
            cpus=conditions.cpus,
            gpus=conditions.gpus,
            patience=patience,
        )
        own = User(os.geteuid(), os.getegid())
        request = prepare(sealed, contract, wishes, own=own, environ=os.environ)
        with screen.progress.task(f"requests to {sealed.name}"):
            serve_for(
                work,
                replace(request, mounts=(), network=False),
                choice,
                store=store,
                cache=cache,
                progress=screen.progress,
            )

    def record() -> Record | None:
        with temporary_folder("verify") as folder:
            return taken_record(sealed, store, folder)

    return Image(ask=ask, serve=serve, record=record, lacks=lacks)


def _against(
    text: str, screen: "Screen", cache: "Cache", store: "Store", conditions: Conditions
) -> "Against":
    """A file of another machine; else another image, which is run on this one."""
    from mlimage.verify.parity.verify import Against
    from mlimage.verify.records import read_against

    path = Path(text)
    if path.is_file() or path.suffix == ".json":
        fingerprint, probe = read_against(path)
        return Against(name=f"`{path.name}`", fingerprint=fingerprint, probe=probe)
    other = image_named(text, screen, cache, store, variant=conditions.variant)
    with screen.progress.task(f"probe of {other.name}"):
        said = asked_of(other, screen, conditions, "probe", "--save", "-").said
    return Against(name=f"`{other.name}`", fingerprint=said["fingerprint"], probe=said)


def _attach(
    found: "Report", reference: str, image: "SealedImage", screen: "Screen", *, plain: bool
) -> "Attached":
    from mlimage.digest import canonical_json
    from mlimage.fetch import Http
    from mlimage.oci.attach import attach
    from mlimage.oci.destination import Destination
    from mlimage.oci.login import Logins
    from mlimage.oci.referrers import Artifact
    from mlimage.process import run
    from mlimage.spec.registry import parse_reference
    from mlimage.verify.parity.value import MEDIA_TYPE, as_value

    artifact = Artifact(
        artifact_type=MEDIA_TYPE,
        media_type=MEDIA_TYPE,
        content=canonical_json(as_value(found)),
        annotations={
            "org.opencontainers.image.created": found.created,
            "dev.mlimage.verified": "passed" if found.passed else "failed",
        },
    )
    with Http(environ=os.environ) as http:
        destination = Destination(
            parse_reference(reference),
            http=http,
            logins=Logins(os.environ, run=run),
            note=screen.progress.detail,
            plain=plain,
        )
        [attached] = attach(destination, image.manifest, [artifact])
    return attached


def _show(found: "Report", screen: "Screen") -> None:
    screen.say(f"{found.subject.name}@{found.subject.digest}")
    for part in found.parts:
        screen.say(f"{part.word:<7}  {part.name:<11}  {part.why}")
        if part.word == "FAIL":
            for line in (*part.causes, *filter(None, [part.hint])):
                screen.say(f"{'':<7}  {'':<11}  {line}")
    screen.say(found.sentence)
