"""What provenance says, and of which revision; what it does not say of the machine."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlimage.oci.model import SealedImage
from mlimage.process import Command, Completed, run
from mlimage.release.provenance import provenance
from mlimage.release.revision import Revision, public_url, revision_of
from mlimage.spec.tags import ImageTag
from support import locks
from support.attesting import lock_of_all, lock_on_image
from support.locks import CPU, digest_of

INPUTS = ("images/churn", "lockfiles/churn")


def statement(image: SealedImage, tag: ImageTag = CPU, revision: Revision | None = None) -> dict[str, Any]:
    content = provenance(image, lock_of_all(), tag, spec=digest_of("spec"), revision=revision)
    return dict(json.loads(content))


def test_what_it_says(pushable: SealedImage) -> None:
    found = statement(pushable, ImageTag(variant="cpu", role="serve"))
    assert found["subject"] == [{"name": "digits:cpu-serve", "digest": {"sha256": pushable.digest.hex}}]
    definition = found["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "image": "digits",
        "spec": digest_of("spec"),
        "variant": "cpu",
        "platform": "linux/amd64",
        "role": "serve",
    }
    assert [each["name"] for each in definition["resolvedDependencies"]] == [
        "lock",
        "lockfiles/digits/base.toml",
        "lockfiles/digits/cpu.txt",
        "lockfiles/digits/cpu.toml",
    ]
    assert definition["resolvedDependencies"][0]["digest"] == {"sha256": lock_of_all().digest.hex}


def test_a_revision_that_only_this_machine_has(pushable: SealedImage) -> None:
    revision = Revision(commit="1" * 40, repository=None, changed=True)
    [source, *_] = statement(pushable, revision=revision)["predicate"]["buildDefinition"][
        "resolvedDependencies"
    ]
    assert source == {
        "name": "source",
        "digest": {"gitCommit": "1" * 40},
        "annotations": {"changed": True},
    }


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://git.example/acme/churn.git", "git+https://git.example/acme/churn.git"),
        ("https://anna:s3cret@git.example:8443/churn", "git+https://git.example:8443/churn"),
        ("https://anna:s3c/ret@git.example/churn", "git+https://git.example/churn"),
        ("https://s3cret@git.example/churn?token=s3cret#s3cret", "git+https://git.example/churn"),
        ("ssh://anna@git.example:2222/acme/churn.git", "git+ssh://git.example:2222/acme/churn.git"),
        ("git@git.example:acme/churn.git", "git+ssh://git.example/acme/churn.git"),
        ("git.example:acme/churn.git", "git+ssh://git.example/acme/churn.git"),
        ("git://git.example/churn", "git://git.example/churn"),
        ("/home/anna/churn.git", None),
        ("../churn", None),
        ("file:///home/anna/churn.git", None),
        ("C:\\Users\\anna\\churn", None),
        ("C:/Users/anna/churn", None),
        ("host:folder\\churn", None),
        ("ext::sh -c whoami", None),
        ("https://[", None),
        ("", None),
    ],
)
def test_remotes(remote: str, expected: str | None) -> None:
    assert public_url(remote) == expected


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose files are all committed."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    root = tmp_path / "project"
    for folder in INPUTS:
        (root / folder).mkdir(parents=True)
        (root / folder / "file").write_text("1\n")
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path) -> None:
    git(root, "add", ".")
    named = ("-c", "user.name=Anna", "-c", "user.email=anna@example.com", "-c", "commit.gpgsign=false")
    git(root, *named, "commit", "--quiet", "--message", "x")


def asked(root: Path) -> tuple[Revision | None, list[str]]:
    notes: list[str] = []
    return revision_of(root, INPUTS, run=run, note=notes.append), notes


def test_a_clean_checkout(checkout: Path) -> None:
    git(checkout, "remote", "add", "origin", "https://anna:s3cret@git.example/churn.git")
    (checkout / "models").mkdir()
    (checkout / "models/model.bin").touch()  # is in no image
    head = git(checkout, "rev-parse", "HEAD")
    revision = Revision(commit=head, repository="git+https://git.example/churn.git", changed=False)
    assert asked(checkout) == (revision, [])


@pytest.mark.parametrize("how", ["changed", "new", "deleted", "staged", "never added"])
def test_what_is_not_that_of_the_commit(checkout: Path, how: str) -> None:
    file = checkout / "images/churn/file"
    match how:
        case "changed":
            file.write_text("2\n")
        case "new":
            (file.parent / "other").touch()
        case "deleted":
            file.unlink()
        case "staged":
            file.write_text("2\n")
            git(checkout, "add", ".")
        case "never added":
            (checkout / ".gitignore").write_text("lockfiles\n")
            git(checkout, "rm", "--quiet", "-r", "--cached", "lockfiles")
            commit(checkout)
    revision, notes = asked(checkout)
    assert revision is not None
    assert (revision.changed, notes) == (True, [])


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert asked(tmp_path) == (None, [])


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert asked(tmp_path) == (
        None,
        ["the provenance names no revision, because git says: Needed a single revision"],
    )


def test_no_git(tmp_path: Path) -> None:
    def missing(_: Command) -> Completed:
        raise FileNotFoundError

    assert revision_of(tmp_path, INPUTS, run=missing, note=lambda _: None) is None


def test_nothing_of_the_machine(pushable: SealedImage, checkout: Path) -> None:
    git(checkout, "remote", "add", "origin", str(checkout))
    revision, _ = asked(checkout)
    content = provenance(
        pushable, lock_on_image(), locks.CPU, spec=digest_of("spec"), revision=revision
    ).decode()
    host, user = os.uname().nodename, str(Path.home())
    assert not [each for each in (str(checkout), "Anna", "anna", host, user) if each in content]
