"""A worker's stream to its supervisor, for messages that need no answer: its status, and facts for all processes.

Any thread; blocks only to complete a partially sent frame. A message is dropped if the socket buffer is full, which
means that the supervisor hangs or has ended.
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
        """Sends a value; returns whether it was sent."""
        frame = pack(value)
        with self._lock:
            try:
                sent = self.sock.send(frame, socket.MSG_DONTWAIT)
                if sent < len(frame):
                    # A partial frame would corrupt all that follows, so the rest is sent even if that blocks.
                    self.sock.sendall(frame[sent:])
            except OSError:
                return False
            return True
