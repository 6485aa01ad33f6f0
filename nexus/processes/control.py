"""A worker's stream to its supervisor for what needs no answer: words about itself, and facts for all.

Any thread; nobody waits. What finds no room is dropped: the supervisor stands still, or is gone.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from nexus.processes.frames import pack


class Control:
    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self.sock = sock
        self._lock = threading.Lock()

    def tell(self, value: Any) -> bool:
        """Whether it is on its way."""
        frame = pack(value)
        with self._lock:
            try:
                sent = self.sock.send(frame, socket.MSG_DONTWAIT)
                if sent < len(frame):
                    # Half a frame would make nonsense of all that follows.
                    self.sock.sendall(frame[sent:])
            except OSError:
                return False
            return True
