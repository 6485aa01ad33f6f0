"""Two endpoints for load balancers and supervisors: whether the process lives, and whether it wants to be called.

Always open, never blocks, asks no vendor.
"""

from __future__ import annotations

from nexus.server.base import ReadHandler
from nexus.wire import encode


class HealthHandler(ReadHandler):
    """200 for as long as it can answer: who is not healthy is to be started anew, and a server that stops is not."""

    guarded = False

    def get(self) -> None:
        self.send(encode({"status": "draining" if self.server.lifecycle.is_stopping else "healthy"}))


class ReadyHandler(ReadHandler):
    """200 while new calls are welcome; 503 from the signal to stop on, while it still listens."""

    guarded = False

    def get(self) -> None:
        is_ready = self.server.lifecycle.is_ready
        if not is_ready:
            self.set_status(503)
        self.send(encode({"status": "ready" if is_ready else "stopping"}))
