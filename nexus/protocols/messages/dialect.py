"""The messages dialect: Anthropic's ``/v1/messages``.

Everything a client of this dialect sees is written in this folder. Source: Anthropic's API reference and the types
of its Python SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from nexus.conversation.tap import Tap
from nexus.errors import NexusError
from nexus.models import claude
from nexus.protocols.checks import require
from nexus.protocols.codec import Target
from nexus.protocols.dialect import AnswerRelay, BrokenStream, Dialect, Edited
from nexus.protocols.held import HeldCodec
from nexus.protocols.messages import listing
from nexus.protocols.messages.held import HELD
from nexus.protocols.messages.limits import write_limits
from nexus.protocols.operation import COUNT_TOKENS, FILES, GENERATE, MESSAGE_BATCHES, Operation
from nexus.protocols.protocol import Protocol
from nexus.protocols.sse import frame
from nexus.wire import Json

ANTHROPIC = Protocol("anthropic", "Anthropic SDKs and Claude Code (ANTHROPIC_BASE_URL)", header="anthropic-version")


class Messages(Dialect):
    name: ClassVar[str] = "messages"
    protocol: ClassVar[Protocol] = ANTHROPIC
    operations: ClassVar[tuple[Operation, ...]] = (
        GENERATE.at("/messages"),
        COUNT_TOKENS.at("/messages/count_tokens"),
        MESSAGE_BATCHES,
        FILES,
    )
    held: ClassVar[HeldCodec | None] = HELD
    ping: ClassVar[bytes] = b': nexus\nevent: ping\ndata: {"type":"ping"}\n\n'
    id_prefix: ClassVar[str] = "msg_"
    id_header: ClassVar[str] = "request-id"

    def check(self, document: Mapping[str, Json], operation: Operation) -> None:
        require(document, "messages", list, "an array of messages")
        if operation.relay == "answer":
            require(document, "max_tokens", int, "an integer")

    def edit_request(
        self, raw: bytes, document: Mapping[str, Json], model: str, *, ask_usage: bool, target: Target | None = None
    ) -> Edited:
        from nexus.protocols.messages.passthrough import edit_request

        return edit_request(raw, document, model)

    def has_others_words(self, document: Mapping[str, Json], target: Target) -> bool:
        return target.claude.known and claude.has_others_words(target.claude, document)

    def passthrough(self, document: Mapping[str, Json], model: str, tap: Tap) -> AnswerRelay:
        from nexus.protocols.messages.passthrough import MessagesPassthrough

        return MessagesPassthrough(model, tap)

    def write_error(self, error: NexusError, request_id: str) -> bytes:
        from nexus.protocols.messages.write_error import write_error

        return write_error(error, request_id)

    def error_frame(self, error: NexusError, broken: BrokenStream) -> bytes:
        from nexus.protocols.messages.write_error import write_stream_error

        return frame(write_stream_error(error, broken.request_id), "error")

    rate_limit_headers = staticmethod(write_limits)
    write_model = staticmethod(listing.write_model)
    write_models = staticmethod(listing.write_models)


DIALECT = Messages()
