"""Liveness and readiness endpoints for load balancers and supervisors.

They need no credential, never block, and call no vendor.
"""

from __future__ import annotations

from nexus.server.base import ReadHandler
from nexus.wire import encode


class HealthHandler(ReadHandler):
    """Liveness: 200 as long as the process can answer, even while it stops, because an unhealthy one gets restarted."""

    guarded = False

    def get(self) -> None:
        self.send(encode({"status": "draining" if self.server.lifecycle.is_stopping else "healthy"}))


class ReadyHandler(ReadHandler):
    """Readiness: 200 while new calls are accepted; 503 after the signal to stop, while the port is still open."""

    guarded = False

    def get(self) -> None:
        is_ready = self.server.lifecycle.is_ready
        if not is_ready:
            self.set_status(503)
        self.send(encode({"status": "ready" if is_ready else "stopping"}))
