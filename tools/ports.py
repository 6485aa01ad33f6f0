"""A port of this machine for a server that must know its port before it listens."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def free_port() -> Iterator[int]:
    """A port on which nothing listens, and which the kernel assigns to nobody who requests any free port.

    A server that requests this very port gets it, because both sockets allow sharing and only one listens. Outside
    Linux the port is not reserved, and another process may take it first.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
        if sys.platform != "linux":
            reserved.close()
        yield port
