"""The bytes of a locked file are held against all that its lock says of them, cached or not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from mlimage.digest import Digest
from mlimage.errors import BuildError, LockError
from mlimage.lock.filenames import names_deb, names_wheel
from mlimage.lock.identity import check_identity
from mlimage.lock.model import Deb, ImageLayer, LockedPackage
from support import locks
from support.debs import write_deb
from support.wheels import make_wheel

SAYS = "the lock says that"
GIT = "`git_2.0-1_amd64.deb`"
SCRIPT = Digest.of(b"echo {version}\n")
LAYER = "application/vnd.oci.image.layer.v1.tar"


def a_deb(folder: Path) -> tuple[Deb, Path]:
    path = write_deb(folder, package="git", version="1:2.0-1", scripts={"postinst": "echo 1:2.0-1\n"})
    deb = replace(locks.deb("git", "1:2.0-1"), path="pool/main/g/git/git_2.0-1_amd64.deb")
    deb = replace(deb, postinst=SCRIPT)
    return replace(deb, sha256=Digest.of_file(path), size=path.stat().st_size), path


def a_wheel(folder: Path) -> tuple[LockedPackage, Path]:
    path = make_wheel(folder, "numpy", "2.4.6", {"numpy.py": b""})
    package = replace(locks.package("numpy", "2.4.6"), file=path.name)
    return replace(package, sha256=Digest.of_file(path), size=path.stat().st_size), path


def a_layer(folder: Path, begin: bytes, kind: str) -> tuple[ImageLayer, Path]:
    path = folder / "blob"
    path.write_bytes(begin + bytes(8))
    layer = ImageLayer(
        media_type=LAYER + kind, digest=Digest.of_file(path), size=len(begin) + 8, diff_id=Digest.of(b"")
    )
    return layer, path


def test_what_is_as_the_lock_says(tmp_path: Path) -> None:
    check_identity(*a_deb(tmp_path))
    check_identity(*a_wheel(tmp_path))
    check_identity(replace(a_deb(tmp_path)[0], postinst=None), a_deb(tmp_path)[1])  # dpkg runs it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 5}, "the lock says that `git_2.0-1_amd64.deb` has 5 bytes, and it has {size}"),
        ({"name": "gitk"}, f"{SAYS} the package of {GIT} is `gitk`, and it is `git`"),
        ({"version": "2.0-1"}, f"{SAYS} the version of {GIT} is `2.0-1`, and it is `1:2.0-1`"),
        ({"architecture": "all"}, f"{SAYS} the architecture of {GIT} is `all`, and it is `amd64`"),
        (
            {"postinst": Digest.of(b"")},
            f"{SAYS} the postinst of {GIT} is `{Digest.of(b'')}`, and it is `{SCRIPT}`",
        ),
    ],
)
def test_a_deb_that_is_another(change: dict[str, object], message: str, tmp_path: Path) -> None:
    deb, path = a_deb(tmp_path)
    with pytest.raises(LockError) as caught:
        check_identity(replace(deb, **change), path)  # type: ignore[arg-type] # one field, of its own type
    assert str(caught.value) == message.replace("{size}", str(deb.size))
    assert caught.value.exit_status == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 5}, "the lock says that `numpy-2.4.6-py3-none-any.whl` has 5 bytes, and it has {size}"),
        (
            {"version": Version("2.4.5"), "file": "numpy-2.4.5-py3-none-any.whl"},
            "the metadata of `numpy-2.4.5-py3-none-any.whl` says that it is `numpy` `2.4.6`",
        ),
        (
            {"name": "scipy", "file": "scipy-2.4.6-py3-none-any.whl"},
            "the metadata of `scipy-2.4.6-py3-none-any.whl` says that it is `numpy` `2.4.6`",
        ),
    ],
)
def test_a_wheel_that_is_another(change: dict[str, object], message: str, tmp_path: Path) -> None:
    package, path = a_wheel(tmp_path)
    with pytest.raises(LockError) as caught:
        check_identity(replace(package, **change), path)  # type: ignore[arg-type] # one field, of its own type
    assert str(caught.value) == message.replace("{size}", str(package.size))
    assert caught.value.hint == (
        "lock files are not edited by hand: restore the folder from version control, "
        "or delete it and run `mlimage lock`"
    )


@pytest.mark.parametrize("kind", ["", "+gzip", "+zstd"])
@pytest.mark.parametrize(
    ("begin", "own"),
    [
        (b"etc/", ""),
        (b"\x1f\x8b", "+gzip"),
        (b"\x28\xb5\x2f\xfd", "+zstd"),
        (b"\x50\x2a\x4d\x18", "+zstd"),
        (b"\x5f\x2a\x4d\x18", "+zstd"),
    ],
)
def test_how_a_layer_is_packed(begin: bytes, own: str, kind: str, tmp_path: Path) -> None:
    layer, path = a_layer(tmp_path, begin, kind)
    if kind == own:
        check_identity(layer, path)
        return
    with pytest.raises(LockError) as caught:
        check_identity(layer, path)
    assert str(caught.value) == f"the lock says that layer {layer.digest} is `{LAYER}{kind}`, and it is not"


@pytest.mark.parametrize("make", [a_deb, a_wheel])
def test_a_file_that_is_none_of_its_kind(make: Callable[[Path], tuple[Deb, Path]], tmp_path: Path) -> None:
    item, path = make(tmp_path)
    path.write_bytes(b"x" * item.size)
    with pytest.raises((LockError, BuildError)):
        check_identity(item, path)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("numpy-2.4.6-py3-none-any.whl", True),
        ("NumPy-2.4.6-1-py3-none-any.whl", True),
        ("numpy-2.4.6.0-py3-none-any.whl", True),
        ("numpy-2.4.60-py3-none-any.whl", False),
        ("numpy-2.4.6+local-py3-none-any.whl", False),
        ("numpy-2.4.6.whl", False),
    ],
)
def test_what_a_wheel_s_name_says(file: str, *, named: bool) -> None:
    assert names_wheel(file, "numpy", Version("2.4.6")) is named


@pytest.mark.parametrize(
    ("path", "version", "named"),
    [
        ("pool/main/g/git/git_2.0-1_amd64.deb", "2.0-1", True),
        ("pool/main/g/git/git_2.0-1_amd64.deb", "1:2.0-1", True),
        ("pool/main/g/git/git_1:2.0-1_amd64.deb", "1:2.0-1", False),
        ("pool/main/g/git/git_2.0-1_all.deb", "2.0-1", False),
        ("pool/main/g/git/gitk_2.0-1_amd64.deb", "2.0-1", False),
        ("pool/git_2.0-1_amd64.deb/other", "2.0-1", False),
    ],
)
def test_what_a_deb_s_name_says(path: str, version: str, *, named: bool) -> None:
    assert names_deb(path, "git", version, "amd64") is named
