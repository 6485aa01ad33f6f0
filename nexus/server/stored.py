"""What a vendor keeps for its clients: answers and conversations, read, cancelled and deleted by their ids.

Law: loop thread only; paths, queries, bodies and answers pass untouched. No model is named, so the provider is the only
one that keeps such things, or the one that the client names in a header.
"""

from __future__ import annotations

from nexus.call import Call
from nexus.server.calls import CallHandler
from nexus.upstream.request import Action


class StoredHandler(CallHandler):
    action: Action = "stored"

    async def get(self, path: str) -> None:
        await self.serve(await self.read_call(path))

    async def delete(self, path: str) -> None:
        await self.serve(await self.read_call(path))

    def make_call(self, path: str) -> Call:
        raw, document = self.read_body() if self.body.size else (b"", {})
        return self.new_call(raw, document, "", stream=self.query().get("stream") == "true", path=path)
