"""Sockets of another network namespace: a process in it makes them, and hands them out.

A socket belongs for good to the namespace in which it was made, so that whoever gets one speaks there without
a relay between: no byte is copied, and no time is lost.
"""

import socket
import threading
from typing import Final

_GONE: Final = "the sandbox has ended"


class Door:
    """The outer side; `inside.init` is the inner one, and answers each byte, a family, with such a socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()

    def dial(self, address: str, port: int, seconds: float) -> socket.socket:
        """A connection to an address in there, with so many seconds as the time limit of its operations.

        Raises:
            OSError: there is none, or nobody is there any more.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = self._socket(family, seconds)
        try:
            found.settimeout(seconds)
            found.connect((address, port))
        except OSError:
            found.close()
            raise
        return found

    def _socket(self, family: socket.AddressFamily, seconds: float) -> socket.socket:
        wanted = bytes((family,))
        with self._lock:
            self._end.settimeout(seconds)
            self._end.send(wanted)
            while True:
                said, descriptors, _, _ = socket.recv_fds(self._end, 1, 1)
                if not said:
                    raise ConnectionRefusedError(_GONE)
                sockets = [socket.socket(fileno=number) for number in descriptors]
                if said == wanted:
                    break
                for each in sockets:  # of a question whose asker went away before it was answered
                    each.close()
        if not sockets:
            raise OSError("the sandbox has no such sockets")
        return sockets[0]

    def close(self) -> None:
        """Let go of it."""
        self._end.close()
