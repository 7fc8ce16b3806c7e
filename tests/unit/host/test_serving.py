"""Which images have a server that can be waited for."""

import json
from typing import Any

import pytest

from mlimage.host.contract import contract_of
from mlimage.host.serving import no_server
from mlimage.oci.configuration import read_configuration
from mlimage.runtime.roles import parse_roles

SERVE = {"command": ["serve"], "env": {}, "port": 8080, "health": "/ping"}


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (SERVE, None),
        (None, "the image has no `serve` role"),
        ({**SERVE, "health": None}, "its `serve` role has no `health`"),
        ({**SERVE, "health": None, "port": None}, "its `serve` role has no `port` and no `health`"),
    ],
)
def test_why_there_is_no_server(serve: dict[str, Any] | None, why: str | None) -> None:
    said: dict[str, Any] = {"serve": serve, "data": [], "determinism": {"profile": "fast", "seed": 0}}
    nothing = read_configuration(b'{"rootfs": {"diff_ids": []}}')
    assert no_server(contract_of(nothing, parse_roles(json.dumps(said).encode()))) == why
