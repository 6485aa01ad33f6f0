"""Passthrough of any vendor path, below ``/llm/raw/PROVIDER``, for providers whose settings enable it.

The host is always the provider's. Ambiguous paths are rejected; all others are forwarded byte for byte.
"""

from __future__ import annotations

from urllib.parse import quote

from nexus.call import Call
from nexus.errors import InvalidRequest
from nexus.protocols.dialect import ClientRequest, Dialect
from nexus.protocols.operation import Operation
from nexus.server.endpoints.calls import CallHandler
from nexus.server.http.body import Uploading
from nexus.server.runtime import Runtime
from nexus.server.server import Server
from nexus.settings.urls import is_plain

BASE = "/llm/raw"


def below(provider: str) -> str:
    """Returns the URL-quoted path prefix of a provider."""
    return f"{BASE}/{quote(provider, safe='')}"


class RawHandler(CallHandler):
    takes_anything = True

    def initialize(  # type: ignore[override]
        self, server: Server, runtime: Runtime, dialect: Dialect, operation: Operation, provider: str
    ) -> None:
        super().initialize(server, runtime, dialect, operation)
        self.provider = provider

    def traced_path(self) -> str:
        return f"{BASE}/{self.provider}/..."

    head = put = patch = CallHandler.post

    def make_call(self, path: str) -> Call:
        target = self.request.path.removeprefix(below(self.provider))
        if not is_plain(target):
            raise InvalidRequest("the path has an empty segment, a dot segment or an invalid character")
        body = self.body.whole() if isinstance(self.body, Uploading) else None
        about = ClientRequest(b"", {}, self.headers, self.request.query, self.dialect.name)
        return self.new_call(about, f"{self.provider}/*", stream=False, path=target, upload=body)
