"""The index of all images of a name, the tag of their content, and where they go."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlimage.content.entry import file_of_bytes
from mlimage.errors import UsageError
from mlimage.oci.model import SealedImage
from mlimage.oci.store import Store
from mlimage.platforms import LINUX_ARM64
from mlimage.release.index import Member, content_tag, index_of
from mlimage.release.target import repository_of, tag_of
from mlimage.spec.tags import ImageTag
from support.sealing import CREATED, sealed


def images(folder: Path) -> tuple[SealedImage, SealedImage]:
    store = Store(folder)
    return (
        sealed(store, app=[file_of_bytes("app", b"one", origin="t")]),
        sealed(store, variant="cuda", app=[file_of_bytes("app", b"two", origin="t")]),
    )


def test_whoever_knows_nothing_of_variants_takes_the_first(tmp_path: Path) -> None:
    cpu, cuda = images(tmp_path)
    there = replace(cpu, platform=LINUX_ARM64)
    members = [
        Member(image=cuda, tag=ImageTag(variant="cuda12"), accelerator="cuda", driver="525.60.13"),
        Member(image=cpu, tag=ImageTag(variant="cpu", role="train"), accelerator="cpu"),
        Member(image=cpu, tag=ImageTag(variant="cpu", role="serve"), accelerator="cpu"),
        Member(image=there, tag=ImageTag(variant="cpu", platform=LINUX_ARM64), accelerator="cpu"),
    ]
    found = json.loads(index_of(members, title="demo"))
    assert [
        (each["platform"]["architecture"], *(each["annotations"].items())) for each in found["manifests"]
    ] == [
        (
            "amd64",
            ("dev.mlimage.accelerator", "cpu"),
            ("dev.mlimage.role", "serve"),
            ("dev.mlimage.variant", "cpu"),
        ),
        ("arm64", ("dev.mlimage.accelerator", "cpu"), ("dev.mlimage.variant", "cpu")),
        (
            "amd64",
            ("dev.mlimage.accelerator", "cpu"),
            ("dev.mlimage.role", "train"),
            ("dev.mlimage.variant", "cpu"),
        ),
        (
            "amd64",
            ("dev.mlimage.accelerator", "cuda"),
            ("dev.mlimage.min-driver", "525.60.13"),
            ("dev.mlimage.variant", "cuda12"),
        ),
    ]
    assert found["annotations"] == {"org.opencontainers.image.title": "demo"}
    assert index_of(members, title="demo") == index_of(members, title="demo")


def test_the_tag_tells_the_content(tmp_path: Path) -> None:
    cpu, cuda = images(tmp_path)
    tag = content_tag([cpu, cuda], CREATED)
    assert tag == content_tag([cuda, cpu, cpu], CREATED)
    assert tag != content_tag([cpu], CREATED)
    assert tag.startswith("20260504-")
    assert len(tag) == len("20260504-") + 12
    assert tag_of(tag) == tag


@pytest.mark.parametrize(
    ("place", "repository"),
    [
        ("ghcr.io/acme", "ghcr.io/acme/churn"),
        ("https://GHCR.io/acme/", "ghcr.io/acme/churn"),
        ("localhost:5000", "localhost:5000/churn"),
        ("localhost/a/b", "localhost/a/b/churn"),
        ("registry.example.com:8443/team-x/sub__y", "registry.example.com:8443/team-x/sub__y/churn"),
        ("index.docker.io/acme", "docker.io/acme/churn"),
    ],
)
def test_where_it_goes(place: str, repository: str) -> None:
    reference = repository_of(place, "churn")
    assert f"{reference.registry}/{reference.repository}" == repository


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        ("", "--to: `` is no place of a registry", "write it as `ghcr.io/acme`, in lower case"),
        (
            "ghcr.io/Acme",
            "--to: `ghcr.io/Acme` is no place of a registry",
            "write it as `ghcr.io/acme`, in lower case",
        ),
        (
            "user:pw@ghcr.io/acme",
            "--to: a place of a registry has no user name, password or digest",
            "write it as `ghcr.io/acme`; `docker login ghcr.io` keeps your login",
        ),
        ("acme", "--to: `acme` names no registry", "for Docker Hub write `docker.io/acme`"),
        ("acme/x", "--to: `acme/x` names no registry", "for Docker Hub write `docker.io/acme/x`"),
        ("docker.io", "--to: Docker Hub has images below the name of a user", "write `docker.io/USER`"),
    ],
)
def test_what_is_no_place(place: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        repository_of(place, "churn")
    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize("tag", ["", "-x", "a b", "a:b", "ä", "x" * 129])
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(UsageError) as caught:
        tag_of(tag)
    assert str(caught.value) == f"--tag: `{tag}` is no tag"
