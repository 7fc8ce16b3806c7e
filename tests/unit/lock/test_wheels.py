"""Which file of a version is locked."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlimage.content.interpreter import Target
from mlimage.errors import ResolveError
from mlimage.lock import wheels
from mlimage.lock.files import IndexFile
from mlimage.lock.wheels import candidates, choose
from support.locks import digest_of

TARGET = Target(
    markers={},
    tags=(
        "cp311-cp311-manylinux_2_36_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-abi3-manylinux_2_17_x86_64",
        "py3-none-any",
    ),
    version="3.11.2",
    glibc="2.36",
)


def offered(filename: str, **says: object) -> IndexFile:
    file = IndexFile(
        index="default",
        project=canonicalize_name(filename.partition("-")[0]),
        filename=filename,
        url=f"https://packages.example.com/{filename}",
        sha256=digest_of(filename),
    )
    return replace(file, **says)  # type: ignore[arg-type]  # the fields that a test names


def chosen(*files: IndexFile, version: str = "1.0", as_of: datetime | None = None) -> str | None:
    found = choose(candidates(files, TARGET, as_of), Version(version))
    return found.file.filename if found else None


def test_the_best_tag_wins_over_the_highest_build() -> None:
    assert (
        chosen(
            offered("a-1.0-9-py3-none-any.whl"),
            offered("a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"),
            offered("a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl"),
            offered("a-1.0-cp312-cp312-manylinux_2_36_x86_64.whl"),
            offered("a-1.0-cp311-cp311-win_amd64.whl"),
        )
        == "a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl"
    )


def test_of_equal_tags_the_highest_build_wins() -> None:
    assert (
        chosen(
            offered("a-1.0-py3-none-any.whl"),
            offered("a-1.0-2-py3-none-any.whl"),
            offered("a-1.0-10-py3-none-any.whl"),
        )
        == "a-1.0-10-py3-none-any.whl"
    )


def test_one_that_was_not_withdrawn_wins() -> None:
    yanked = offered("a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl", yanked="broken")
    assert chosen(yanked, offered("a-1.0-py3-none-any.whl")) == "a-1.0-py3-none-any.whl"
    assert chosen(yanked) == yanked.filename


def test_what_the_target_cannot_install() -> None:
    assert chosen(offered("a-1.0-py3-none-any.whl", requires_python=">=3.12")) is None
    assert chosen(offered("a-1.0-py3-none-any.whl", requires_python=">=3.11.2,<4")) is not None
    assert chosen(offered("a-1.0-py3-none-any.whl", requires_python="not a specifier")) is not None
    assert chosen(offered("a-1.0.tar.gz")) is None
    assert chosen(offered("a-nonsense.whl")) is None
    assert chosen(offered("a-1.1-py3-none-any.whl")) is None


def test_files_after_the_date_of_the_lock_do_not_count() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    late = offered("a-1.0-2-py3-none-any.whl", upload_time=datetime(2026, 1, 2, tzinfo=UTC))
    early = offered("a-1.0-1-py3-none-any.whl", upload_time=at)
    undated = offered("a-1.0-0-py3-none-any.whl")
    assert chosen(late, early, undated, as_of=at) == early.filename
    assert chosen(late, early, undated) == late.filename
    assert chosen(late, undated, as_of=at) == undated.filename


def test_local_versions_are_other_versions() -> None:
    public, local = offered("torch-2.13.0-py3-none-any.whl"), offered("torch-2.13.0+cpu-py3-none-any.whl")
    assert chosen(local, public, version="2.13.0") == public.filename
    assert chosen(public, local, version="2.13.0+cpu") == local.filename


def test_all_that_fits_is_hashed_and_what_has_no_digest_is_refused() -> None:
    best, other = offered("a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl"), offered("a-1.0-py3-none-any.whl")
    foreign, nameless = (
        offered("a-1.0-cp312-cp312-win32.whl"),
        offered("a-1.0-0-py3-none-any.whl", sha256=None),
    )
    found = choose(candidates([other, foreign, best, nameless], TARGET, None), Version("1.0"))
    assert found is not None
    assert found.sha256 == best.sha256
    assert found.hashes == tuple(sorted([digest_of(best.filename), digest_of(other.filename)]))
    with pytest.raises(ResolveError) as caught:
        choose(candidates([replace(best, sha256=None), other], TARGET, None), Version("1.0"))
    assert str(caught.value) == (
        "index `default` gives no sha256 for `a-1.0-cp311-cp311-manylinux_2_36_x86_64.whl`, "
        "so it cannot be locked"
    )


def test_what_the_resolver_may_see() -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    good = offered("demo-1.0-py3-none-any.whl", upload_time=old)
    undated = offered("demo-1.1-py3-none-any.whl")
    for_target = offered("demo-1.2-cp311-cp311-manylinux_2_17_x86_64.whl")
    rest = [
        offered("demo-1.0.tar.gz"),
        offered("demo-2.0-py3-none-any.whl", upload_time=new),
        offered("demo-1.2-cp311-cp311-win_amd64.whl"),
        offered("demo.whl"),
        offered("other-1.0-py3-none-any.whl", project=canonicalize_name("demo")),
        offered("demo-1.0.exe"),
        offered("demo-1.3-py3-none-any.whl", requires_python="<3.11"),
        replace(good, sha256=digest_of("the first with a name counts")),
    ]
    tags = frozenset(tag for text in TARGET.tags for tag in parse_tag(text))
    as_of = datetime(2026, 6, 1, tzinfo=UTC)
    files = [good, *rest, undated, for_target]
    assert wheels.offered(files, as_of=as_of, tags=tags, python="3.11.2") == (good, undated, for_target)
    assert rest[1] in wheels.offered(files, as_of=None, tags=tags, python="3.11.2")
