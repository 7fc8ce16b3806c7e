"""Signatures by the real `cosign`, of both versions, in Debian's own registry; all verify what one signed."""

import base64
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from mlimage.cache import Cache
from mlimage.digest import Digest, canonical_json
from mlimage.errors import UsageError, VerificationError
from mlimage.fetch import Http
from mlimage.oci.attach import attach
from mlimage.oci.destination import Destination
from mlimage.oci.model import INDEX, MANIFEST, Descriptor, SealedImage
from mlimage.oci.referrers import Artifact
from mlimage.oci.registry import Repository
from mlimage.oci.store import Store
from mlimage.process import Command, Completed, run
from mlimage.progress import NOTHING
from mlimage.release.sign import signer
from mlimage.release.signature import SIGNATURE, PublicKey
from mlimage.release.signed import signed
from mlimage.release.target import repository_of
from support.certificates import Authority
from support.cosign import Cosign, both, public
from support.programs import program
from support.proxy import forward_proxy
from support.pulling import repository
from support.pushing import destination, pushed
from support.registries import PASSWORD, USER, own_registry
from support.steps import Steps, project_of

pytestmark = pytest.mark.engine

ALIEN = "signatures that are there: 1 by another key, or changed"
HINT = "hint: `mlimage push --sign KEY` signs what it pushes, and what is there already"


@pytest.mark.network
def test_push_verify_and_pull(
    built_steps: Steps, docker_host: str, registry: str, cosign: Cosign, tmp_path: Path
) -> None:
    to = f"{registry}/sign-{token_hex(6)}"
    steps = built_steps.with_environ(**cosign.variables, DOCKER_HOST=docker_host)
    key = cosign.key("ours")
    ours, stranger = key.with_suffix(".pub"), cosign.key("stranger").with_suffix(".pub")
    unsigned = push(steps, to)
    assert unsigned["signed_with"] is None
    index = unsigned["digest"]
    reference = f"{to}/steps@{index}"
    images = [
        entry["digest"]
        for entry in json.loads(
            program("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}")
        )["manifests"]
    ]
    assert len(images) == 2
    # A laptop has neither cosign, nor the password.
    laptop = replace(steps, cache=Cache(tmp_path / "laptop"), environ=without_cosign(steps.environ))
    done = laptop.run("pull", reference, "--verify", str(ours))
    assert (done.returncode, done.stderr) == (
        8,
        f"error: `{reference}` is not signed by `{ours}`: no signature is there\n{HINT}\n",
    )
    found = push(steps, to, "--tag", "latest", "--sign", str(key))
    assert (found["digest"], found["signed_with"]) == (index, str(key))
    assert found["bytes"]["sent"] == 0
    documents = [each["digest"] for each in found["attestations"]]
    assert len(documents) == 3 * len(images)
    for digest in (index, *images, *documents):
        for each in both(cosign.folder):
            assert each.verifies(f"{to}/steps@{digest}", ours)
            assert not each.verifies(f"{to}/steps@{digest}", stranger)
    done = laptop.run("verify-signature", f"{to}/steps:latest", "--key", str(ours), "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {
            "repository": f"{to}/steps",
            "digest": index,
            "key": public(key).id,
            "signed_as": f"{to}/steps",
            "identity": None,
            "issuer": None,
        },
    )
    done = laptop.run("verify-signature", f"{to}/steps:latest", "--key", str(stranger))
    assert (done.returncode, done.stdout, done.stderr) == (
        8,
        "",
        f"error: `{reference}` is not signed by `{stranger}`: {ALIEN}\n{HINT}\n",
    )
    done = laptop.run("pull", f"{to}/steps:latest", "--verify", str(ours))
    assert done.returncode == 0, done.stderr
    name, _, by, _ = done.stdout.splitlines()
    assert (name, by) == (f"steps:cpu@{images[0]}", f"  signed by {ours}, as {to}/steps")
    # The same again, by each version: no second signature.
    for each in both(cosign.folder):
        push(built_steps.with_environ(**each.variables), to, "--sign", str(key))
    for digest in (index, *images, *documents):
        assert len(claims(f"{to}/steps", digest)["layers"]) == 1
    steps.docker("pull", "--quiet", f"{to}/steps:latest")
    [inspected] = json.loads(steps.docker("image", "inspect", f"{to}/steps:latest"))
    assert inspected["RepoDigests"] == [reference]
    steps.docker("image", "rm", "--force", f"{to}/steps:latest")


