"""What a build gave against `digests.toml`."""

from dataclasses import replace

import pytest

from mlimage.engines.recorded import compare
from mlimage.errors import BuildError
from mlimage.lock.records import Record
from support.locks import digest_of

NUMPY = Record(
    tags=("cpu",),
    layer="numpy",
    key=digest_of("key"),
    diff_id=digest_of("content"),
    digest=digest_of("packed"),
    size=100,
    unpacked=400,
)


def test_equal() -> None:
    assert compare([NUMPY], [NUMPY], name="digits:cpu") == ()


def test_a_layer_of_other_inputs_is_named_as_unknown() -> None:
    upgraded = replace(NUMPY, key=digest_of("other key"), diff_id=digest_of("other content"))
    assert compare([NUMPY], [upgraded], name="digits:cpu") == ("numpy",)


def test_another_name_for_the_same_layer_is_no_difference() -> None:
    assert compare([NUMPY], [replace(NUMPY, layer="packages-03")], name="digits:cpu") == ()


@pytest.mark.parametrize(
    ("built", "what", "expected", "got"),
    [
        (replace(NUMPY, diff_id=digest_of("x"), digest=digest_of("y")), "content", "content", "x"),
        (replace(NUMPY, digest=digest_of("y")), "compressed bytes", "packed", "y"),
    ],
)
def test_the_same_inputs_and_other_bytes(built: Record, what: str, expected: str, got: str) -> None:
    with pytest.raises(BuildError) as error:
        compare([NUMPY], [built], name="digits:cpu")
    assert error.value.message == (
        f"layer `numpy` of `digits:cpu` has other {what} than recorded: "
        f"expected {digest_of(expected)}, got {digest_of(got)}"
    )
    assert error.value.hint == (
        "the same inputs gave other bytes: report this as a defect of mlimage, or, where its version changed "
        "on purpose, record anew with `mlimage build digits --record`"
    )
    assert error.value.exit_status == 7


def test_a_record_of_the_same_bytes_with_another_size() -> None:
    with pytest.raises(BuildError) as error:
        compare([replace(NUMPY, unpacked=1)], [NUMPY], name="digits:cpu")
    assert error.value.message == (
        "layer `numpy` of `digits:cpu` has other size than recorded: expected (100, 1), got (100, 400)"
    )
