"""Which images have the words, and what still can be done with those that have not."""

from pathlib import Path

import pytest

from mlimage.errors import RunError
from mlimage.host.ask import need_word, unanswered
from mlimage.host.session import out_of_memory
from mlimage.oci.store import Store
from support.running import small_image


def test_an_image_that_has_it(tmp_path: Path) -> None:
    labels = {"dev.mlimage.lock": "sha256:1", "dev.mlimage.runtime": "2"}
    store = Store(tmp_path)
    assert need_word(small_image(store, labels=labels), "probe", store) == labels


def test_more_memory_than_it_may_have_and_other_ends() -> None:
    memory = out_of_memory(64 << 20)
    assert unanswered("verify", "demo:cpu", 137, ["aside", memory]).message == (
        "the verify of `demo:cpu` was killed by the kernel (status 137): it used more memory than its limit "
        "of 64m; give it more with --memory"
    )
    for status in (1, 137):
        assert unanswered("verify", "demo:cpu", status, []).message == (
            f"the verify of `demo:cpu` ended with status {status}"
        )


STILL = "`mlimage inspect` and `mlimage diff` still work with it"


@pytest.mark.parametrize(
    ("labels", "message", "hint"),
    [
        (
            {},
            "`demo:cpu` was not built by mlimage: there is no `probe` in it",
            f"{STILL}; to have it, build the image from a spec: `mlimage init`",
        ),
        (
            {"dev.mlimage.lock": "sha256:1"},
            "`demo:cpu` was built by an older mlimage: there is no `probe` in it",
            f"build it again: `mlimage build demo`; {STILL}",
        ),
        (
            {"dev.mlimage.lock": "sha256:1", "dev.mlimage.runtime": "9" * 5000},
            "`demo:cpu` was built by an older mlimage: there is no `probe` in it",
            f"build it again: `mlimage build demo`; {STILL}",
        ),
        (
            {"dev.mlimage.lock": "sha256:1", "dev.mlimage.runtime": "one"},
            "`demo:cpu` was built by an older mlimage: there is no `probe` in it",
            f"build it again: `mlimage build demo`; {STILL}",
        ),
    ],
)
def test_an_image_that_has_not(labels: dict[str, str], message: str, hint: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RunError) as caught:
        need_word(small_image(store, labels=labels), "probe", store)
    assert (caught.value.message, caught.value.hint) == (message, hint)
