"""Where clients learn who gives out tokens for this gateway (RFC 9728).

Public, as it must be read before a client has a token.
"""

from __future__ import annotations

from nexus.auth.metadata import document
from nexus.errors import NotFound
from nexus.server.base import BaseHandler
from nexus.wire import encode


class MetadataHandler(BaseHandler):
    guarded = False

    def get(self) -> None:
        resource = self.runtime.guards.resource
        if resource is None:
            raise NotFound(f"{self.request.path} does not exist")
        self.send(encode(document(resource)))
