"""What programs listen on: of real sockets, and of the kernel's tables of other machines."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from mlimage.host.ports import Listener, listeners, parse_listeners

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 101 1 0 100 0 0 10 0
   1: 00000000:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 102 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000 0 0 103 1 0 100 0 0 10 0
"""
TABLE6 = """\
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 104 1
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 105 1
   2: 00000000000000000000000000000000:1F92 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 106 1
"""


def test_the_kernels_tables() -> None:
    assert parse_listeners(TABLE) == {"101": Listener("127.0.0.1", 8080), "102": Listener("0.0.0.0", 9090)}  # noqa: S104 - nothing is bound
    found = parse_listeners(TABLE6)
    assert list(map(str, found.values())) == ["[::1]:8080", "127.0.0.1:8081", "[::]:8082"]
    assert [(each.alone, each.everywhere) for each in found.values()] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_what_a_process_and_its_children_listen_on() -> None:
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); input()"
    # As servers with workers are: it listens in a process of a process, whose name may be anything.
    shell = ["sh", "-c", f'"{sys.executable}" -uc "$1"; true', "sh", script]
    with (
        socket.create_server(("127.0.0.1", 0)) as own,
        subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
    ):
        assert child.stdin
        assert child.stdout
        port = int(child.stdout.readline())
        assert listeners(child.pid, own_network=False) == (Listener("127.0.0.1", port),)
        mine = Listener("127.0.0.1", own.getsockname()[1])
        assert {Listener("127.0.0.1", port), mine} <= set(listeners(os.getpid(), own_network=False))
        child.stdin.close()
    assert listeners(child.pid, own_network=False) == ()


def test_no_process(tmp_path: Path) -> None:
    assert listeners(1, own_network=True, proc=tmp_path) == ()
