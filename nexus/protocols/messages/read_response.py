"""A vendor's complete answer, read into neutral form.

Text, thinking and calls keep their order; everything else is reported. ``input`` {} becomes the arguments "", and
``Stop.raw`` is the reason on the wire. Source: anthropic.types.Message.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Reasoning, Response, Signature, StreamPart, Text, ToolCall
from nexus.errors import VendorError
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.protocols.messages.citations import read_citation
from nexus.protocols.messages.read_error import read_stream_error
from nexus.protocols.messages.signatures import OWN
from nexus.protocols.messages.stops import read_refusal, read_stop
from nexus.protocols.messages.usage import read_usage
from nexus.protocols.tool_calls import read_arguments
from nexus.wire import Json, mapping, sequence, text


def is_answer(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("content"), list) and body.get("type") != "error"


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    if not is_answer(body):
        raise VendorError(read_stream_error(body))
    drops = Drops()
    read: list[StreamPart | None] = [read_block(mapping(block), drops) for block in sequence(body.get("content"))]
    read.append(read_refusal(body, drops))
    response = Response(
        id=text(body.get("id")),
        model=text(body.get("model")),
        parts=tuple(part for part in read if part is not None),
        stop=read_stop(body),
        usage=read_usage(body.get("usage")),
    )
    return ReadResponse(response, drops.names)


def read_block(block: Mapping[str, Json], drops: Drops) -> Text | Reasoning | ToolCall | None:
    """The part of a vendor's block; None, and reported in ``drops``, if it has no equivalent."""
    match block.get("type"):
        case "text":
            words = text(block.get("text"))
            cited = (read_citation(mapping(entry), len(words)) for entry in sequence(block.get("citations")))
            return Text(words, citations=tuple(drops.sift(cited)))
        case "thinking":
            signature = text(block.get("signature"))
            return Reasoning(text(block.get("thinking")), signature=Signature(OWN, signature) if signature else None)
        case "redacted_thinking":
            return Reasoning("", signature=Signature(OWN, text(block.get("data"))), redacted=True)
        case "tool_use":
            return ToolCall(text(block.get("id")), text(block.get("name")), read_arguments(block.get("input")))
        case kind:
            drops.add(text(kind) or "content")
            return None
