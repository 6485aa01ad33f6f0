"""The health endpoint, for load balancers and supervisors.

Law: always open, never blocks, asks no vendor.
"""

from __future__ import annotations

from nexus.server.base import BaseHandler
from nexus.wire import encode


class HealthHandler(BaseHandler):
    guarded = False

    def get(self) -> None:
        if self.context.draining:
            self.set_status(503)
        self.send(encode({"status": "draining" if self.context.draining else "healthy"}))

    def head(self) -> None:
        self.get()
