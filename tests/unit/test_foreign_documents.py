"""Every reader of what others write gives a value or its own error, whatever is wrong with the document."""

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from mlimage.audit.osv import Osv
from mlimage.audit.tracker import known_of, read_tracker
from mlimage.daemon.facts import read_facts
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError, FetchError, RegistryError, UsageError
from mlimage.fetch import Http, HttpResponse
from mlimage.lock.pages import JSON_TYPE, Page, parse_page
from mlimage.lock.wheels import offered
from mlimage.mirrors import Location, Mirrors
from mlimage.oci.authentication import RegistryAuthentication, challenges
from mlimage.oci.configuration import read_configuration
from mlimage.oci.dockersave import find_in_docker_archive
from mlimage.oci.files import File
from mlimage.oci.layout import find_in_layout
from mlimage.oci.manifests import Document, ManifestError, all_of, find_manifest, read, read_config
from mlimage.oci.model import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from mlimage.oci.read import Manifest, read_image
from mlimage.oci.records import parse_record
from mlimage.oci.referrers import Referrer, read_artifact, referrers
from mlimage.oci.registry import Repository, said
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_AMD64
from mlimage.release.offers import Wish, choose, offers_of
from mlimage.release.signature import PublicKey, RefusedError, check_bundle, check_claim
from mlimage.verify.diff.compare import config_changes
from support.advisories import advisory, debian, python, release, tracked
from support.mutations import mutated
from support.running import image
from support.signing import bundle, claim, pair

few = settings(max_examples=60)
"""Of each reader; together they take a few seconds."""

TAR: Final = b"\0" * 1024
CONFIGURATION: Final[Mapping[str, Any]] = {
    "os": "linux",
    "architecture": "amd64",
    "created": "2026-03-02T00:00:00Z",
    "config": {
        "Env": ["PATH=/bin", "A=1"],
        "Entrypoint": ["/bin/sh"],
        "Cmd": None,
        "User": "0:0",
        "WorkingDir": "/",
        "Labels": {"dev.mlimage.variant": "cpu"},
        "ExposedPorts": {"8080/tcp": {}},
    },
    "rootfs": {"type": "layers", "diff_ids": [Digest.of(TAR)]},
    "history": [{"created_by": "x", "empty_layer": False}],
}


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": Digest.of(content), "size": len(content), **more}


def manifest_of(configuration: bytes) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(configuration, CONFIG),
        "layers": [described(TAR, LAYER, annotations={"dev.mlimage.uncompressed-size": "1024"})],
        "annotations": {"dev.mlimage.name": "demo:cpu"},
    }


def index_of(manifest: bytes, media_type: str = MANIFEST) -> dict[str, Any]:
    platform = {"os": "linux", "architecture": "amd64", "variant": ""}
    annotations = {
        "dev.mlimage.variant": "cuda",
        "dev.mlimage.accelerator": "cuda",
        "dev.mlimage.min-driver": "525.60.13",
        "org.opencontainers.image.ref.name": "demo",
    }
    entry = described(manifest, media_type, platform=platform, annotations=annotations, artifactType="a/b")
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


CONFIG_TEXT: Final = canonical_json(CONFIGURATION)
MANIFEST_TEXT: Final = canonical_json(manifest_of(CONFIG_TEXT))
INDEX_TEXT: Final = canonical_json(index_of(MANIFEST_TEXT))
BLOBS: Final = {Digest.of(each): each for each in (TAR, CONFIG_TEXT, MANIFEST_TEXT, INDEX_TEXT)}


def document(content: bytes) -> Document:
    return Document(content=content, digest=Digest.of(content), media_type="")


def fetch(digest: Digest) -> Document:
    if digest not in BLOBS:
        raise ManifestError("is not there")
    return document(BLOBS[digest])


@few
@given(
    mutated(json.loads(MANIFEST_TEXT))
    | mutated(json.loads(INDEX_TEXT))
    | mutated(index_of(INDEX_TEXT, INDEX))
)
def test_documents_of_registries(content: bytes) -> None:
    with suppress(ManifestError):
        find_manifest(document(content), LINUX_AMD64, fetch)
    try:
        found = read(document(content))
        if not isinstance(found, Manifest):
            choose(offers_of(all_of(found, fetch)), Wish(platform=LINUX_AMD64, driver="535.1"), name="demo")
    except (ManifestError, UsageError):
        pass


@few
@given(mutated(CONFIGURATION))
def test_configurations(content: bytes) -> None:
    with suppress(ManifestError):
        read_config(content, LINUX_AMD64)
    try:
        found = read_configuration(content)
    except ValueError:
        return
    assert all("\0" not in text for text in (*found.env, *found.labels.values()))
    config_changes(found.document, CONFIGURATION)
    json.dumps(found.document, allow_nan=False).encode()
    canonical_json(found.document)


