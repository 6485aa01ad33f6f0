"""A complete answer, written for a client. Source: anthropic.types.Message."""

from __future__ import annotations

from collections.abc import Sequence

from nexus.conversation.parts import Image, Reasoning, Refusal, Response, Signature, StreamPart, Text, ToolCall
from nexus.late import pattern
from nexus.protocols.codec import Envelope
from nexus.protocols.messages.citations import write_citations
from nexus.protocols.messages.client_tools import ToolsetNames
from nexus.protocols.messages.signatures import OWN, carrier, thinking_block
from nexus.protocols.messages.stops import write_stop
from nexus.protocols.messages.usage import write_usage
from nexus.protocols.signatures import NEXT, PREVIOUS, pack_foreign
from nexus.protocols.tidy import Room
from nexus.protocols.tool_calls import an_object_of
from nexus.wire import Json

ROOM = Room(images=(), late_citations=False)
_UNFIT = pattern(r"[^a-zA-Z0-9_-]")


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    members = ToolsetNames(envelope.request)
    return {
        "id": message_id(envelope.id),
        "type": "message",
        "role": "assistant",
        "model": envelope.model,
        "content": _write_content(response.parts, members),
        **write_stop(response.stop),
        "usage": write_usage(response.usage),
    }


def message_id(id: str) -> str:
    """The answer's id in this dialect's form."""
    return id if id.startswith("msg_") else f"msg_{_UNFIT.sub('', id)}"


def _write_content(parts: Sequence[StreamPart], members: ToolsetNames) -> list[Json]:
    blocks: list[Json] = []
    owed: list[dict[str, Json]] = []
    for part in parts:
        blocks += [*owed, *_write_blocks(part, members)]
        # A last one is left out: programs read an answer's last block as its text, and Gemini does not require the
        # signature of a text.
        owed = carried(part.signature, PREVIOUS) if isinstance(part, Text) else []
    return blocks


def _write_blocks(part: StreamPart, members: ToolsetNames) -> list[Json]:
    match part:
        case Text(text=words, citations=citations):
            return [{"type": "text", "text": words, **write_citations(citations)}]
        case Refusal(text=words):
            return [{"type": "text", "text": words}]
        case Reasoning():
            return [thinking_block(part)]
        case ToolCall(signature=signature):
            named = {"id": part.id, **members.named(part.name)}
            return [*carried(signature, NEXT), {"type": "tool_use", **named, "input": an_object_of(part.arguments)[0]}]
        case Image():
            raise TypeError("this protocol does not support images")


def carried(signature: Signature | None, place: str) -> list[dict[str, Json]]:
    """The carrier of a text's or a call's signature; none for a signature of this dialect."""
    packed = pack_foreign(signature, place, OWN)
    return [] if packed is None else [carrier(packed)]
