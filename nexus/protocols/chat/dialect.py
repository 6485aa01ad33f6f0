"""The chat dialect: OpenAI's ``/v1/chat/completions`` and the servers compatible with it, and their other endpoints.

Everything a client of this dialect sees is written in this folder. Source: OpenAI's API reference and the types
of its Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from nexus.conversation.tap import Tap
from nexus.errors import NexusError
from nexus.models import gpt
from nexus.operation import BATCHES, FILES, GENERATE, PASSED, Operation
from nexus.protocols import openai_limits, openai_protocol
from nexus.protocols.chat import write_error
from nexus.protocols.chat.held import HELD
from nexus.protocols.chat.passed import Passed
from nexus.protocols.chat.passthrough import ChatPassthrough, edit_request
from nexus.protocols.codec import Target
from nexus.protocols.dialect import BrokenStream, Dialect, Edited, ModelCard, RateLimit, require
from nexus.protocols.embeddings.asked import read_asked, write_answer
from nexus.protocols.embeddings.client import EmbeddingsCodec
from nexus.protocols.embeddings.shapes import OPENAI
from nexus.protocols.held import HeldCodec
from nexus.protocols.protocol import Protocol
from nexus.protocols.sse import frame
from nexus.wire import Json


class Chat(Dialect):
    name: ClassVar[str] = "chat"
    protocol: ClassVar[Protocol] = openai_protocol.OPENAI
    operations: ClassVar[tuple[Operation, ...]] = (GENERATE.at("/chat/completions"), *PASSED, FILES, BATCHES)
    held: ClassVar[HeldCodec | None] = HELD
    ping: ClassVar[bytes] = b": nexus ping\n"
    id_prefix: ClassVar[str] = "chatcmpl-"
    id_header: ClassVar[str] = "x-request-id"

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        if operation.relay == "answer":
            require(document, "messages", list, "an array of messages")

    def edit_request(
        self, raw: bytes, document: Mapping[str, Json], model: str, *, ask_usage: bool, target: Target | None = None
    ) -> Edited:
        return edit_request(raw, document, model, ask_usage=ask_usage, target=target)

    def has_others_words(self, document: Mapping[str, Json], target: Target) -> bool:
        return target.gpt is not None and gpt.has_others_words(target.gpt, document)

    def passthrough(self, document: Mapping[str, Json], model: str, tap: Tap) -> ChatPassthrough:
        return ChatPassthrough(document, model, tap)

    def passed(self, document: Mapping[str, Json], tap: Tap) -> Passed:
        return Passed(document, tap)

    embeddings: ClassVar[EmbeddingsCodec | None] = EmbeddingsCodec(OPENAI, read_asked, write_answer)

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        return write_error.write_error(error, request_id)

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        return frame(write_error.write_stream_error(error, broken.request_id))

    def rate_limit_headers(self, limits: Sequence[RateLimit], now: float) -> dict[str, str]:
        return openai_limits.write_limits(limits)

    def write_model(self, card: ModelCard) -> dict[str, Json]:
        return openai_protocol.write_model(card)

    def write_models(self, cards: list[ModelCard], query: Mapping[str, str]) -> dict[str, Json]:
        return openai_protocol.write_models(cards, query)


DIALECT = Chat()
