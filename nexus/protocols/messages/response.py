"""Whole answers of the messages dialect, both ways.

Law: reading keeps text, thinking and calls in order and names what else there was; writing gives exactly the shape of a
``Message``. Normal form: ``input`` {} is the arguments "", and ``Stop.raw`` is the wire word.
Source: anthropic.types.Message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from nexus.conversation.parts import Citation, Part, Reasoning, Refusal, Request, Response, Signature, Text, ToolCall
from nexus.protocols.arguments import an_object_of
from nexus.protocols.checks import Drops
from nexus.protocols.codec import ReadResponse
from nexus.protocols.messages.citations import read_citation, write_citations
from nexus.protocols.messages.client_tools import Members
from nexus.protocols.messages.read_error import read_stream_error
from nexus.protocols.messages.signatures import NEXT, OWN, carrier, thinking_block
from nexus.protocols.messages.stops import read_stop, write_stop
from nexus.protocols.messages.usage import read_usage, write_usage
from nexus.protocols.room import Room
from nexus.wire import Json, encode, mapping, sequence, text

ROOM = Room(images=(), late_citations=False)
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 holds one."""
    return isinstance(body.get("content"), list) and body.get("type") != "error"


def read_response(body: Mapping[str, Json]) -> ReadResponse:
    """Raises VendorError for an error inside a 200, and for anything else that is no answer."""
    if not is_answer(body):
        raise read_stream_error(body)
    drops = Drops()
    parts = [part for block in sequence(body.get("content")) if (part := read_block(mapping(block), drops)) is not None]
    if body.get("stop_details") is not None:
        drops.add("stop_details")
    response = Response(
        id=text(body.get("id")),
        model=text(body.get("model")),
        parts=tuple(parts),
        stop=read_stop(body.get("stop_reason"), body.get("stop_sequence")),
        usage=read_usage(body.get("usage")),
    )
    return ReadResponse(response, drops.names)


def read_block(block: Mapping[str, Json], drops: Drops) -> Text | Reasoning | ToolCall | None:
    """The part of a vendor's block; None, named in ``drops``, when it has no counterpart."""
    match block.get("type"):
        case "text":
            words = text(block.get("text"))
            return Text(words, citations=read_citations(sequence(block.get("citations")), len(words), drops))
        case "thinking":
            signature = text(block.get("signature"))
            return Reasoning(text(block.get("thinking")), signature=Signature(OWN, signature) if signature else None)
        case "redacted_thinking":
            return Reasoning("", signature=Signature(OWN, text(block.get("data"))), redacted=True)
        case "tool_use":
            arguments = mapping(block.get("input"))
            written = encode(arguments).decode() if arguments else ""
            return ToolCall(text(block.get("id")), text(block.get("name")), written)
        case kind:
            drops.add(text(kind) or "content")
            return None


def read_citations(wire: Iterable[Json], length: int, drops: Drops) -> tuple[Citation, ...]:
    """What a vendor's text of ``length`` characters rests on."""
    found: list[Citation] = []
    for entry in wire:
        match read_citation(mapping(entry), length):
            case Citation() as citation:
                found.append(citation)
            case name:
                drops.add(name)
    return tuple(found)


def write_response(
    response: Response, *, created: int, request: Request | None = None, now: Callable[[], int] | None = None
) -> dict[str, Json]:
    """``created`` has no place in a Message; ``request`` knows the members of toolsets."""
    members = Members(request)
    refused = any(isinstance(part, Refusal) for part in response.parts)
    return {
        "id": message_id(response.id),
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": [block for part in response.parts for block in _write_blocks(part, members)],
        **write_stop(response.stop, refused=refused),
        "usage": write_usage(response.usage),
    }


def message_id(id: str) -> str:
    """The answer's id in this dialect's form."""
    return id if id.startswith("msg_") else f"msg_{_UNFIT.sub('', id)}"


def _write_blocks(part: Part, members: Members) -> list[Json]:
    match part:
        case Text(text=words, signature=signature, citations=citations):
            return [*carried_before(signature), {"type": "text", "text": words, **write_citations(citations)}]
        case Refusal(text=words):
            return [{"type": "text", "text": words}]
        case Reasoning():
            return [thinking_block(part)]
        case ToolCall(signature=signature):
            named = {"id": part.id, **members.named(part.name)}
            return [*carried_before(signature), {"type": "tool_use", **named, "input": read_input(part.arguments)}]
        case _:
            raise TypeError(f"{type(part).__name__} in an answer")


def carried_before(signature: Signature | None) -> list[dict[str, Json]]:
    """The carrier of a text's or a call's signature; this dialect itself makes none."""
    return [carrier(signature, NEXT)] if signature is not None and signature.dialect != OWN else []


def read_input(arguments: str) -> dict[str, Json]:
    """The object that ``input`` must be."""
    return an_object_of(arguments)[0]
