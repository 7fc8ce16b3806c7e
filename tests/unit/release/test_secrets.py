"""What is taken for a secret and what is not; and images with secrets are not pushed."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlimage.content.entry import Entry, file_of_bytes
from mlimage.digest import Digest, canonical_json
from mlimage.errors import BuildError, FindingError
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.plan.config import ROLES
from mlimage.plan.recipe import FOLDER
from mlimage.progress import SILENT
from mlimage.release import secretrules
from mlimage.release.secretrules import LONGEST, rules
from mlimage.release.secrets import (
    Outgoing,
    Scans,
    Secret,
    check_secrets,
    find_secrets,
    judge,
    own_layers,
)
from mlimage.release.secrettext import scan_text
from support.sealing import foreign, sealed, tar_of
from support.secrets import BASE64, HEX, SHAPES, pem, rolled

TOKEN = SHAPES["github"][1]()
NOT_FIRST_LINE = {"pem in yaml": 1}
"""What has something before it that is not yet the secret, by how many lines."""


def scan(text: str | bytes, path: str = "app/config.py", *, piece: int = 1 << 20) -> list[tuple[int, str]]:
    content = text.encode() if isinstance(text, str) else text
    return list(scan_text(path, (content[at : at + piece] for at in range(0, len(content), piece))))


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_found_at_its_line(name: str) -> None:
    kind, make = SHAPES[name]
    secret = make()
    line = 3 + NOT_FIRST_LINE.get(name, 0)
    assert scan(f"import os\n\n{secret}\n") == [(line, kind)]
    assert scan(f'a: 1\nb: 2\nkey = "{secret}"  # of mine\nc: 3\n') == [(line, kind)]
    assert scan(secret) == [(line - 2, kind)]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("app/.env", "# of mine\nexport DB_HOST=db\nDB_PASS=x\n", (2, "a file of environment variables")),
        ("app/sub/.env.production", "TOKEN='abc'\n", (1, "a file of environment variables")),
        ("root/.netrc", "machine acme.io\n  login me\n  password s3same\n", (3, "a password of `.netrc`")),
        ("root/.netrc", "machine acme.io login me password s3same", (1, "a password of `.netrc`")),
        (
            "root/.pypirc",
            "[pypi]\nusername = me\npassword = s3same\n",
            (3, "a password for a package index"),
        ),
        (
            "root/.docker/config.json",
            '{"auths": {"ghcr.io": {\n  "auth": "bWU6czNzYW1l"}}}',
            (2, "a login at a registry"),
        ),
        ("root/.dockercfg", '{"ghcr.io": {"auth": "bWU6czNzYW1l"}}', (1, "a login at a registry")),
        (
            "root/.aws/credentials",
            "[default]\naws_secret_access_key = s3same-but-longer\n",
            (2, "an AWS secret key"),
        ),
        (
            "root/.kube/config",
            "users:\n- name: me\n  user:\n    token: s3same-but-longer\n",
            (4, "a login at a Kubernetes cluster"),
        ),
        (
            "app/deploy/kubeconfig.yaml",
            "    password: s3same-but-longer\n",
            (1, "a login at a Kubernetes cluster"),
        ),
        (
            "root/.npmrc",
            "registry=https://npm.acme.io\n_auth=bWU6czNzYW1l\n",
            (2, "a login of an npm registry"),
        ),
        ("root/.pgpass", "db:5432:features:ml:s3same\n", (1, "a password of a database")),
        ("root/.pgpass", "db:5432:features:ml:s3\\:same\r\n", (1, "a password of a database")),
        ("app/.env.production.local", "TOKEN='abc'\n", (1, "a file of environment variables")),
        ("root/.netrc", "machine acme.io login me password MyFakeRolex9", (1, "a password of `.netrc`")),
        ("root/.my.cnf", "[client]\npassword=s3same\n", (2, "a password of a database")),
        (
            "root/.kaggle/kaggle.json",
            f'{{"username": "me", "key": "{rolled(32, HEX)}"}}',
            (1, "a Kaggle key"),
        ),
        ("root/.git-credentials", f"https://me:{rolled(9)}@github.com\n", (1, "a URL with a password")),
    ],
)
def test_files_that_are_there_for_secrets(path: str, text: str, found: tuple[int, str]) -> None:
    assert scan(text, path) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AKIA" + "XXXXXXXXXXXXXXXX",
        "AKIA" + "AAAAAAAAAAAAAAAA",
        "AKIA" + "234567ABCDEFGHIJ",
        "AKIA" + "2345",
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "aws_secret_access_key = ${AWS_SECRET}",
        "aws_secret_access_key = os.environ['AWS_SECRET_ACCESS_KEY']",
        "ghp_" + "x" * 36,
        "ghp_" + "X" * 20 + "x" * 16,
        "ghp_" + "0123456789" * 3 + "012345",
        "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789",
        "ghp_" + "ab" * 18,
        "ghp_your-token-here",
        "GITHUB_TOKEN=${{ secrets.GITHUB_TOKEN }}",
        "github_pat_" + "A" * 22 + "_" + "B" * 59,
        "glpat-<your-token>",
        "glpat-" + "x" * 20,
        "xoxb-your-token",
        "xoxb-" + "123456789012-" + "x" * 24,
        "https://hooks.slack.com/services/" + "T00000000/B00000000/" + "X" * 24,
        "AIza" + "y" * 35,
        "AIza" + "SyA-example-of-a-google-api-key-0000",
        f"AccountName=devstoreaccount1;AccountKey={'Eby8vdM02xNOcqFlqUwJ'}{rolled(66, BASE64)}==",
        "AccountKey=<key>",
        "hf_" + "x" * 34,
        "hf_model_name_with_many_words_in_it_and_more",
        "hf_" + "YOUR_TOKEN_HERE",
        "hf_hub_download(repo_id=REPO, filename=NAME)",
        "from transformers import hf_argparser",
        "sk-" + "ant-api03-your-key-here-" + "x" * 40,
        "sk-" + "x" * 48,
        "sk-" + "proj-" + "0" * 60,
        "task-force, risk-adjusted, disk-based, sk-learn",
        "pypi-AgEIcHlwaS5vcmc...",
        "npm_" + "config_registry_and_some_more_of_it_is",
        "//npm.example.com/:_authToken=${NPM_TOKEN}",
        "sk_live_" + "x" * 24,
        "SG." + "x" * 22 + "." + "y" * 43,
        "dapi" + "0" * 32,
        "WANDB_API_KEY=" + "0" * 40,
        'wandb_api_key = os.environ["WANDB_API_KEY"]',
        "-----BEGIN PUBLIC KEY-----\n" + rolled(64, BASE64),
        "-----BEGIN CERTIFICATE-----\nMII" + rolled(61, BASE64),
        'if line.startswith("-----BEGIN RSA PRIVATE KEY-----"):\n    return load(line)',
        'BEGIN = b"-----BEGIN PRIVATE KEY-----"\nEND = b"-----END PRIVATE KEY-----"',
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
        "postgres://postgres:postgres@db:5432/app",
        "postgresql+psycopg2://user:password@localhost/db",
        "amqp://guest:guest@rabbit//",
        "redis://:${REDIS_PASSWORD}@cache:6379",
        "mysql://{user}:{password}@{host}/db",
        'f"https://{user}:{token}@github.com"',
        "https://user:%s@host.acme.io",
        "https://user:***@pypi.acme.io",
        "https://<user>:<password>@pypi.acme.io",
        "https://someone:s3same9@example.com/x",
        "https://someone:s3same9@db.example.org/x",
        "https://acme.io:8080/a@b",
        "http://localhost:8080/?q=a:b@c",
        r"re.compile(r'://[^:]+:[^@]+@[^/]+')",
        "git+ssh://git@github.com/acme/x.git",
        "https://bob.smith@git.acme.io/x.git",
        "https://" + rolled(32, HEX) + "@o1.ingest.sentry.io/42",
        "docker://python:3.11-slim@sha256:" + rolled(64, HEX),
        "image: registry://acme/x:1.0@sha256:" + rolled(64, HEX),
        "https://user:your-password-here@acme.io",
        "https://user:my_secret_token@acme.io",
        "https://user:xxxx-xxxx@acme.io",
        "https://$USER:$TOKEN@acme.io",
        "http://web:8080/pkg@1.0",
        "sha256:" + rolled(64, HEX),
        "commit " + rolled(40, HEX),
        "data:image/png;base64," + rolled(2000, BASE64),
        "ey" + "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + rolled(60) + "." + rolled(43),
        "password = input()",
        "uuid = '123e4567-e89b-12d3-a456-426614174000'",
    ],
)
def test_what_only_looks_like_one(text: str) -> None:
    assert scan(f"import os\n{text}\n") == []


PASSWORD = rolled(8) + "q7"
URL = [(1, "a URL with a password")]
AROUND = ("{}", "{}/path", "'{}'", "<{}>", "see {}, or", "{}. Then", "{} is")


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "example.com.", "a.b.example.org:8080", "db.example", "x.test", "x.invalid", "test"),
        *("host", "host:5432", "hostname", "server"),
    ],
)
def test_hosts_that_are_examples(host: str) -> None:
    url = f"https://bob:{PASSWORD}@{host}"
    assert [around for around in AROUND if scan(around.format(url)) != []] == []


@pytest.mark.parametrize(
    "host",
    [
        *("server.acme.com", "test.db.acme.com", "example.acme.io", "host.acme.io", "hostname.acme.io"),
        *(
            "example.com.acme.io",
            "example.org-mirror.io",
            "example-1",
            "test-db",
            "test_db",
            "host1",
            "server2:80",
        ),
        *(
            "xexample.com",
            "my-example.net",
            "contest",
            "acme.host",
            "acme.server",
            "db.hostname",
            "invalid.acme",
        ),
        *(
            "example.com,db.acme.io",
            "test%2eacme.io",
            "server{n}.acme.io",
            "test$ZONE",
            "example.b\u00fccher.de",
        ),
        *("[::1]:5432", "10.0.0.1", "localhost", "{host}", "$HOST", "%s", "/db", ":5432", "b\u00fccher.de"),
    ],
)
def test_hosts_that_only_look_like_examples(host: str) -> None:
    url = f"https://bob:{PASSWORD}@{host}"
    assert [around for around in AROUND if scan(around.format(url)) != URL] == []


@pytest.mark.parametrize(
    "text",
    [
        # A placeholder, an example or a variable is only a part of it, or stands beside it.
        *(
            f"https://bob:{word}@acme.io"
            for word in ("Examples4us", "Fakenham!24", "resample9", "Summer123456!")
        ),
        *(f"https://bob:{word}{PASSWORD}@acme.io" for word in ("example", "your-", "xxxx", "qwerty", "fake")),
        *(f"https://bob:{word}@acme.io" for word in ("Pa$sw0rd7", "p4$$word9", f"p@{PASSWORD}", "a...b9Kq")),
        f"https://user:password@acme.io https://bob:{PASSWORD}@acme.io",
        f"https://user:password@example.com,https://bob:{PASSWORD}@acme.io",
        "https://tok9x7q2:tok9x7q2@acme.io",
        # How it may be written.
        f"https:\\/\\/bob:{PASSWORD}@acme.io\\/simple",
        f"https://bob%40acme.io:{PASSWORD}%2F@acme.io",
        f"https://:{PASSWORD}@acme.io",
        f"https://bob:{rolled(1500)}@acme.io",
        f"postgresql+psycopg2://ml:{PASSWORD}@db/x",
        f"postgresql://ml:{PASSWORD}/x?#@db/x",
        f"mongodb+srv://ml:{PASSWORD}@cluster0.acme.io",
        f"amqps://ml:{PASSWORD}@mq//",
        f"ssh://ml:{PASSWORD}@acme.io",
        f"mysql://ml:{PASSWORD}@/db?unix_socket=/run/x",
    ],
)
def test_what_hides_no_password(text: str) -> None:
    assert scan(text) == URL


@pytest.mark.parametrize(
    "name", [name for name, (kind, _) in SHAPES.items() if not kind.startswith("a private")]
)
def test_what_stands_before_a_token_does_not_hide_it(name: str) -> None:
    kind, make = SHAPES[name]
    befores = (
        "\\n",
        "\\t",
        '\\"',
        "token%3D",
        "https:\\/\\/api.acme.io\\/",
        "example ",
        "changeme@",
        "x.test:",
    )
    assert [before for before in befores if (1, kind) not in scan(f'"{before}{make()}"')] == []


@pytest.mark.parametrize("name", ["aws secret", "azure storage", "wandb", "npmrc", "pem in python"])
def test_code_in_a_notebook(name: str) -> None:
    kind, make = SHAPES[name]
    assert (1, kind) in scan(json.dumps({"source": [make()]}))


@pytest.mark.parametrize("piece", [1, 2, 3])
def test_escapes_that_pieces_cut(piece: int) -> None:
    assert scan(f"https:\\/\\/bob:{PASSWORD}@acme.io\\", piece=piece) == URL


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("an AWS access key", "Credential={}/20261130/eu-west-1/s3"),
        ("an AWS access key", "s3://{}:x@bucket"),
        ("an AWS secret key", "AWS_SECRET_ACCESS_KEY_PROD = '{}'"),
        ("an AWS secret key", 'os.environ["AWS_SECRET_ACCESS_KEY"] = "{}"'),
        ("an AWS secret key", "aws_secret_access_key: str = '{}'"),
        ("a signature for Azure storage", "https://a.acme.io/?sv=1\\u0026sig={}"),
        ("the address of a Discord webhook", "https://discord.com/api/v10/webhooks/123456789012345678/{}"),
        ("a URL with a token", "https://{}@git.acme.io/x.git"),
        ("a URL with a token", "https://{}:@git.acme.io/x.git"),
    ],
)
def test_where_else_secrets_stand(name: str, text: str) -> None:
    made = {
        "an AWS access key": SHAPES["aws"][1](),
        "an AWS secret key": rolled(40, BASE64),
        "a signature for Azure storage": rolled(43, BASE64) + "%3D",
        "the address of a Discord webhook": rolled(68),
        "a URL with a token": rolled(30) + "7",
    }
    assert (1, name) in scan(text.format(made[name]))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/.env.example", "TOKEN=abcdefgh\n"),
        ("app/.env.production.example", "TOKEN=abcdefgh\n"),
        ("app/.env", "# nothing\nTOKEN=\nOTHER=${TOKEN}\nTHIRD=changeme\nDB=<password>\n"),
        ("app/environment.py", "TOKEN=abcdefgh\n"),
        ("root/.netrc", "machine acme.io login me password changeme\n"),
        ("root/.pypirc", "[pypi]\nusername = __token__\n"),
        ("root/.docker/config.json", '{"auths": {"ghcr.io": {}}, "credsStore": "pass"}'),
        ("app/config.json", '{"auth": "bWU6czNzYW1l"}'),
        ("root/.aws/config", "[default]\nregion = eu-west-1\n"),
        ("root/.kube/config", "users:\n- user:\n    exec: {command: aws}\n"),
        ("app/values.yaml", "token: s3same-but-longer\n"),
        ("root/.npmrc", "//npm.acme.io/:_authToken=${NPM_TOKEN}\n"),
        ("root/.pgpass", "# host:port:db:user:password\n"),
        ("root/.ssh/id_rsa.pub", "ssh-rsa AAAAB3" + rolled(300, BASE64)),
    ],
)
def test_files_without_secrets_in_them(path: str, text: str) -> None:
    assert scan(text, path) == []


def test_files_that_are_no_text() -> None:
    assert scan(b"\x7fELF\0\0" + TOKEN.encode()) == []
    assert scan("\ufeff".encode("utf-16-le") + f"A=1\r\nB={TOKEN}\r\n".encode("utf-16-le")) == [
        (2, "a GitHub token")
    ]
    assert scan("\ufeff".encode() + TOKEN.encode()) == [(1, "a GitHub token")]
    assert scan(b"") == []
    # What says so later than anybody looks is text.
    assert scan(b"x" * 8000 + b"\0\n" + TOKEN.encode()) == [(2, "a GitHub token")]


@pytest.mark.parametrize("piece", [1, 7, 511, 4096, 5000, 1 << 20])
def test_where_pieces_end_does_not_matter(piece: int) -> None:
    wanted: list[tuple[int, str]] = []
    text, line = "", 1
    for number, (kind, make) in enumerate(SHAPES.values()):
        filler = "lorem ipsum\n" * (number * 13 % 97)
        secret = make()
        line += filler.count("\n") + (1 if kind == "a private key" and secret.startswith("key: |") else 0)
        wanted.append((line, kind))
        line += secret.count("\n") - (1 if secret.startswith("key: |") else 0) + 1
        text += f"{filler}{secret}\n"
    assert sorted(scan(text, piece=piece)) == sorted(wanted)


def test_a_key_at_the_end_of_a_large_file() -> None:
    filler = b"a line of some text, as logs have them\n" * 250_000

    def content() -> Iterator[bytes]:
        yield filler
        yield filler
        yield pem("RSA").encode()

    assert list(scan_text("app/notes.txt", content())) == [(500_001, "a private key")]


def test_a_file_of_one_line() -> None:
    text = '{"cells": "' + rolled(3 * LONGEST, BASE64) + f" {TOKEN} " + rolled(3 * LONGEST, BASE64) + '"}'
    assert scan(text, piece=1000) == [(1, "a GitHub token")]


def test_rules_are_whole() -> None:
    """Each names what it finds, has a word or a path, and tells where the secret is."""
    for rule in rules():
        assert rule.kind.startswith(("a ", "an ", "the "))
        assert bool(rule.begins) != (rule.path is not None)
        assert "secret" in rule.pattern.groupindex
    assert {rule.kind for rule in rules()} >= {kind for kind, _ in SHAPES.values()}
    assert {rule.kind for rule in rules() if rule.begins} == {kind for kind, _ in SHAPES.values()}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def scans(tmp_path: Path) -> Scans:
    return Scans(tmp_path / "scans")


def text(path: str, *lines: str) -> Entry:
    return file_of_bytes(path, "\n".join(lines).encode(), origin="t")


def image_of(store: Store, *, steps: bool = True) -> SealedImage:
    aws = SHAPES["aws"][1]()
    layers = {
        "base": [text("etc/token", TOKEN)],
        "numpy": [text("opt/venv/token", TOKEN)],
        "runtime": [text("opt/mlimage/token", TOKEN)],
        "app": [text("app/config.py", "import os", f"KEY = '{aws}'"), text("app/x/key.pem", pem("EC"))],
        "steps": [text("root/.netrc", "machine acme.io", "login me password s3same")],
    }
    if not steps:
        del layers["steps"]
    return sealed(store, image="demo", variant="cpu", **layers)


def check(image: SealedImage, store: Store, scans: Scans, *allowed: str) -> tuple[str, ...]:
    outgoing = Outgoing(name="demo", images=(image,), allowed=allowed)
    return check_secrets([outgoing], store=store, scans=scans, progress=SILENT)


def test_an_image_with_secrets_is_refused(store: Store, scans: Scans) -> None:
    with pytest.raises(FindingError) as caught:
        check(image_of(store), store, scans)
    assert str(caught.value) == (
        "`demo` has 3 secrets, and is not pushed\n"
        "  app layer: /app/config.py:2: an AWS access key\n"
        "  app layer: /app/x/key.pem:1: a private key\n"
        "  steps layer: /root/.netrc:2: a password of `.netrc`"
    )
    assert caught.value.hint == (
        "`app.ignore` leaves the file out; where it is no secret say so in the spec: "
        "`push: {allow_secrets: [/app/config.py]}`"
    )
    assert caught.value.exit_status == 12


def test_what_the_spec_says_is_looked_at(store: Store, scans: Scans) -> None:
    """It stands in the image, since the image says how it was made."""
    assert (ROLES.startswith("opt/mlimage/"), FOLDER.startswith("opt/mlimage/")) == (True, True)
    image = sealed(store, runtime=[], recipe=[text(f"{FOLDER}/mlimage.yaml", "{", f'"HF": "{TOKEN}"')])
    with pytest.raises(FindingError) as caught:
        check(image, store, scans)
    assert str(caught.value) == (
        "`demo` has a secret, and is not pushed\n"
        "  recipe layer: /opt/mlimage/recipe/mlimage.yaml:2: a GitHub token"
    )
    assert caught.value.hint == (
        "take it out of the spec, and hand it over when it runs: `mlimage run --env`; where it is no secret "
        "say so in the spec: `push: {allow_secrets: [/opt/mlimage/recipe/mlimage.yaml]}`"
    )


def test_what_is_allowed_passes(store: Store, scans: Scans) -> None:
    image = image_of(store)
    assert check(image, store, scans, "/app", "/root/.netrc") == ()
    assert check(image, store, scans, "**/config.py", "app/*/*.pem", "/root", "/app/test") == (
        "`demo` has no secret at `/app/test`, which `push.allow_secrets` allows",
    )
    with pytest.raises(FindingError) as caught:
        check(image, store, scans, "/app")
    assert str(caught.value) == (
        "`demo` has a secret, and is not pushed\n  steps layer: /root/.netrc:2: a password of `.netrc`"
    )
    assert caught.value.hint == (
        "let the step read it from `secrets:`, or delete the file; where it is no secret say so in the spec: "
        "`push: {allow_secrets: [/root/.netrc]}`"
    )


def test_patterns_in_their_order() -> None:
    found = [Secret(layer="app", path=f"app/{name}", line=1, kind="a key") for name in ("a", "b")]
    refused, idle = judge(found, ["/app", "!/app/b", "!/app/c"])
    assert (refused, idle) == ((found[1],), ("!/app/c",))


def test_the_configuration_is_looked_at(store: Store, scans: Scans, tmp_path: Path) -> None:
    image = sealed(store, runtime=[], app=[text("app/a.py", "1")])
    config = json.loads(store.read(image.config))
    config["config"]["Env"].append(f"HF_TOKEN={SHAPES['hugging face'][1]()}")
    config["config"]["Labels"]["com.example.index"] = SHAPES["url of an index"][1]()
    blob = store.put(json.dumps(config).encode(), image.config.media_type)
    changed = SealedImage(
        name=image.name, platform=image.platform, manifest=image.manifest, config=blob, layers=image.layers
    )
    with pytest.raises(FindingError) as caught:
        check(changed, store, scans)
    assert str(caught.value) == (
        "`demo` has 2 secrets, and is not pushed\n"
        "  configuration: `HF_TOKEN`: a Hugging Face token\n"
        "  configuration: `com.example.index`: a URL with a password"
    )
    assert caught.value.hint == (
        "hand it over when it runs: `mlimage run --env`; where it is no secret say so in the spec: "
        "`push: {allow_secrets: [HF_TOKEN]}`"
    )
    assert check(changed, store, scans, "HF_TOKEN", "com.example.*") == ()


def test_code_that_decides_is_part_of_what_a_note_is_for() -> None:
    """A change of any of it makes every layer be looked at anew."""
    folder = Path(secretrules.__file__).parent
    names = ("secrets.toml", "secretrules.py", "secrettext.py")
    assert secretrules.rules_digest() == Digest.of(
        canonical_json([Digest.of_file(folder / one) for one in names])
    )


def test_a_second_look_reads_no_layer(store: Store, scans: Scans) -> None:
    image = image_of(store)
    found = find_secrets([image], store=store, scans=scans, progress=SILENT)
    assert {path.name for path in scans.folder.iterdir()} == {
        f"{layer.blob.digest.hex}.json" for layer in own_layers(image)
    }
    assert TOKEN not in "".join(path.read_text() for path in scans.folder.iterdir())
    for layer in image.layers:
        store.blob(layer.blob.digest).unlink()
    assert find_secrets([image], store=store, scans=scans, progress=SILENT) == found
    # Other rules, or a damaged note: it is looked at again.
    for path in scans.folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b'"rules":"sha256:', b'"rules":"sha512:'))
    with pytest.raises(BuildError) as caught:
        find_secrets([image], store=store, scans=scans, progress=SILENT)
    assert str(caught.value) == f"the store lacks layer `app`: {image.layers[3].blob.digest}"


@pytest.mark.parametrize("note", ["", "{", "[]", '{"rules": 1}', "null"])
def test_a_damaged_note_counts_as_none(store: Store, scans: Scans, note: str) -> None:
    image = image_of(store, steps=False)
    found = find_secrets([image], store=store, scans=scans, progress=SILENT)
    [path] = scans.folder.iterdir()
    path.write_text(note)
    assert find_secrets([image], store=store, scans=scans, progress=SILENT) == found


def test_a_damaged_layer_is_never_clean(store: Store, scans: Scans) -> None:
    image = sealed(store, runtime=[], app=[text("app/a.py", *(rolled(60) for _ in range(500)))])
    blob = store.blob(image.layers[1].blob.digest)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        find_secrets([image], store=store, scans=scans, progress=SILENT)
    assert str(caught.value) == f"layer `app` in the store is damaged: {Digest(image.layers[1].blob.digest)}"
    assert not scans.folder.exists()


def test_only_what_no_lock_knows_is_looked_at(store: Store) -> None:
    assert [layer.name for layer in own_layers(image_of(store))] == ["app", "steps"]
    foreign = sealed(store, one=[text("a", "1")], two=[text("b", "2")])
    assert [layer.name for layer in own_layers(foreign)] == ["one", "two"]


def test_more_than_anybody_reads(store: Store, scans: Scans) -> None:
    many = "\n".join("gh" + "p_" + rolled(36) for _ in range(1500))
    image = sealed(store, runtime=[], app=[text("app/many.txt", many), text("app/z.txt", TOKEN)])
    with pytest.raises(FindingError) as caught:
        check(image, store, scans)
    lines = str(caught.value).splitlines()
    assert lines[0] == "`demo` has 1000 secrets, and is not pushed"
    assert lines[1] == "  app layer: /app/many.txt:1: a GitHub token"
    assert lines[-1] == "  and maybe more: nobody looked further"
    assert len(lines) == 1002


def test_names_that_are_no_text(store: Store, scans: Scans) -> None:
    odd = tar_of(("./app/\udcff.txt", tarfile.REGTYPE, TOKEN.encode()), format=tarfile.GNU_FORMAT)
    [secret] = find_secrets([foreign(store, odd)], store=store, scans=scans, progress=SILENT)
    assert str(secret) == "layer-0 layer: /app/\\xff.txt:1: a GitHub token"