@pytest.mark.network
def test_build_signs_what_it_pushes(
    locked_steps: Path, warm_cache: Cache, registry: str, cosign: Cosign, tmp_path: Path
) -> None:
    to = f"{registry}/sign-{token_hex(6)}"
    key = cosign.key("ours")
    steps = project_of(locked_steps, tmp_path / "steps", warm_cache, {**os.environ, **cosign.variables})
    done = steps.run("build", "--push", "--to", to, "--sign", str(key), "--json")
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)["pushed"]
    assert found["signed_with"] == str(key)
    for each in both(cosign.folder):
        assert each.verifies(f"{to}/steps@{found['digest']}", key.with_suffix(".pub"))


@pytest.mark.network
def test_what_cannot_sign_pushes_nothing(built_steps: Steps, registry: str, cosign: Cosign) -> None:
    to = f"{registry}/sign-{token_hex(6)}"
    steps = built_steps.with_environ(**cosign.variables)
    key = cosign.key("ours")
    missing = replace(steps, environ=without_cosign(steps.environ))
    wrong = steps.with_environ(COSIGN_PASSWORD="wrong")  # noqa: S106
    for each, name, error in (
        (missing, str(key), "`cosign` is not on this machine, which makes signatures and knows identities"),
        (wrong, str(key), f"cosign cannot use the key `{key}`: decrypt: encrypted: decryption failed"),
        (steps, "none.key", "cosign cannot use the key `none.key`: open none.key: no such file or directory"),
    ):
        done = each.run("push", "--to", to, "--sign", name)
        assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", f"error: {error}")
    assert steps.run("pull", f"{to}/steps:latest").returncode == 9  # it is not there


@pytest.mark.network
@pytest.mark.parametrize("variable", ["DOCKER_CONFIG", "DOCKER_AUTH_CONFIG"])
def test_the_login_of_the_push(variable: str, built_steps: Steps, cosign: Cosign, tmp_path: Path) -> None:
    with own_registry(tmp_path / "registry", login=True) as registry:
        said = {"auths": {registry.host: {"username": USER, "password": PASSWORD}}}
        if variable == "DOCKER_CONFIG":
            said["auths"][registry.host] = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
            (tmp_path / "config.json").write_text(json.dumps(said))
        person = built_steps.with_environ(
            **cosign.variables,
            DOCKER_CONFIG=str(tmp_path),
            DOCKER_AUTH_CONFIG=json.dumps(said) if variable == "DOCKER_AUTH_CONFIG" else "",
        )
        key = cosign.key("ours")
        push(person, f"{registry.host}/team", "--tag", "latest", "--sign", str(key))
        ours = str(key.with_suffix(".pub"))
        done = person.run("verify-signature", f"{registry.host}/team/steps:latest", "--key", ours)
        assert done.returncode == 0, done.stderr


@pytest.mark.network
def test_an_authority_of_a_company(built_steps: Steps, cosign: Cosign, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    host = "registry.example.com"
    with (
        own_registry(tmp_path / "registry", certificate=authority.certificate(host)) as registry,
        forward_proxy(leads={host: registry.port}) as proxy,
    ):
        usual = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "", "PIP_CONFIG_FILE": os.devnull, "PIP_CERT": ""}
        person = built_steps.with_environ(
            **cosign.variables, **usual, SSL_CERT_FILE="", REQUESTS_CA_BUNDLE=str(authority.file)
        )
        key = cosign.key("ours")
        push(person, f"{host}/team", "--tag", "latest", "--sign", str(key))
        ours = str(key.with_suffix(".pub"))
        done = person.run("verify-signature", f"{host}/team/steps:latest", "--key", ours)
        assert done.returncode == 0, done.stderr


