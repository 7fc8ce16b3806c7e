"""Documents and blobs from a registry on loopback: who asks, what is refused, what is tried again."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlimage.digest import Digest
from mlimage.errors import FetchError, MlimageError, RegistryError
from mlimage.fetch import Http, Retry
from mlimage.mirrors import Location, Mirrors
from mlimage.oci.authentication import challenges
from mlimage.oci.login import Logins
from mlimage.oci.manifests import ACCEPTED
from mlimage.oci.registry import MAX_DOCUMENT, Repository, default_place
from mlimage.progress import SILENT
from mlimage.spec.registry import parse_reference
from support.bases import image_of, offer
from support.webserver import Fault, WebServer, web_server

IMAGE = image_of(b"tar" * 100_000, b"other")
LAYER = IMAGE.layers[0]
SECRET = "s3cret"  # noqa: S105 - nobody's
BASIC = "Basic " + base64.b64encode(f"anna:{SECRET}".encode()).decode()


@pytest.fixture
def http() -> Iterator[Http]:
    with Http(retry=Retry(attempts=3, sleep=lambda _: None), read_timeout=5) as client:
        yield client


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        offer(server, "team/base", "1", IMAGE)
        yield server


@pytest.fixture
def other() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


Open = Callable[..., Repository]


@pytest.fixture
def repository(http: Http, web: WebServer, tmp_path: Path) -> Open:
    """Opens the repository of the image at the registry, or at mirrors of it; `login` as Docker keeps one."""

    def opened(*mirrors: str, login: bool = False, token: bool = False) -> Repository:
        host = web.origin.removeprefix("http://")
        config: Mapping[str, Any] = {}
        if login:
            config = {"auths": {host: {"auth": BASIC.removeprefix("Basic ")}}}
        if token:
            config = {"auths": {host: {"identitytoken": SECRET}}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return Repository(
            parse_reference(f"{host}/team/base:1"),
            http=http,
            mirrors=Mirrors(configured={host: tuple(map(Location, mirrors))}),
            logins=Logins({"DOCKER_CONFIG": str(tmp_path)}, run=no_helpers),
            progress=SILENT,
        )

    return opened


def no_helpers(_: object) -> Any:
    raise AssertionError("a credential helper was started")


def refusal(
    web: WebServer, call: Callable[[], object], kind: type[MlimageError] = RegistryError
) -> tuple[str, str | None]:
    """Message and hint, in which the registry is called R."""
    with pytest.raises(MlimageError) as caught:
        call()
    assert type(caught.value) is kind or (kind is FetchError and isinstance(caught.value, FetchError))
    host = web.origin.removeprefix("http://")
    hint = caught.value.hint
    assert SECRET not in repr(caught.value) + str(hint)
    return caught.value.message.replace(host, "R"), hint.replace(host, "R") if hint else None


class Counted:
    """A task."""

    def __init__(self) -> None:
        self.done = 0

    def advance(self, amount: int) -> None:
        self.done += amount


def test_a_manifest_by_tag_and_by_digest(repository: Open, web: WebServer) -> None:
    by_tag = repository().document("1")
    assert by_tag == repository().document(IMAGE.digest)
    assert (by_tag.content, by_tag.digest, by_tag.media_type) == (
        IMAGE.content,
        IMAGE.digest,
        IMAGE.media_type,
    )
    assert web.requests[0].headers["Accept"] == ", ".join(ACCEPTED)
    assert "Authorization" not in web.requests[0].headers


def test_a_small_blob(repository: Open) -> None:
    config = Digest(json.loads(IMAGE.content)["config"]["digest"])
    assert repository().blob(config) == IMAGE.blobs[config]


def test_a_layer_into_a_file(repository: Open, tmp_path: Path) -> None:
    task = Counted()
    size = len(IMAGE.blobs[LAYER])
    repository().download(LAYER, size, to=tmp_path / "layer", task=task)
    assert (tmp_path / "layer").read_bytes() == IMAGE.blobs[LAYER]
    assert task.done == size


def test_a_broken_transfer_goes_on(repository: Open, web: WebServer, tmp_path: Path) -> None:
    web.spoil("/blobs/", Fault(cut=100), times=1)
    repository().download(LAYER, len(IMAGE.blobs[LAYER]), to=tmp_path / "layer", task=Counted())
    assert (tmp_path / "layer").read_bytes() == IMAGE.blobs[LAYER]
    assert [request.headers.get("Range") for request in web.requests] == [None, "bytes=100-"]


def test_a_layer_with_other_bytes(repository: Open, web: WebServer, tmp_path: Path) -> None:
    web.spoil("/blobs/", Fault(body=bytes(len(IMAGE.blobs[LAYER]))))
    message, _ = refusal(
        web,
        lambda: repository().download(LAYER, len(IMAGE.blobs[LAYER]), to=tmp_path / "layer", task=Counted()),
        FetchError,
    )
    assert message.startswith(f"`{LAYER}` from `http://R/v2/team/base/blobs/{LAYER}` has another hash: ")
    assert not (tmp_path / "layer").exists()


def test_a_layer_that_is_gone(repository: Open, web: WebServer, tmp_path: Path) -> None:
    web.spoil("/blobs/", Fault(status=404))
    assert refusal(web, lambda: repository().download(LAYER, 1, to=tmp_path / "layer", task=Counted())) == (
        f"`R` does not have {LAYER} of `team/base` any more",
        "`mlimage lock --upgrade` takes what the reference means now",
    )


def errors(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (
            Fault(status=404, body=errors("MANIFEST_UNKNOWN", "manifest\nunknown")),
            "`R` has no image `team/base:1`: manifest unknown",
            "is the name right, and the tag?",
        ),
        (
            Fault(status=404, body=b"<html>"),
            "`R` has no image `team/base:1`",
            "is the name right, and the tag?",
        ),
        (
            Fault(status=401, body=errors("UNAUTHORIZED", "authentication required")),
            "`R` does not give `team/base:1` without a login (HTTP 401): authentication required",
            "is the name right? where it is not public: `docker login R`",
        ),
        (
            Fault(status=403),
            "`R` does not give `team/base:1` without a login (HTTP 403)",
            "is the name right? where it is not public: `docker login R`",
        ),
        (
            Fault(status=400, body=errors("NAME_INVALID", "bad name")),
            "`R` refuses to give `team/base:1` (HTTP 400): bad name",
            None,
        ),
        (Fault(status=418), "`R` refuses to give `team/base:1` (HTTP 418)", None),
        (
            Fault(status=429, headers={"Retry-After": "1"}),
            "`R` gives no more for now: too many requests (HTTP 429)",
            "wait, or `docker login R`: who has a login may ask more often",
        ),
        (
            Fault(body=b" " * (MAX_DOCUMENT + 1), status=200),
            "`R` gives more than 4 MiB for `team/base:1`, which no manifest has",
            None,
        ),
        (
            Fault(status=200, headers={"Docker-Content-Digest": str(Digest.of(b""))}, body=b"x"),
            f"`R` gives another manifest than it says: expected {Digest.of(b'')}, got {Digest.of(b'x')}",
            "is there a proxy in between that changes what comes through?",
        ),
    ],
)
def test_what_a_registry_refuses(
    fault: Fault, message: str, hint: str | None, repository: Open, web: WebServer
) -> None:
    web.spoil("/manifests/", fault)
    assert refusal(web, lambda: repository().document("1")) == (message, hint)


def test_a_manifest_that_is_not_the_one_that_was_asked_for(repository: Open, web: WebServer) -> None:
    web.spoil("/manifests/", Fault(status=200, body=b"{}"))
    message, _ = refusal(web, lambda: repository().document(IMAGE.digest))
    assert message == (
        f"`R` gives another manifest than it says: expected {IMAGE.digest}, got {Digest.of(b'{}')}"
    )


def test_a_small_blob_that_is_another(repository: Open, web: WebServer) -> None:
    web.spoil("/blobs/", Fault(status=200, body=b"{}"))
    message, _ = refusal(web, lambda: repository().blob(LAYER))
    assert message == f"`R` gives another blob than was asked for: expected {LAYER}, got {Digest.of(b'{}')}"


def test_a_registry_that_is_not_there(repository: Open, web: WebServer, http: Http) -> None:
    with web_server() as gone:
        origin = gone.origin
    opened = repository(origin)
    message, _ = refusal(gone, lambda: opened.document("1"), FetchError)
    assert message == (
        "`http://R/v2/team/base/manifests/1` cannot be fetched: tried 3 times: "
        "`127.0.0.1` refuses the connection"
    )


def test_a_registry_in_trouble_is_asked_again(repository: Open, web: WebServer) -> None:
    web.spoil("/manifests/", Fault(status=503), times=2)
    assert repository().document("1").digest == IMAGE.digest
    assert len(web.requests) == 3


# ---------------------------------------------------------------- logins


def demand_token(web: WebServer, *, word: str = "t0ken") -> None:
    """Let the registry send for a token to `/token` of itself."""
    web.needs, web.free = f"Bearer {word}", "/token"
    web.challenge = (
        f'Bearer realm="{web.origin}/token",service="the registry",scope="repository:team/base:pull"'
    )
    web.files["/token"] = json.dumps({"token": word}).encode()


def test_a_token_for_anybody(repository: Open, web: WebServer) -> None:
    demand_token(web)
    opened = repository()
    assert opened.document("1").digest == opened.document(IMAGE.digest).digest
    assert web.paths() == [
        "/v2/team/base/manifests/1",
        "/token",
        "/v2/team/base/manifests/1",
        f"/v2/team/base/manifests/{IMAGE.digest}",
    ]
    assert web.requests[1].query == "service=the+registry&scope=repository%3Ateam%2Fbase%3Apull"
    assert "Authorization" not in web.requests[1].headers


def test_a_token_for_a_login(repository: Open, web: WebServer) -> None:
    demand_token(web)
    assert repository(login=True).document("1").digest == IMAGE.digest
    assert [request.headers.get("Authorization") for request in web.requests] == [None, BASIC, "Bearer t0ken"]


def test_a_token_for_an_identity_token(repository: Open, web: WebServer) -> None:
    demand_token(web)
    web.files["/token"] = b'{"access_token": "t0ken"}'
    assert repository(token=True).document("1").digest == IMAGE.digest
    asked = web.requests[1]
    assert (asked.query, asked.headers.get("Authorization")) == ("", None)
    assert dict(parse_qsl(asked.body.decode())) == {
        "grant_type": "refresh_token",
        "client_id": "mlimage",
        "refresh_token": SECRET,
        "service": "the registry",
        "scope": "repository:team/base:pull",
    }


def test_an_identity_token_goes_no_further(repository: Open, web: WebServer, other: WebServer) -> None:
    demand_token(web)
    web.spoil("/token", Fault(status=307, headers={"Location": f"{other.origin}/token"}))
    message, _ = refusal(web, lambda: repository(token=True).document("1"), FetchError)
    assert message == "`http://R/token` cannot be fetched: HTTP 307"
    assert other.requests == []


def test_a_token_that_has_run_out(repository: Open, web: WebServer, tmp_path: Path) -> None:
    demand_token(web)
    opened = repository()
    opened.document("1")
    demand_token(web, word="n3w")
    opened.download(LAYER, len(IMAGE.blobs[LAYER]), to=tmp_path / "layer", task=Counted())
    assert [request.headers.get("Authorization") for request in web.requests][-3:] == [
        "Bearer t0ken",
        None,
        "Bearer n3w",
    ]


def test_a_password(repository: Open, web: WebServer) -> None:
    web.needs, web.challenge = BASIC, 'Basic realm="R"'
    assert repository(login=True).document("1").digest == IMAGE.digest
    assert refusal(web, lambda: repository().document("1"))[0] == (
        "`R` does not give `team/base:1` without a login (HTTP 401)"
    )


def test_a_wrong_password(repository: Open, web: WebServer) -> None:
    web.needs, web.challenge = "Basic other", 'Basic realm="R"'
    assert refusal(web, lambda: repository(login=True).document("1")) == (
        "`R` does not give `team/base:1` to `anna` (HTTP 401)",
        "is the name right? where it is not public: `docker login R`",
    )
    assert len(web.requests) == 2


def test_who_gives_tokens_refuses(repository: Open, web: WebServer) -> None:
    demand_token(web)
    web.spoil("/token", Fault(status=401))
    assert refusal(web, lambda: repository(login=True).document("1"))[0] == (
        "`http://R/token`, which gives tokens for `http://R`, refuses the login of `anna` (HTTP 401)"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the document is not JSON: Expecting value at line 1 column 1"),
        (b"[]", "the document is a list, not an object"),
        (b"{}", "`access_token` is missing"),
        (b'{"token": 1}', "`token` is a number, not text"),
        (b'{"token": "a\\nb"}', "it is not one word"),
        (b'{"token": null, "access_token": ["x"]}', "`access_token` is a list, not text"),
    ],
)
def test_who_gives_tokens_gives_none(answer: bytes, why: str, repository: Open, web: WebServer) -> None:
    demand_token(web)
    web.files["/token"] = answer
    message, _ = refusal(web, lambda: repository().document("1"))
    assert message == f"`http://R/token` gives no token for `http://R`: {why}"


NO_REALM = "`http://R` asks for a token, but does not say where to get one: its answer has no `realm`"
TO = "`http://R` sends for a token to"


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        (
            'Bearer realm="http://example.com/token"',
            f"{TO} `http://example.com/token`, which is not encrypted",
        ),
        ('Bearer realm="ftp://example.com"', f"{TO} `ftp://example.com`, which is no web URL"),
        ('Bearer realm="file:///etc/passwd"', f"{TO} `/etc/passwd`, which is no web URL"),
        ('Bearer realm="token"', f"{TO} `token`, which is no web URL"),
        ('Bearer realm="http://[x"', f"{TO} `(a URL that cannot be read)`, which is no web URL"),
        (
            'Bearer realm="https://example.com:99999/"',
            f"{TO} `https://example.com:99999/`, which is no web URL",
        ),
        ('Bearer realm=""', NO_REALM),
        ('Bearer service="r"', NO_REALM),
        ("Bearer", NO_REALM),
    ],
)
def test_no_password_goes_where_it_can_be_read(
    challenge: str, why: str, repository: Open, web: WebServer
) -> None:
    demand_token(web)
    web.challenge = challenge
    assert refusal(web, lambda: repository(login=True).document("1"))[0] == why


def test_a_redirect_gets_no_login(repository: Open, web: WebServer, other: WebServer, tmp_path: Path) -> None:
    demand_token(web)
    other.files["/cdn"] = IMAGE.blobs[LAYER]
    opened = repository(login=True)
    opened.document("1")
    web.spoil("/blobs/", Fault(status=307, headers={"Location": f"{other.origin}/cdn?signature=x"}))
    opened.download(LAYER, len(IMAGE.blobs[LAYER]), to=tmp_path / "layer", task=Counted())
    assert [request.headers.get("Authorization") for request in other.requests] == [None]


def test_another_server_that_asks_is_not_answered(
    repository: Open, web: WebServer, other: WebServer, tmp_path: Path
) -> None:
    demand_token(web)
    opened = repository(login=True)
    opened.document("1")
    web.spoil("/blobs/", Fault(status=307, headers={"Location": f"{other.origin}/cdn"}))
    other.needs, other.challenge = BASIC, 'Basic realm="R"'
    refusal(web, lambda: opened.download(LAYER, 1, to=tmp_path / "layer", task=Counted()))
    assert [request.headers.get("Authorization") for request in other.requests] == [None]


def test_a_login_that_cannot_be_used_is_said_in_the_end(http: Http, web: WebServer, tmp_path: Path) -> None:
    def missing(command: Any) -> Any:
        raise FileNotFoundError(command.argv[0])

    (tmp_path / "config.json").write_text('{"credsStore": "desktop"}')
    host = web.origin.removeprefix("http://")
    opened = Repository(
        parse_reference(f"{host}/team/base:1"),
        http=http,
        mirrors=Mirrors(configured={}),
        logins=Logins({"DOCKER_CONFIG": str(tmp_path)}, run=missing),
        progress=SILENT,
    )
    demand_token(web)
    assert opened.document("1").digest == IMAGE.digest
    web.spoil("/manifests/", Fault(status=401))
    assert refusal(web, lambda: opened.document("1"))[1] == (
        f"{tmp_path}/config.json: the credential helper `docker-credential-desktop` is not on this machine"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Basic", {"basic": {}}),
        ('Basic realm="x"', {"basic": {"realm": "x"}}),
        (
            'Bearer realm="https://a/b",service=c,scope="repository:a:pull,push"',
            {"bearer": {"realm": "https://a/b", "service": "c", "scope": "repository:a:pull,push"}},
        ),
        (
            'Basic realm="x, y", bearer Realm="https://a"',
            {"basic": {"realm": "x, y"}, "bearer": {"realm": "https://a"}},
        ),
        ("Negotiate", {"negotiate": {}}),
        ("", {}),
    ],
)
def test_how_registries_ask(text: str, found: Mapping[str, Mapping[str, str]]) -> None:
    assert challenges(text) == found


@given(st.text(st.sampled_from('BearerBasic realm="\\,x '), max_size=40) | st.text(max_size=40))
def test_any_way_to_ask_is_read(text: str) -> None:
    for parameters in challenges(text).values():
        assert all(isinstance(value, str) for value in parameters.values())


# ---------------------------------------------------------------- mirrors


def test_a_mirror_below_a_path_with_a_login(repository: Open, web: WebServer, other: WebServer) -> None:
    offer(other, "hub/team/base", "1", IMAGE)
    other.needs, other.challenge = BASIC, 'Basic realm="mirror"'
    mirror = other.origin.replace("//", f"//anna:{SECRET}@") + "/hub"
    assert repository(mirror).document("1").digest == IMAGE.digest
    assert (web.paths(), set(other.paths())) == ([], {"/v2/hub/team/base/manifests/1"})


def test_the_next_mirror(repository: Open, web: WebServer, other: WebServer, tmp_path: Path) -> None:
    opened = repository(other.origin, web.origin)
    opened.download(LAYER, len(IMAGE.blobs[LAYER]), to=tmp_path / "layer", task=Counted())
    assert len(other.paths()) == len(web.paths()) == 1


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("r.example:5000", "https://r.example:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_where_registries_are(registry: str, url: str) -> None:
    assert default_place(registry) == Location(url)
