"""The chat dialect: OpenAI's ``/v1/chat/completions`` and the servers compatible with it, and their other endpoints.

Everything a client of this dialect sees is written in this folder. Source: OpenAI's API reference and the types
of its Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nexus.models import gpt
from nexus.protocols.chat.files import FILES_CODEC
from nexus.protocols.checks import require
from nexus.protocols.codec import Target
from nexus.protocols.dialect import ClientRequest
from nexus.protocols.embeddings import OPENAI, EmbeddingsCodec, read_asked, write_answer
from nexus.protocols.files import FilesCodec
from nexus.protocols.openai_protocol import OpenAIDialect
from nexus.protocols.operation import BATCHES, FILES, GENERATE, PASSED, Operation
from nexus.wire import Json


class Chat(OpenAIDialect):
    name: ClassVar[str] = "chat"
    operations: ClassVar[tuple[Operation, ...]] = (GENERATE.at("/chat/completions"), *PASSED, FILES, BATCHES)
    files: ClassVar[FilesCodec | None] = FILES_CODEC
    id_prefix: ClassVar[str] = "chatcmpl-"

    def open(self, operation: Operation, path: str, request: ClientRequest) -> ClientRequest:
        """Converts a request that mixes dialects, as Cursor's do, into the form of this one."""
        if operation.relay != "answer":
            return request
        from nexus.protocols.chat.cursor import as_chat_request

        return as_chat_request(request)

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "answer":
            require(document, "messages", list, "an array of messages")

    def uses_rejected_options(self, document: Mapping[str, Json], target: Target) -> bool:
        return target.gpt is not None and gpt.chat_uses_rejected_options(target.gpt, document)

    def names_stored(self, path: str, document: Mapping[str, Json]) -> bool:
        from nexus.protocols.chat.read_google import names_cache

        return names_cache(document) or super().names_stored(path, document)

    embeddings: ClassVar[EmbeddingsCodec | None] = EmbeddingsCodec(OPENAI, read_asked, write_answer)


DIALECT = Chat()
