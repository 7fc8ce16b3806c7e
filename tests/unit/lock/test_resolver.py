"""What resolvers write, read as pins."""

import pytest
from packaging.version import Version

from mlimage.errors import ResolveError
from mlimage.lock.resolver import Pin, parse_pins


def test_pins_of_both_kinds_of_equality() -> None:
    text = "# a comment\nsix==1.17.0\npython-dateutil===2.9.0.post0  # via -r spec.in\n\n"
    assert parse_pins(text, resolver="pip-compile") == (
        Pin(name="python-dateutil", version=Version("2.9.0.post0")),
        Pin(name="six", version=Version("1.17.0")),
    )


@pytest.mark.parametrize("line", ["six", "six>=1", "six==1.*", "six>1,==1.17.0", "six===foo", "-e .", "??"])
def test_what_is_no_pin_is_named(line: str) -> None:
    with pytest.raises(ResolveError) as caught:
        parse_pins(line, resolver="uv")
    assert str(caught.value) == f"uv wrote `{line}`, which is not a pinned package"
