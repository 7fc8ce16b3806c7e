"""The text form of a lock: one text for one lock, nothing unseen, no hosts."""

import re
import resource
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from mlimage.digest import Digest
from mlimage.errors import LockError
from mlimage.lock.model import (
    AssembledBase,
    BaseLock,
    Deb,
    ImageBase,
    ImageLayer,
    Installation,
    Lock,
    LockedPackage,
    Wanted,
    WantedImage,
    WantedIndex,
)
from mlimage.lock.records import Record, read_digests, write_digests
from mlimage.lock.text import read_lock, write_lock
from mlimage.lock.toml import quoted
from mlimage.lock.writer import render_lock
from mlimage.platforms import PLATFORMS, Platform
from support import locks
from support.locks import CPU
from support.machine import ROOT

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda digest: Digest.from_hex(digest.hex()))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?", fullmatch=True)
ENV_NAMES = TEXTS.filter(lambda name: name and "=" not in name)
SIZES = st.integers(min_value=0, max_value=2**62)
VERSIONS = st.sampled_from(["1.0", "2!1.0", "1.0+cpu", "1.0rc1", "0.1.dev3", "2026.10.18"])


def sorted_texts(texts: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(texts, max_size=4).map(lambda found: tuple(sorted(found)))


@st.composite
def debs(draw: st.DrawFn, name: str, platform: Platform) -> Deb:
    architecture = draw(st.sampled_from([platform.debian, "all"]))
    version = draw(st.sampled_from(["1.0-1", "2:6.2.1+dfsg1-1.1", "0.5.12-2~deb12u1"]))
    return Deb(
        name=name,
        version=version,
        architecture=architecture,
        archive=draw(st.sampled_from(["debian", "debian-security"])),
        path=f"pool/main/{name[0]}/{name}/{name}_{version.rpartition(':')[2]}_{architecture}.deb",
        size=draw(SIZES),
        sha256=draw(DIGESTS),
        postinst=draw(st.none() | DIGESTS),
    )


@st.composite
def packages(draw: st.DrawFn, name: str) -> LockedPackage:
    version = draw(VERSIONS)
    sha256 = draw(DIGESTS)
    return LockedPackage(
        name=name,
        version=Version(version),
        index=draw(st.sampled_from(["default", "pytorch-cpu"])),
        file=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
        sha256=sha256,
        size=draw(SIZES),
        hashes=tuple(sorted({sha256, *draw(st.sets(DIGESTS, max_size=2))})),
        required_by=draw(sorted_texts(NAMES | NAMES.map(lambda name: f"-r {name}"))),
        license=draw(st.sampled_from(["", "MIT", "BSD-3-Clause OR Apache-2.0"])),
    )


@st.composite
def bases(draw: st.DrawFn, names: list[str]) -> BaseLock:
    platform = draw(st.sampled_from(PLATFORMS))
    if draw(st.booleans()):
        return AssembledBase(
            suite="bookworm",
            platform=platform,
            python="3.11",
            packages=draw(sorted_texts()),
            debs=tuple(draw(debs(name, platform)) for name in names),
        )
    return ImageBase(
        reference=draw(DIGESTS),
        repository=draw(st.sampled_from(["library/python", "a", "team-x/sub__y/z.w"])),
        index=draw(DIGESTS),
        manifest=draw(DIGESTS),
        config=draw(DIGESTS),
        platform=platform,
        python="3.11",
        installation=Installation(
            version=draw(st.sampled_from(["3.11.2", "3.14.0rc1", "3.11.9+chromium.1"])),
            program=draw(st.sampled_from(["usr/bin/python3.11", "opt/my python/bin/python3.11"])),
            glibc="2.36",
            library=draw(st.sampled_from(["usr/lib/python3.11", "usr/lib64/python3.11"])),
            bytecode=draw(st.booleans()),
        ),
        env=tuple(sorted(draw(st.dictionaries(ENV_NAMES, TEXTS, max_size=3)).items())),
        layers=tuple(draw(st.lists(layers(), max_size=3))),
        packages=draw(sorted_texts()),
        debs=tuple(draw(debs(name, platform)) for name in names),
    )


@st.composite
def layers(draw: st.DrawFn) -> ImageLayer:
    return ImageLayer(
        media_type="application/vnd.oci.image.layer.v1.tar" + draw(st.sampled_from(["", "+gzip", "+zstd"])),
        digest=draw(DIGESTS),
        size=draw(SIZES),
        diff_id=draw(DIGESTS),
    )


@st.composite
def any_lock(draw: st.DrawFn) -> Lock:
    names = sorted(draw(st.sets(NAMES.filter(lambda name: len(name) > 1), max_size=4)))
    base = draw(bases(names))
    image = WantedImage(reference=draw(DIGESTS), name=draw(TEXTS)) if isinstance(base, ImageBase) else None
    return Lock(
        image=draw(NAMES),
        variant=draw(NAMES),
        base=base,
        packages=tuple(draw(packages(name)) for name in names),
        wanted=Wanted(
            python="3.11",
            platform=base.platform,
            split=draw(st.booleans()),
            suite=None if image else "bookworm",
            image=image,
            packages=draw(sorted_texts()),
            requirements=draw(sorted_texts()),
            indexes=tuple(
                WantedIndex(name=draw(TEXTS), url=draw(DIGESTS), packages=draw(sorted_texts()))
                for _ in range(draw(st.integers(0, 2)))
            ),
        ),
        as_of=draw(
            st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
                lambda time: time.replace(microsecond=0, tzinfo=UTC)
            )
        ),
        tools=tuple(sorted(draw(st.dictionaries(NAMES, TEXTS, max_size=3)).items())),
    )