def push(steps: Steps, to: str, *options: str) -> dict[str, Any]:
    done = steps.run("push", "--to", to, "--json", *options)
    assert done.returncode == 0, done.stderr
    [found] = json.loads(done.stdout)
    return dict(found)


def without_cosign(environ: Mapping[str, str]) -> dict[str, str]:
    """These variables, on a machine that does not have it."""
    first, _, rest = environ["PATH"].partition(":")
    assert (Path(first) / "cosign").exists()
    return {name: value for name, value in environ.items() if not name.startswith("COSIGN_")} | {"PATH": rest}


def claims(repository: str, digest: str) -> dict[str, Any]:
    """What lies under the tag for signatures."""
    tag = digest.replace(":", "-")
    text = program("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{repository}:{tag}.sig")
    return dict(json.loads(text))


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in the registry, signed or to be signed, and all who verify."""

    registry: str
    name: str
    digest: Digest
    to: Destination
    there: Repository
    cosigns: list[Cosign]

    @property
    def place(self) -> str:
        return f"{self.registry}/team/{self.name}"

    def sign(self, key: Path, cosign: Cosign) -> None:
        """As `push --sign` does."""

        def with_environ(command: Command) -> Completed:
            return run(replace(command, env={**cosign.variables, **command.env}))

        made = signer(str(key), run=with_environ, environ=cosign.variables)
        made.sign(repository_of(f"{self.registry}/team", self.name), [self.digest])

    def put(self, layers: list[dict[str, Any]]) -> None:
        """Let these be the signatures."""
        content = canonical_json({**claims(self.place, self.digest), "layers": layers})
        self.to.put_manifest(content, MANIFEST, f"{self.digest.replace(':', '-')}.sig")

    def claim(self, content: bytes, signature: str) -> dict[str, Any]:
        """An entry, whose content the registry gets."""
        digest = Digest.of(content)
        self.to.upload(
            Descriptor(media_type=MANIFEST, digest=digest, size=len(content)),
            lambda: io.BytesIO(content),
            NOTHING,
        )
        media_type = "application/vnd.dev.cosign.simplesigning.v1+json"
        annotations = {SIGNATURE: signature}
        return {
            "mediaType": media_type,
            "digest": digest,
            "size": len(content),
            "annotations": annotations,
        }

    def verified(self, key: Path) -> bool:
        """What mlimage says; both versions of cosign must say the same."""
        said = [
            each.verifies(f"{self.place}@{self.digest}", key.with_suffix(".pub")) for each in self.cosigns
        ]
        own = is_signed(self.there, self.digest, public(key))
        assert said == [own, own]
        return own


def is_signed(there: Repository, digest: Digest, key: PublicKey) -> bool:
    try:
        signed(there, digest, key)
    except VerificationError:
        return False
    return True


@pytest.fixture
def image(source: Store, pushable: SealedImage, quick: Http, registry: str, cosign: Cosign) -> Pushed:
    name = f"sign-{token_hex(6)}"
    to = destination(registry, quick, name)
    digest = pushed(pushable, source, to).digest
    there = repository(registry, quick, f"team/{name}")
    return Pushed(registry, name, digest, to, there, both(cosign.folder))


def test_the_same_is_refused_by_all(
    image: Pushed, cosign: Cosign, pushable: SealedImage, quick: Http
) -> None:
    key, stranger = cosign.key("ours"), cosign.key("stranger")
    assert not image.verified(key)
    image.sign(key, cosign)
    assert image.verified(key)
    assert not image.verified(stranger)
    [good] = claims(image.place, image.digest)["layers"]
    content = image.there.blob(Digest(good["digest"]))
    signature = good["annotations"][SIGNATURE]
    raw = bytearray(base64.b64decode(signature))
    raw[-1] ^= 1
    flipped = image.claim(content, base64.b64encode(raw).decode())
    other = content.replace(image.digest.encode(), pushable.digest.encode())
    for bad in (
        flipped,
        image.claim(other, signature),
        image.claim(content, ""),
        image.claim(content, "no base64"),
        image.claim(b"{}", signature),
        {**good, "annotations": {}},
    ):
        image.put([bad])
        assert not image.verified(key)
    image.put([flipped, good])
    assert image.verified(key)
    # The signature of the index is none of the image; a copy elsewhere is as good.
    image.put([good])
    moved = replace(image, digest=pushable.digest)
    moved.to.put_manifest(
        canonical_json(claims(image.place, image.digest)),
        MANIFEST,
        f"{moved.digest.replace(':', '-')}.sig",
    )
    assert not moved.verified(key)
    copied = replace(image, name=f"{image.name}/copy")
    for selector in (f"@{image.digest}", f":{image.digest.replace(':', '-')}.sig"):
        program(
            "skopeo",
            "copy",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"docker://{image.place}{selector}",
            f"docker://{copied.place}{selector if selector[0] == ':' else ':it'}",
        )
    copied = replace(copied, there=repository(image.registry, quick, f"team/{copied.name}"))
    assert copied.verified(key)
    assert signed(copied.there, image.digest, public(key)).name == image.place


def test_the_form_of_cosign_3(image: Pushed, cosign: Cosign) -> None:
    """What it leaves by itself, but for the transparency log; version 2 does not know it."""
    key, stranger = cosign.key("ours"), cosign.key("stranger")
    newer = image.cosigns[-1]
    # An attestation by the same key says something of the image, and is no signature of it.
    attest(newer, image, key)
    assert not is_signed(image.there, image.digest, public(key))
    sign = newer.run("sign", "--key", str(key), *NO_LOG, f"{image.place}@{image.digest}")
    assert sign.returncode == 0, sign.stderr
    assert newer.verifies(f"{image.place}@{image.digest}", key.with_suffix(".pub"))
    assert is_signed(image.there, image.digest, public(key))
    assert not is_signed(image.there, image.digest, public(stranger))


def test_what_else_refers_to_the_image(image: Pushed, cosign: Cosign) -> None:
    key = cosign.key("ours")
    note = Artifact(artifact_type="application/vnd.example", media_type="text/plain", content=b"note")
    index = image.there.document(image.digest)
    subject = Descriptor(media_type=INDEX, digest=image.digest, size=len(index.content))
    attach(image.to, subject, [note])
    assert not image.verified(key)
    image.sign(key, cosign)
    assert image.verified(key)
    attach(image.to, subject, [replace(note, content=b"another")])
    assert image.verified(key)


NO_LOG = ("--yes", "--use-signing-config=false", "--tlog-upload=false")


def attest(cosign: Cosign, image: Pushed, key: Path) -> None:
    (cosign.folder / "predicate").write_text("{}")
    done = cosign.run(
        "attest",
        *("--key", str(key), *NO_LOG, "--type", "custom", "--predicate", "predicate"),
        f"{image.place}@{image.digest}",
    )
    assert done.returncode == 0, done.stderr


def test_keys_of_others(image: Pushed, cosign: Cosign) -> None:
    keys = []
    for name, kind, option in (
        ("rsa", "RSA", "rsa_keygen_bits:2048"),
        ("p384", "EC", "ec_paramgen_curve:P-384"),
    ):
        pem = cosign.folder / f"{name}.pem"
        program("openssl", "genpkey", "-algorithm", kind, "-pkeyopt", option, "-out", pem)
        done = image.cosigns[-1].run("import-key-pair", "--key", str(pem), "--output-key-prefix", name)
        assert done.returncode == 0, done.stderr
        keys.append(cosign.folder / f"{name}.key")
    rsa, p384 = keys
    image.sign(rsa, cosign)
    assert image.verified(rsa)
    with pytest.raises(UsageError) as caught:
        image.sign(p384, cosign)
    assert (
        str(caught.value) == f"`{p384}` is a key of a kind with which cosign 2 and 3 do not verify the same"
    )
