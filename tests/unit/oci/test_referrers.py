"""What is attached to an image, in registries that list it themselves and in others; what is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mlimage.digest import Digest, canonical_json
from mlimage.errors import FetchError, RegistryError
from mlimage.fetch import Http, HttpResponse
from mlimage.oci.attach import Attached, attach
from mlimage.oci.model import INDEX, MANIFEST, Descriptor
from mlimage.oci.referrers import Artifact, Referrer, fallback_tag, read_artifact, referrers
from support.faultyregistry import FaultyRegistry, faulty_registry
from support.pulling import repository
from support.pushing import destination

SUBJECT = Descriptor(media_type=MANIFEST, digest=Digest.of(b"image"), size=5)
OTHER = Descriptor(media_type=INDEX, digest=Digest.of(b"other"), size=5)
KIND = "application/vnd.example.note"
NOTES = tuple(
    Artifact(artifact_type=f"{KIND}.v{number % 2}", media_type="text/plain", content=b"note %d" % number)
    for number in range(5)
)
SIGNED = Artifact(
    artifact_type="application/vnd.example.signature",
    media_type="application/json",
    content=b'{"signed":true}',
    annotations={"org.example.by": "anna"},
)
TAG = ("team/demo", fallback_tag(SUBJECT.digest))


@pytest.fixture(params=[None, 2, 100], ids=["no API", "small pages", "API"])
def registry(request: pytest.FixtureRequest) -> Iterator[FaultyRegistry]:
    with faulty_registry(referrers=request.param) as made:
        yield made


@pytest.fixture
def without_api() -> Iterator[FaultyRegistry]:
    with faulty_registry() as made:
        yield made


@pytest.fixture
def with_api() -> Iterator[FaultyRegistry]:
    with faulty_registry(referrers=2) as made:
        yield made


def listed(registry: FaultyRegistry, http: Http, **wanted: str) -> set[tuple[Digest, str]]:
    found = referrers(repository(registry.host, http), SUBJECT.digest, **wanted)
    assert len(found) == len({each.manifest.digest for each in found})
    return {(each.manifest.digest, each.artifact_type) for each in found}


def made(*artifacts: Artifact) -> set[tuple[Digest, str]]:
    return {(Digest.of(each.manifest(SUBJECT)), each.artifact_type) for each in artifacts}


def refusal(caught: pytest.ExceptionInfo[RegistryError], registry: FaultyRegistry) -> str:
    return str(caught.value).replace(registry.host, "R")


def test_the_manifest_is_an_artifact() -> None:
    assert json.loads(SIGNED.manifest(SUBJECT)) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example.signature",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [
            {"mediaType": "application/json", "digest": Digest.of(SIGNED.content), "size": 15},
        ],
        "subject": {"mediaType": MANIFEST, "digest": SUBJECT.digest, "size": 5},
        "annotations": {"org.example.by": "anna"},
    }


def test_attached_and_read(registry: FaultyRegistry, quick: Http) -> None:
    to, there = destination(registry, quick), repository(registry.host, quick)
    assert referrers(there, SUBJECT.digest) == ()
    [first] = attach(to, SUBJECT, [SIGNED])
    assert first == Attached(digest=Digest.of(SIGNED.manifest(SUBJECT)), new=True, sent=15)
    attach(to, SUBJECT, NOTES)
    attach(to, OTHER, NOTES[:1])
    assert listed(registry, quick) == made(SIGNED, *NOTES)
    assert listed(registry, quick, artifact_type=f"{KIND}.v1") == made(NOTES[1], NOTES[3])
    [signature] = referrers(there, SUBJECT.digest, artifact_type=SIGNED.artifact_type)
    assert signature.annotations == {"org.example.by": "anna"}
    assert signature.manifest.size == len(SIGNED.manifest(SUBJECT))
    content = read_artifact(there, signature, subject=SUBJECT.digest, media_type="application/json")
    assert content == SIGNED.content
    assert (TAG in registry.manifests) == (registry.referrers is None)


def test_nothing_is_sent_twice(registry: FaultyRegistry, quick: Http) -> None:
    to = destination(registry, quick)
    attach(to, SUBJECT, NOTES[:3])
    registry.requests.clear()
    again = attach(to, SUBJECT, NOTES[:3])
    assert [(each.new, each.sent) for each in again] == [(False, 0)] * 3
    assert {method for method, _ in registry.requests} == {"GET"}
    assert len(registry.requests) == (1 if registry.referrers == 100 else 2)  # with the tag, or a second page
    attach(to, SUBJECT, [NOTES[3], NOTES[3]])
    assert listed(registry, quick) == made(*NOTES[:4])


def test_entries_of_others_stay(without_api: FaultyRegistry, quick: Http) -> None:
    others: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {"mediaType": MANIFEST, "digest": f"sha512:{'0' * 128}", "size": 7, "platform": {"os": "x"}},
            {"mediaType": MANIFEST, "digest": Digest.of(b"theirs"), "size": 6, "artifactType": "theirs"},
        ],
        "annotations": {"theirs": "too"},
    }
    without_api.manifests[TAG] = (INDEX, canonical_json(others))
    attach(destination(without_api, quick), SUBJECT, [SIGNED])
    entry = {
        "mediaType": MANIFEST,
        "digest": Digest.of(SIGNED.manifest(SUBJECT)),
        "size": len(SIGNED.manifest(SUBJECT)),
        "artifactType": SIGNED.artifact_type,
        "annotations": {"org.example.by": "anna"},
    }
    media_type, content = without_api.manifests[TAG]
    assert media_type == INDEX
    assert json.loads(content) == {**others, "manifests": [*others["manifests"], entry]}
    assert listed(without_api, quick) == {(Digest.of(b"theirs"), "theirs"), *made(SIGNED)}


def test_a_push_that_broke_before_the_list_was_written(without_api: FaultyRegistry, quick: Http) -> None:
    to = destination(without_api, quick)
    attach(to, SUBJECT, [SIGNED])
    del without_api.manifests[TAG]
    [again] = attach(to, SUBJECT, [SIGNED])
    assert (again.new, again.sent) == (True, 0)
    assert listed(without_api, quick) == made(SIGNED)


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        (MANIFEST, b"{}"),
        (INDEX, b"{}"),
        (INDEX, b"no json"),
        (INDEX, b'{"manifests":[],"layers":[]}'),
    ],
)
def test_the_tag_is_something_else(
    without_api: FaultyRegistry, quick: Http, media_type: str, content: bytes
) -> None:
    without_api.manifests[TAG] = (media_type, content)
    for ask in (
        lambda: attach(destination(without_api, quick), SUBJECT, [SIGNED]),
        lambda: listed(without_api, quick),
    ):
        with pytest.raises(RegistryError) as caught:
            ask()
        assert refusal(caught, without_api) == (
            f"`R/team/demo:{TAG[1]}` is no list of what refers to an image"
        )
        assert caught.value.hint == (
            "registries without the API for referrers have it there; what is there now must go"
        )
    assert without_api.manifests == {TAG: (media_type, content)}


def test_a_list_with_what_is_no_descriptor(without_api: FaultyRegistry, quick: Http) -> None:
    index = {"manifests": [{"mediaType": MANIFEST, "digest": "sha256:short", "size": 1}]}
    without_api.manifests[TAG] = (INDEX, canonical_json(index))
    with pytest.raises(RegistryError) as caught:
        listed(without_api, quick)
    assert refusal(caught, without_api) == (
        f"`R/team/demo` lists what is no descriptor among what refers to {SUBJECT.digest}: "
        "`manifests[0].digest` is not a SHA-256 digest: 'sha256:short'"
    )


def test_a_list_that_is_huge(without_api: FaultyRegistry, quick: Http) -> None:
    without_api.manifests[TAG] = (INDEX, b" " * (5 << 20))
    for ask in (
        lambda: attach(destination(without_api, quick), SUBJECT, [SIGNED]),
        lambda: listed(without_api, quick),
    ):
        with pytest.raises(RegistryError) as caught:
            ask()
        assert refusal(caught, without_api) in {
            "`R` gives more than 4 MiB for `team/demo`, which no manifest has",
            "`R` gives more than 4 MiB for `team/demo:latest`, which no manifest has",
        }


class Pages:
    """A repository whose list has these pages, or this one for ever."""

    name = "R/team/demo"

    def __init__(self, *pages: HttpResponse) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def ask(self, place: str, *, accept: str) -> HttpResponse | None:
        self.asked.append(place)
        return self.pages[min(len(self.asked), len(self.pages)) - 1]


def page(link: str, *, media_type: str = INDEX) -> HttpResponse:
    return HttpResponse(
        status=200,
        headers={"content-type": media_type, "link": link},
        body=b'{"manifests":[]}',
        url="https://r.example/v2/team/demo/referrers",
    )


@pytest.mark.parametrize(
    "pages",
    [
        [page("</v2/team/demo/referrers/x?last=1>; rel=next")],
        [page("<x?last=1>; rel=next"), page("", media_type="text/html")],
    ],
    ids=["for ever", "broken off"],
)
def test_a_list_without_end(pages: list[HttpResponse]) -> None:
    with pytest.raises(RegistryError) as caught:
        referrers(Pages(*pages), SUBJECT.digest)
    assert str(caught.value) == f"`R/team/demo` does not come to an end of what refers to {SUBJECT.digest}"


def test_no_link_leads_elsewhere() -> None:
    there = Pages(page('<https://evil.example/x?last=1&n=2>; foo="a, b"; rel="next"'), page("<x>; rel=prev"))
    assert referrers(there, SUBJECT.digest, artifact_type="a/b") == ()
    assert there.asked == [
        f"referrers/{SUBJECT.digest}?artifactType=a%2Fb",
        f"referrers/{SUBJECT.digest}?last=1&n=2",
    ]


def test_a_page_for_people_is_no_api() -> None:
    there = Pages(page("", media_type="text/html"), page(""))
    assert referrers(there, SUBJECT.digest) == ()
    assert there.asked == [f"referrers/{SUBJECT.digest}", f"manifests/{TAG[1]}"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": None}, "is no artifact that refers to an image: `subject.digest` is missing"),
        ({"layers": []}, "is no artifact that refers to an image: `layers` is a list of 0, not of one"),
        (
            {"layers": [{"digest": "sha256:short"}]},
            "is no artifact that refers to an image: `layers[0].mediaType` is missing",
        ),
        (
            {"subject": {"digest": OTHER.digest}},
            f"refers to another image: expected {SUBJECT.digest}, got {OTHER.digest}",
        ),
        (
            {"artifactType": "text/else"},
            "is a `text/else`, not a `application/vnd.example.signature` as it is listed",
        ),
        (
            {"layers": [{"mediaType": "text/html", "digest": OTHER.digest, "size": 5}]},
            "has content of another kind: expected `application/json`, got `text/html`",
        ),
        (
            {"layers": [{"mediaType": "application/json", "digest": OTHER.digest, "size": 1001}]},
            "has 1001 bytes, more than the 1000 that `application/json` may have",
        ),
        (
            {"layers": [{"mediaType": "application/json", "digest": Digest.of(SIGNED.content), "size": 16}]},
            f"says 16 bytes of {Digest.of(SIGNED.content)}, which has 15",
        ),
    ],
)
def test_an_artifact_that_is_something_else(
    with_api: FaultyRegistry, quick: Http, changes: dict[str, Any], message: str
) -> None:
    attach(destination(with_api, quick), SUBJECT, [SIGNED])
    content = canonical_json({**json.loads(SIGNED.manifest(SUBJECT)), **changes})
    digest = Digest.of(content)
    with_api.manifests["team/demo", digest] = (MANIFEST, content)
    listed_as = Referrer(
        manifest=Descriptor(media_type=MANIFEST, digest=digest, size=len(content)),
        artifact_type=SIGNED.artifact_type,
        annotations={},
    )
    with pytest.raises(RegistryError) as caught:
        read_artifact(
            repository(with_api.host, quick),
            listed_as,
            subject=SUBJECT.digest,
            media_type="application/json",
            limit=1000,
        )
    assert refusal(caught, with_api) == f"`R/team/demo@{digest}` {message}"


def test_content_with_another_digest(with_api: FaultyRegistry, quick: Http) -> None:
    attach(destination(with_api, quick), SUBJECT, [SIGNED])
    with_api.blobs["team/demo", Digest.of(SIGNED.content)] = b"{}"
    there = repository(with_api.host, quick)
    [signature] = referrers(there, SUBJECT.digest)
    with pytest.raises(RegistryError) as caught:
        read_artifact(there, signature, subject=SUBJECT.digest, media_type="application/json")
    assert refusal(caught, with_api) == (
        f"`R` gives another blob than was asked for: expected {Digest.of(SIGNED.content)}, "
        f"got {Digest.of(b'{}')}"
    )


def test_many_seeds_of_trouble(quick: Http) -> None:
    """A list has all of it after a push that worked, and after the next one where it did not."""
    broken = 0
    for seed in range(40):
        with faulty_registry(seed=seed, rate=0.4, referrers=(None, 2)[seed % 2]) as registry:
            to = destination(registry, quick)
            try:
                attach(to, SUBJECT, [SIGNED, *NOTES])
            except (RegistryError, FetchError):
                broken += 1
                registry.rate = 0.0
                attach(to, SUBJECT, [SIGNED, *NOTES])
            registry.rate = 0.0
            assert listed(registry, quick) == made(SIGNED, *NOTES)
    assert broken < 20
