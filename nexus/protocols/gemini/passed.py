"""Embeddings of Google's own, whose bytes pass: what they used is read on the way."""

from __future__ import annotations

from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.gemini.read_error import find_error, read_stream_error
from nexus.protocols.passthrough import Document, Passthrough
from nexus.wire import count, mapping


class EmbeddingsPassed(Passthrough):
    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if find_error(answer) is not None:
            raise VendorError(read_stream_error(answer))
        usage = mapping(answer.get("usageMetadata"))
        if "promptTokenCount" in usage:
            self.tap.usage = Usage(input=count(usage["promptTokenCount"]), raw=usage)
        return raw