@settings(max_examples=40, deadline=None)
@given(lock=any_lock())
def test_what_is_written_is_read(lock: Lock, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("locks") / lock.image
    write_lock(folder, lock)
    assert read_lock(folder, lock.tag) == lock


@given(text=TEXTS)
def test_any_text_is_quoted(text: str) -> None:
    import tomllib

    assert tomllib.loads(f"key = {quoted(text)}") == {"key": text}


def write(folder: Path, lock: Lock | None = None) -> Path:
    written = lock or locks.lock([locks.package("numpy"), locks.package("scipy")])
    target = folder / written.image
    write_lock(target, written)
    return target


def test_the_same_lock_is_not_written_again(tmp_path: Path) -> None:
    lock = locks.lock([locks.package("numpy")])
    assert [path.name for path in write_lock(tmp_path, lock)] == ["base.toml", "cpu.txt", "cpu.toml"]
    assert write_lock(tmp_path, lock) == ()
    moved = replace(lock, as_of=datetime(2027, 1, 1, tzinfo=UTC))
    assert [path.name for path in write_lock(tmp_path, moved)] == ["cpu.toml"]


def test_files_are_readable_whatever_the_umask(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


ON_IMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "a repository with a host": (
        lambda text: text.replace("library/python", "https://example.com/python"),
        "digits/base.toml:4: `repository` must be the path of an image in a registry",
    ),
    "a program elsewhere": (
        lambda text: text.replace("usr/local/bin/", "../bin/"),
        "digits/base.toml:16: `program` must be the path of a program in the image",
    ),
    "a variable without a value": (
        lambda text: text.replace("LANG=C.UTF-8", "LANG"),
        "digits/base.toml:12: `env` must be a list of `NAME=VALUE`",
    ),
    "a layer of Docker's kind": (
        lambda text: text.replace("application/vnd.oci.image.layer.v1.tar+gzip", "application/x"),
        "digits/base.toml:22: `media_type` must be the media type of an OCI layer",
    ),
    "a digest": (
        lambda text: text.replace(locks.digest_of("debian.tar"), locks.digest_of("evil.tar")),
        "digits/cpu.toml:8: `base.toml` is not the one that this lock was made with",
    ),
}


@pytest.mark.parametrize("edit", ON_IMAGE)
def test_a_base_that_was_changed_by_hand(edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    change, message = ON_IMAGE[edit]
    folder = write(tmp_path, locks.on_image(locks.lock(), locks.image_base()))
    path = folder / "base.toml"
    path.write_text(change(path.read_text()))
    with pytest.raises(LockError) as caught:
        read_lock(folder, CPU)
    assert str(caught.value) == message


EDITS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "a pin in the text": (
        "cpu.txt",
        lambda text: text.replace("numpy==1.0", "numpy==1.1"),
        "digits/cpu.txt:4: changed by hand, or not as this mlimage writes it",
    ),
    "a hash in the text": (
        "cpu.txt",
        lambda text: re.sub(
            r"sha256:\w{4}", "sha256:0000", text.replace("# inputs: sha256", "# inputs: SHA")
        ),
        "digits/cpu.txt:3: changed by hand, or not as this mlimage writes it",
    ),
    "a package less in the text": (
        "cpu.txt",
        lambda text: text[: text.index("scipy")],
        "digits/cpu.txt:7: changed by hand, or not as this mlimage writes it",
    ),
    "a version in the table": (
        "cpu.toml",
        lambda text: text.replace('version = "1.0"', 'version = "1.1"', 1),
        "digits/cpu.toml:24: `file` does not match `numpy` 1.1",
    ),
    "a comment": (
        "cpu.toml",
        lambda text: text + "# mine\n",
        "digits/cpu.toml:37: changed by hand, or not as this mlimage writes it",
    ),
    "an unknown key": (
        "cpu.toml",
        lambda text: text.replace("index = ", 'mirror = "m"\nindex = ', 1),
        "digits/cpu.toml:23: unknown key `mirror`",
    ),
    "a missing key": (
        "cpu.toml",
        lambda text: text.replace("size = 10000\n", "", 1),
        "digits/cpu.toml:20: `size` is missing",
    ),
    "another type": (
        "cpu.toml",
        lambda text: text.replace("size = 10000", 'size = "10000"', 1),
        "digits/cpu.toml:25: `size` must be a whole number, 0 or more",
    ),
    "no digest": (
        "cpu.toml",
        lambda text: re.sub(r'sha256 = "sha256:\w+"', 'sha256 = "sha256:0"', text, count=1),
        "digits/cpu.toml:26: `sha256` must be `sha256:` and 64 hexadecimal digits",
    ),
    "a requirement of the inputs": (
        "cpu.toml",
        lambda text: text.replace('requirements = ["numpy", "scipy"]', 'requirements = ["numpy"]'),
        "digits/cpu.toml:6: `inputs` is not the digest of the table `wanted`",
    ),
    "the order": (
        "cpu.toml",
        lambda text: text.replace('"numpy"', '"zumpy"').replace("numpy-", "zumpy-"),
        "digits/cpu.toml:1: `scipy` stands after `zumpy`: packages are listed once, in order",
    ),
    "another image's lock": (
        "cpu.toml",
        lambda text: text.replace('image = "digits"', 'image = "other"'),
        "digits/cpu.toml:4: this is the lock of `other:cpu`, not of `digits:cpu`",
    ),
    "a deb less": (
        "base.toml",
        lambda text: text[: text.rindex("\n[[deb]]")],
        "digits/cpu.toml:8: `base.toml` is not the one that this lock was made with",
    ),
    "a path that leaves the archive": (
        "base.toml",
        lambda text: text.replace("pool/main/l/libc6/", "../../", 1),
        "digits/base.toml:14: `path` must be a path in the archive's pool",
    ),
    "a host": (
        "base.toml",
        lambda text: text.replace("pool/main/l/libc6/", "https://example.com/", 1),
        "digits/base.toml:14: `path` must be a path in the archive's pool",
    ),
    "a file elsewhere": (
        "cpu.toml",
        lambda text: text.replace('file = "numpy', 'file = "../numpy'),
        "digits/cpu.toml:24: `file` must be a wheel's file name",
    ),
    "no TOML": (
        "cpu.toml",
        lambda text: text.replace('image = "digits"', "image = digits"),
        "digits/cpu.toml:4:9: not a lock file: invalid value",
    ),
    "a merge conflict": (
        "cpu.toml",
        lambda text: text.replace("[tools]", "<<<<<<< HEAD\n[tools]"),
        "digits/cpu.toml:10: merge conflict",
    ),
    "a newer format": (
        "cpu.toml",
        lambda text: text.replace("format = 1", "format = 2"),
        "this lock has format 2, and this mlimage reads format 1",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits_are_seen(edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path)
    name, change, message = EDITS[edit]
    before = (folder / name).read_text()
    (folder / name).write_text(change(before))
    assert (folder / name).read_text() != before
    with pytest.raises(LockError) as caught:
        read_lock(folder, CPU)
    assert str(caught.value) == message
    assert caught.value.hint


def test_lists_of_packages_go_when_nothing_reads_them(tmp_path: Path) -> None:
    whole = locks.lock([locks.package("numpy")])
    split = replace(whole, wanted=replace(whole.wanted, split=True))
    folder = tmp_path / "digits"
    for lock, lists in (
        (whole, {"cpu.txt"}),
        (split, {"cpu-serve.txt", "cpu-train.txt"}),
        (whole, {"cpu.txt"}),
    ):
        write_lock(folder, locks.for_arm64(lock))
        write_lock(folder, lock)
        arm64 = {name.replace(".txt", "-arm64.txt") for name in lists}
        assert {path.name for path in folder.glob("*.txt")} == lists | arm64
        assert read_lock(folder, lock.tag) == lock


def test_a_missing_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LockError) as caught:
        read_lock(tmp_path / "digits", CPU)
    assert str(caught.value) == "digits/cpu.toml: `digits` has no lock for `cpu`"
    assert caught.value.hint == "`mlimage lock digits` writes it"
    folder = write(tmp_path)
    (folder / "cpu.txt").unlink()
    with pytest.raises(LockError) as caught:
        read_lock(folder, CPU)
    assert str(caught.value) == "`digits/cpu.txt` is missing"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "cpu.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(LockError, match="not UTF-8"):
        read_lock(folder, CPU)


def test_records_are_read_as_written(tmp_path: Path) -> None:
    records = [
        Record(
            tags=("cpu",),
            layer=name,
            key=locks.digest_of(name),
            diff_id=locks.digest_of(f"{name} tar"),
            digest=locks.digest_of(f"{name} blob"),
            size=7,
            unpacked=28,
        )
        for name in ("numpy", "base")
    ]
    assert read_digests(tmp_path) == ()
    write_digests(tmp_path, "cpu", records)
    assert read_digests(tmp_path) == (records[1], records[0])


def _leaks(text: str) -> list[str]:
    """Hosts, URLs, credentials and absolute paths."""
    return re.findall(
        r"\w+://\S+|\S+@\S+\.\S+|\S*\.(?:org|com|net|io)\b\S*"
        r"|[\"' ]/(?:home|root|tmp|work|opt|etc|usr|var)\S*",
        text,
    )


def test_no_hosts_and_no_paths_in_a_lock() -> None:
    for text in render_lock(locks.lock([locks.package("numpy")])).values():
        assert _leaks(text) == []
    for path in sorted((ROOT / "lockfiles").rglob("*.*")):
        # Arrays and models are no texts, and any two of their bytes may look like something.
        if path.suffix not in {".npy", ".npz", ".pt", ".h5"}:
            assert _leaks(path.read_text()) == [], path


def test_the_leak_test_sees_leaks() -> None:
    assert _leaks('path = "https://example.com/pool"') != []
    assert _leaks('mirror = "/opt/wheels"') != []
    assert _leaks('host = "pypi.example.org"') != []
    assert _leaks("numpy @ user:secret@host.example") != []


def test_a_lock_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    write_lock(tmp_path, locks.lock([locks.package("numpy")]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    many = [locks.package(f"package-{number:03}") for number in range(500)]
    new = replace(locks.lock(many), base=locks.base("libc6"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # as a full disk: the base still fits
    try:
        with pytest.raises(OSError, match="File too large"):
            write_lock(tmp_path, new)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
