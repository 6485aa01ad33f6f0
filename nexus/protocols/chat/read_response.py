"""A vendor's complete answer, read into neutral form.

The first choice is the answer. Its parts are in the order reasoning, text, refusal, images, calls; neighbouring pieces
of text are one part. Source: openai.types.chat.ChatCompletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from nexus.conversation.parts import Part, Reasoning, Refusal, Response, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.models.chat_server import ChatServer
from nexus.protocols.chat.answers import made_id, read_arguments, read_pieces
from nexus.protocols.chat.parts import change_last
from nexus.protocols.chat.read_error import read_stream_error
from nexus.protocols.chat.reasoning import BARE, interleave, read_reasoning, vendor_signature
from nexus.protocols.chat.sources import read_annotations, read_images, read_sources, with_citations, with_sources
from nexus.protocols.chat.stops import read_stop
from nexus.protocols.chat.think_tags import untagged
from nexus.protocols.chat.usage import read_usage
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.wire import Json, mapping, sequence, text


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    """Raises VendorError for an error inside a 200, and for anything else that is not an answer."""
    if not is_answer(body):
        raise VendorError(read_stream_error(body))
    drops = Drops()
    choices = [mapping(choice) for choice in sequence(body.get("choices"))]
    choice = choices[0] if choices else {}
    if len(choices) > 1:
        drops.add("choices")
    if mapping(choice.get("logprobs")):
        drops.add("logprobs")
    if body.get("moderation"):
        drops.add("moderation")
    response_id = text(body.get("id"))
    parts = _read_parts(mapping(choice.get("message")), response_id, drops, origin.server)
    parts = with_sources(parts, read_sources(body), drops)
    stop = read_stop(
        choice,
        calls=any(isinstance(part, ToolCall) for part in parts),
        refused=any(isinstance(part, Refusal) for part in parts),
    )
    usage = mapping(body.get("usage")) or mapping(choice.get("usage"))
    read = read_usage(usage, body.get("service_tier")) if usage else Usage()
    return ReadResponse(Response(response_id, text(body.get("model")), tuple(parts), stop, read), drops.names)


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 contains an answer."""
    return isinstance(body.get("choices"), list) and not body.get("error")


def _read_parts(message: Mapping[str, Json], response_id: str, drops: Drops, server: ChatServer) -> list[Part]:
    prose: list[Part] = []
    thought = read_reasoning(message, BARE)
    pieces, before = untagged(read_pieces(message)) if server.think_tags else (read_pieces(message), 0)
    for kind, words in pieces:
        last = prose[-1] if prose else None
        match kind:
            case "dropped":
                drops.add(words)
            case _ if not words:
                pass
            case "reasoning" if thought and thought[-1][1].signature == BARE:
                thought[-1] = ((0, 0), Reasoning(thought[-1][1].text + words, BARE))
            case "reasoning":
                thought.append(((0, 0), Reasoning(words, BARE)))
            case "refusal":
                prose.append(Refusal(words))
            case _ if isinstance(last, Text):
                prose[-1] = Text(last.text + words)
            case _:
                prose.append(Text(words))
    signature = vendor_signature(message.get("extra_content"))
    if signature is not None and not change_last(prose, (Text,), partial(replace, signature=signature)):
        prose.append(Text("", signature=signature))
    prose += drops.sift(read_images(message))
    parts = interleave(thought, prose, _read_calls(message, response_id, drops))
    return with_citations(parts, drops.sift(read_annotations(message)), drops, before)


def _read_calls(message: Mapping[str, Json], response_id: str, drops: Drops) -> list[Part]:
    calls: list[Part] = []
    wire = [mapping(call) for call in sequence(message.get("tool_calls"))]
    if legacy := mapping(message.get("function_call")):
        wire.append({"function": legacy})
    for call in wire:
        function = mapping(call.get("function"))
        name = text(function.get("name"))
        if not name:
            drops.add(f"tool_calls.{text(call.get('type')) or 'function'}")
            continue
        call_id = text(call.get("id")) or made_id(response_id, len(calls))
        arguments = read_arguments(function.get("arguments"))
        calls.append(ToolCall(call_id, name, arguments, vendor_signature(call.get("extra_content"))))
    return calls
