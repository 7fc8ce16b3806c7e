"""The docker engine, as far as it goes without Docker."""

from dataclasses import replace

import pytest

from mlimage.content.entry import Entry, directory, file_of_bytes, symlink
from mlimage.engines.docker.engine import check_app
from mlimage.engines.docker.recut import Recut
from mlimage.errors import BuildError
from support.sealing import plan_of

PLAN = plan_of(["app"])
APP = (
    directory("app", origin="test"),
    file_of_bytes("app/a", b"1", origin="test"),
    symlink("app/l", "a", origin="test"),
)


def saw(*entries: Entry) -> Recut:
    return Recut(by_package={}, by_layer={"app": entries}, dropped=())


def test_buildkit_saw_the_application_that_is_there() -> None:
    check_app(PLAN, saw(*APP[1:]), {"app": APP})


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        (APP[:2], "`/app/l`"),
        ((*APP, file_of_bytes("app/new", b"", origin="test")), "`/app/new`"),
        ((*APP[:2], symlink("app/l", "b", origin="test")), "`/app/l`"),
        ((APP[2], replace(APP[1], mode=0o755)), "`/app/a`"),
        ((APP[2], file_of_bytes("app/a", b"12", origin="test")), "`/app/a`"),
        ((), "`/app/a`, `/app/l`"),
        (
            (*APP, *(file_of_bytes(f"app/{number}", b"", origin="test") for number in range(8))),
            "`/app/0`, `/app/1`, `/app/2`, `/app/3`, `/app/4` and 3 more",
        ),
    ],
)
def test_or_another_one(entries: tuple[Entry, ...], named: str) -> None:
    with pytest.raises(BuildError) as caught:
        check_app(PLAN, saw(*entries), {"app": APP})
    assert (caught.value.message, caught.value.hint) == (
        f"BuildKit saw other files of the application than are there: {named}",
        "did they change during the build? else report it as a defect of mlimage",
    )
