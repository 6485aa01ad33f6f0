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
    refused = any(isinstance(part, Refusal) for part in response.parts)
    return {
        "id": envelope.id,
        "object": "chat.completion",
        "created": envelope.created,
        "model": envelope.model,
        "choices": [
            {"index": 0, "message": _write_message(response.parts, custom_names(envelope.request)), "logprobs": None}
            | write_stop(response.stop, refused=refused)
        ],
        "usage": write_usage(response.usage),
    }


def _write_message(parts: tuple[StreamPart, ...], custom: frozenset[str]) -> dict[str, Json]:
    content: list[str] = []
    refusals: list[str] = []
    thought: list[str] = []
    calls: list[Json] = []
    images: list[Json] = []
    extra: dict[str, Json] = {}
    for part in parts:
        match part:
            case Text(text=words, signature=signature):
                content.append(words)
                extra = write_extra(signature) or extra
            case Refusal(text=words):
                refusals.append(words)
            case Reasoning(text=words):
                thought.append(words)
            case ToolCall():
                calls.append(_write_call(part, custom))
            case Image():
                images.append(write_answer_image(part, len(images)))
    message: dict[str, Json] = {
        "role": "assistant",
        "content": "".join(content) or (None if calls or refusals else ""),
        "refusal": "".join(refusals) or None,
    }
    held: dict[str, Json] = {
        "reasoning_content": "".join(thought),
        "reasoning_details": write_details(parts),
        "annotations": write_annotations(parts),
        "images": images,
        "tool_calls": calls,
    }
    return message | {name: value for name, value in held.items() if value} | extra


def _write_call(call: ToolCall, custom: frozenset[str]) -> dict[str, Json]:
    wire: dict[str, Json] = {"id": call.id}
    if call.name in custom:
        wire |= {"type": "custom", "custom": {"name": call.name, "input": read_input(call.arguments)}}
    else:
        wire |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
    return wire | write_extra(call.signature)
