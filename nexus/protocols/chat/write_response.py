"""A complete answer, written for a client.

Reasoning and signatures are written by reasoning.py, images and citations by sources.py; absent arguments are ``{}``.
Source: openai.types.chat.ChatCompletion.
"""

from __future__ import annotations

from nexus.conversation.parts import Image, Reasoning, Refusal, Response, StreamPart, Text, ToolCall
from nexus.protocols.chat.reasoning import write_details, write_extra
from nexus.protocols.chat.sources import write_annotations, write_answer_image
from nexus.protocols.chat.stops import write_stop
from nexus.protocols.chat.usage import write_usage
from nexus.protocols.codec import Envelope
from nexus.protocols.tidy import Room
from nexus.protocols.tool_calls import custom_names, read_input
from nexus.wire import Json

ROOM = Room()


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    message = _write_message(response.parts, custom_names(envelope.request))
    return {
        "id": envelope.id,
        "object": "chat.completion",
        "created": envelope.created,
        "model": envelope.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None}
            | write_stop(response.stop, refused=message["refusal"] is not None)
        ],
        "usage": write_usage(response.usage),
    }


def _write_message(parts: tuple[StreamPart, ...], custom: frozenset[str]) -> dict[str, Json]:
    def words(kind: type[Text] | type[Refusal] | type[Reasoning]) -> str:
        return "".join(part.text for part in parts if isinstance(part, kind))

    calls = [_write_call(part, custom) for part in parts if isinstance(part, ToolCall)]
    images = [part for part in parts if isinstance(part, Image)]
    signed = [part.signature for part in parts if isinstance(part, Text) and part.signature is not None]
    refusal = words(Refusal) or None
    held: dict[str, Json] = {
        "reasoning_content": words(Reasoning),
        "reasoning_details": write_details(parts),
        "annotations": write_annotations(parts),
        "images": [write_answer_image(image, at) for at, image in enumerate(images)],
        "tool_calls": calls,
    }
    return {
        "role": "assistant",
        "content": words(Text) or (None if calls or refusal else ""),
        "refusal": refusal,
        **{name: value for name, value in held.items() if value},
        **(write_extra(signed[-1]) if signed else {}),
    }


def _write_call(call: ToolCall, custom: frozenset[str]) -> dict[str, Json]:
    wire: dict[str, Json] = {"id": call.id}
    if call.name in custom:
        wire |= {"type": "custom", "custom": {"name": call.name, "input": read_input(call.arguments)}}
    else:
        wire |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
    return wire | write_extra(call.signature)