@few
@given(st.data())
def test_images_of_the_store(data: st.DataObject) -> None:
    configuration = data.draw(st.just(CONFIG_TEXT) | mutated(CONFIGURATION))
    manifest = data.draw(mutated(manifest_of(configuration)))
    blob = Descriptor(media_type=MANIFEST, digest=Digest.of(manifest), size=len(manifest))
    with suppress(ValueError):
        read_image(blob, manifest, configuration)


@few
@given(mutated(json.loads(INDEX_TEXT)))
def test_the_index_of_the_store(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        Path(folder, "index.json").write_bytes(content)
        try:
            store.tags()
            store.tag(image(), project=Path(folder))
            store.forget(*store.builds())
            store.images()
        except BuildError:
            pass


class Reading(io.BytesIO):
    """As a raw stream has it."""

    def readall(self) -> bytes:
        return self.read()


def files(there: Mapping[str, bytes]) -> Callable[[str], File | None]:
    def find(name: str) -> File | None:
        content = there.get(name)
        if content is None:
            return None
        return cast("File", SimpleNamespace(size=len(content), open=lambda: Reading(content)))

    return find


def blobs(*contents: bytes) -> dict[str, bytes]:
    return {f"blobs/sha256/{Digest.of(content).hex}": content for content in (TAR, *contents)}


@few
@given(st.data(), st.sampled_from(["", ":demo", f"@{Digest.of(MANIFEST_TEXT)}"]))
def test_layouts(data: st.DataObject, wanted: str) -> None:
    which = data.draw(st.sampled_from(["index", "manifest", "configuration", "nested"]))
    configuration = data.draw(mutated(CONFIGURATION)) if which == "configuration" else CONFIG_TEXT
    manifest = canonical_json(manifest_of(configuration))
    if which == "manifest":
        manifest = data.draw(mutated(manifest_of(configuration)))
    index = canonical_json(index_of(manifest))
    there = blobs(configuration, manifest, index)
    if which in {"index", "nested"}:
        index = data.draw(mutated(index_of(index, INDEX) if which == "nested" else json.loads(index)))
    with suppress(UsageError, BuildError):
        find_in_layout(files({**there, "index.json": index}), wanted, place="oci:x")


@few
@given(st.data(), st.sampled_from(["", ":demo", f"@{Digest.of(CONFIG_TEXT)}"]))
def test_archives_of_docker(data: st.DataObject, wanted: str) -> None:
    configuration = data.draw(st.just(CONFIG_TEXT) | mutated(CONFIGURATION))
    name = f"{Digest.of(configuration).hex}.json"
    listing = [{"Config": name, "RepoTags": ["demo:latest"], "Layers": ["x/layer.tar"]}]
    there = {
        name: configuration,
        "x/layer.tar": TAR,
        "manifest.json": data.draw(st.just(json.dumps(listing).encode()) | mutated(listing)),
    }
    with suppress(UsageError, BuildError):
        find_in_docker_archive(files(there), wanted, place="docker-archive:x")


class Answers:
    """A repository that gives the same to everybody who asks for what it is."""

    name = "r.example.com/team/demo"

    def __init__(self, content: bytes) -> None:
        self.content = content

    def ask(self, place: str, *, accept: str) -> HttpResponse | None:
        del place, accept
        return HttpResponse(
            status=200, headers={"content-type": INDEX}, body=self.content, url="https://r.example.com"
        )

    def document(self, _: str) -> Document:
        return document(self.content)

    def blob(self, _: Digest) -> bytes:
        return TAR


@few
@given(mutated(json.loads(INDEX_TEXT)))
def test_lists_of_referrers(content: bytes) -> None:
    with suppress(RegistryError):
        referrers(Answers(content), Digest.of(b""))


ARTIFACT: Final = {
    "mediaType": MANIFEST,
    "artifactType": "a/b",
    "config": described(b"{}", "application/vnd.oci.empty.v1+json"),
    "layers": [described(TAR, "text/plain")],
    "subject": described(MANIFEST_TEXT, MANIFEST),
}


@few
@given(mutated(ARTIFACT))
def test_artifacts(content: bytes) -> None:
    blob = Descriptor(media_type=MANIFEST, digest=Digest.of(content), size=len(content))
    referrer = Referrer(manifest=blob, artifact_type="a/b", annotations={})
    repository = cast("Repository", Answers(content))
    with suppress(RegistryError):
        read_artifact(repository, referrer, subject=Digest.of(MANIFEST_TEXT), media_type="text/plain")


OWN = pair("owner")
ANY_KEY = cast("PublicKey", SimpleNamespace(signed=lambda *_: True))
"""As if everything were signed: what is read of it must hold by itself."""


@few
@given(mutated(json.loads(claim(Digest.of(TAR)))), mutated(json.loads(bundle(Digest.of(TAR), OWN))))
def test_signatures(payload: bytes, packed: bytes) -> None:
    for check in (
        partial(check_claim, payload, "", digest=Digest.of(TAR), key=ANY_KEY),
        partial(check_bundle, packed, digest=Digest.of(TAR), key=ANY_KEY),
    ):
        with suppress(RefusedError):
            check()


RECORD: Final = {
    "name": "x",
    "diff_id": Digest.of(TAR),
    "digest": Digest.of(TAR),
    "media_type": LAYER,
    "size": 1024,
    "uncompressed_size": 1024,
}


@few
@given(mutated(RECORD))
def test_records_of_layers(content: bytes) -> None:
    with suppress(ValueError):
        parse_record(content)


@few
@given(mutated({"errors": [{"code": "DENIED", "message": "no\x1b[2J", "detail": None}]}))
def test_errors_of_registries(content: bytes) -> None:
    assert said(content).isprintable()


def token(challenge: str, content: bytes) -> None:
    answer = HttpResponse(status=200, headers={}, body=content, url="https://auth.example.com/token")
    authentication = RegistryAuthentication(
        cast("Http", SimpleNamespace(get=lambda *_, **__: answer)),
        Location("https://r.example.com"),
        scopes=["repository:team/demo:pull"],
        login=lambda: None,
        note=lambda _: None,
    )
    try:
        authentication.answer(challenge, None)
    except RegistryError:
        return
    header = authentication.header()
    assert header is None or header.isascii()


BEARER: Final = 'Bearer realm="https://auth.example.com/token",service="r"'


@few
@given(mutated({"token": "abc", "access_token": "abc", "expires_in": 300}))
def test_answers_with_a_token(content: bytes) -> None:
    token(BEARER, content)


@few
@given(
    st.lists(
        st.sampled_from(
            ["Bearer ", "Basic ", "realm=", "service=", "scope=", '"', "https://", "file:///x", ",", "\\",
             " ", "[", ":99999", ":x", "@", "http://", "localhost", "\x00", "é", "=", "Negotiate"]
        ),
        max_size=12,
    ).map("".join)
    | st.text(max_size=40)
)  # fmt: skip
def test_any_challenge(challenge: str) -> None:
    assert all(name == name.lower() for name in challenges(challenge))
    token(challenge, b'{"token": "abc"}')


PYTHON = python("jinja2", "3.1.3")


@few
@given(st.data())
def test_answers_of_osv(data: st.DataObject) -> None:
    found = advisory("CVE-2026-1", "jinja2", fixed=["3.1.4"], aliases=["GHSA-1"], severity="HIGH")
    results = {"results": [{"vulns": [{"id": "CVE-2026-1"}], "next_page_token": ""}]}
    batch = data.draw(st.just(json.dumps(results).encode()) | mutated(results))
    content = data.draw(mutated(found))
    answer = partial(HttpResponse, status=200, headers={}, url="https://osv.example.com")
    http = SimpleNamespace(
        send=lambda *_, **__: answer(body=batch), get=lambda *_, **__: answer(body=content)
    )
    mirrors = Mirrors(configured={"osv": (Location("https://osv.example.com"),)})
    with suppress(FetchError):
        Osv(cast("Http", http), mirrors).advisories([PYTHON])


TRACKED = json.loads(tracked(glibc={"CVE-2026-1": {"bookworm": release(fixed="2.36-9")}}))


@few
@given(mutated(TRACKED))
def test_the_tracker(content: bytes) -> None:
    with suppress(FetchError):
        known_of([debian("glibc", "2.36-8")], read_tracker(content, place="x"), place="x")


PROJECT: Final = {
    "meta": {"api-version": "1.1"},
    "name": "demo",
    "files": [
        {
            "filename": "demo-1.0-py3-none-any.whl",
            "url": "../../files/demo-1.0-py3-none-any.whl",
            "hashes": {"sha256": "0" * 64},
            "size": 5,
            "requires-python": ">=3.9",
            "upload-time": "0001-01-01T00:00:00+14:00",
            "yanked": False,
            "core-metadata": {"sha256": "0" * 64},
        }
    ],
}


@few
@given(mutated(PROJECT))
def test_pages_of_projects(content: bytes) -> None:
    page = Page(
        content=content,
        content_type=JSON_TYPE,
        url="https://example.com/simple/demo/",
        index="default",
        project=canonicalize_name("demo"),
    )
    try:
        found = parse_page(page)
    except FetchError:
        return
    offered(found, as_of=None, tags=frozenset(), python="3.11.2")


VERSION: Final = {
    "Version": "26.1.5",
    "ApiVersion": "1.45",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [{"Name": "Engine"}],
}
INFO: Final = {
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "SecurityOptions": ["name=rootless"],
    "Runtimes": {"runc": {}},
    "CDISpecDirs": ["/etc/cdi"],
    "DiscoveredDevices": [{"ID": "nvidia.com/gpu=all"}],
}


@few
@given(mutated({"version": VERSION, "info": INFO}))
def test_facts_of_engines(content: bytes) -> None:
    try:
        answer = json.loads(content)
        read_facts(answer["version"], answer["info"], address="x")
    except (ValueError, KeyError, TypeError):
        pass
