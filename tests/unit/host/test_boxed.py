"""What becomes of a connection to a sandbox's server, wherever its network has IPv6 and where not."""

import errno
import os
import socket
import subprocess
from typing import Any, cast

import pytest

from mlimage.host.boxed import Sandbox
from mlimage.host.door import Door
from mlimage.host.request import Port
from support.running import request


class Closed:
    """A door to a network in which nobody listens, and an address of IPv6 may be lacking."""

    def __init__(self, other: OSError) -> None:
        self._other = other

    def dial(self, address: str, _port: int, _seconds: float) -> socket.socket:
        raise self._other if ":" in address else ConnectionRefusedError

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("other", "raised"),
    [
        (ConnectionRefusedError(), ConnectionRefusedError),
        (OSError(errno.EADDRNOTAVAIL, "cannot assign"), ConnectionRefusedError),
        (OSError("the sandbox has no such sockets"), ConnectionRefusedError),
        (TimeoutError(), TimeoutError),
    ],
)
def test_nobody_listens(other: OSError, raised: type[OSError]) -> None:
    asked = request("serve", network=False, port=Port(address="127.0.0.1", number=8000, inside=8000))
    nobody = cast("subprocess.Popen[bytes]", None)
    door: Any = Closed(other)
    sandbox = Sandbox(nobody, os.open(os.devnull, os.O_WRONLY), -1, cast("Door", door), None, asked)
    with pytest.raises(raised) as caught:
        sandbox.connect(1.0)
    sandbox.close()
    assert type(caught.value) is raised
