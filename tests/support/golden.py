"""Golden files: whole results, compared byte for byte with what is committed."""

from collections.abc import Callable

import pytest

from support.machine import ROOT

GOLDEN = ROOT / "tests" / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes | str], None]:
    """`golden("lock/pylock.cpu.toml", actual)` compares with that file under `tests/golden`."""
    rewrite = request.config.getoption("--rewrite-golden")

    def compare(name: str, actual: bytes | str) -> None:
        path = GOLDEN / name
        content = actual.encode() if isinstance(actual, str) else actual
        if rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        elif not path.exists():
            pytest.fail(f"no golden file {name}: make golden")
        else:
            expected = path.read_bytes()
            try:
                assert content.decode() == expected.decode()
            except UnicodeDecodeError:
                assert content == expected

    return compare
