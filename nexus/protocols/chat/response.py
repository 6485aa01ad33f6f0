"""Whole answers of the chat dialect: ``read_response`` from a vendor, ``write_response`` for a client.

Law: the first choice is the answer. Reading gives reasoning, text, refusal, images, calls in this order; neighbouring
pieces of text are one part. Writing joins all text into ``content``, tells reasoning and signatures as reasoning.py
says, images and citations as sources.py does, and writes absent arguments as ``{}``.
Source: openai.types.chat.ChatCompletion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from nexus.conversation.parts import Citation, Image, Part, Reasoning, Refusal, Request, Response, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.chat.answers import made_id, read_arguments, read_pieces
from nexus.protocols.chat.read_error import read_in_band
from nexus.protocols.chat.reasoning import (
    BARE,
    interleave,
    read_reasoning,
    vendor_signature,
    write_details,
    write_extra,
)
from nexus.protocols.chat.sources import (
    read_annotations,
    read_images,
    read_sources,
    with_citations,
    with_sources,
    write_annotations,
    write_image,
)
from nexus.protocols.chat.stops import finish_word, read_stop, write_stop
from nexus.protocols.chat.think_tags import THINK_TAGS, untagged
from nexus.protocols.chat.usage import read_usage, write_usage
from nexus.protocols.codec import ReadResponse
from nexus.protocols.custom_tools import custom_names, read_input
from nexus.protocols.room import Room
from nexus.wire import Json, mapping, sequence, text

ROOM = Room()
Read = TypeVar("Read", Image, Citation)


def read_response(body: Mapping[str, Json], *, quirks: frozenset[str] = frozenset()) -> ReadResponse:
    """``quirks`` are the server's. Raises VendorError for an error inside a 200, and for what else is no answer."""
    if not is_answer(body):
        raise read_in_band(body)
    dropped: dict[str, None] = {}
    choices = [mapping(choice) for choice in sequence(body.get("choices"))]
    choice = choices[0] if choices else {}
    if len(choices) > 1:
        dropped["choices"] = None
    if mapping(choice.get("logprobs")):
        dropped["logprobs"] = None
    if body.get("moderation"):
        dropped["moderation"] = None
    response_id = text(body.get("id"))
    parts = _read_parts(mapping(choice.get("message")), response_id, dropped, quirks)
    parts = with_sources(parts, read_sources(body), dropped)
    stop = read_stop(
        finish_word(choice),
        choice,
        calls=any(isinstance(part, ToolCall) for part in parts),
        refused=any(isinstance(part, Refusal) for part in parts),
    )
    usage = mapping(body.get("usage")) or mapping(choice.get("usage"))
    read = read_usage(usage) if usage else Usage()
    return ReadResponse(Response(response_id, text(body.get("model")), tuple(parts), stop, read), tuple(dropped))


def is_answer(body: Mapping[str, Json]) -> bool:
    """Whether a 200 holds one."""
    return isinstance(body.get("choices"), list) and not body.get("error")


def _read_parts(
    message: Mapping[str, Json], response_id: str, dropped: dict[str, None], quirks: frozenset[str]
) -> list[Part]:
    prose: list[Part] = []
    thought = read_reasoning(message, BARE)
    pieces, before = untagged(read_pieces(message)) if THINK_TAGS in quirks else (read_pieces(message), 0)
    for kind, words in pieces:
        last = prose[-1] if prose else None
        match kind:
            case "dropped":
                dropped[words] = None
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
    if (signature := vendor_signature(message.get("extra_content"))) is not None:
        at = max((at for at, part in enumerate(prose) if isinstance(part, Text)), default=None)
        words = "" if at is None else getattr(prose[at], "text", "")
        signed = Text(words, signature=signature)
        prose = [*prose, signed] if at is None else [*prose[:at], signed, *prose[at + 1 :]]
    prose += _known(read_images(message), Image, dropped)
    parts = interleave(thought, prose, _read_calls(message, response_id, dropped))
    return with_citations(parts, _known(read_annotations(message), Citation, dropped), dropped, before)


def _known(read: Iterable[Read | str], kind: type[Read], dropped: dict[str, None]) -> list[Read]:
    """What could be read; the rest is named."""
    found: list[Read] = []
    for one in read:
        if isinstance(one, kind):
            found.append(one)
        else:
            dropped[str(one)] = None
    return found


def _read_calls(message: Mapping[str, Json], response_id: str, dropped: dict[str, None]) -> list[Part]:
    calls: list[Part] = []
    wire = [mapping(call) for call in sequence(message.get("tool_calls"))]
    if legacy := mapping(message.get("function_call")):
        wire.append({"function": legacy})
    for call in wire:
        function = mapping(call.get("function"))
        name = text(function.get("name"))
        if not name:
            dropped[f"tool_calls.{text(call.get('type')) or 'function'}"] = None
            continue
        call_id = text(call.get("id")) or made_id(response_id, len(calls))
        arguments = read_arguments(function.get("arguments"))
        calls.append(ToolCall(call_id, name, arguments, vendor_signature(call.get("extra_content"))))
    return calls


def write_response(
    response: Response, *, created: int, request: Request | None = None, now: Callable[[], int] | None = None
) -> dict[str, Json]:
    """``request`` knows which tools are custom."""
    refused = any(isinstance(part, Refusal) for part in response.parts)
    return {
        "id": response.id,
        "object": "chat.completion",
        "created": created,
        "model": response.model,
        "choices": [
            {"index": 0, "message": _write_message(response.parts, custom_names(request)), "logprobs": None}
            | write_stop(response.stop, refused=refused)
        ],
        "usage": write_usage(response.usage),
    }


def _write_message(parts: tuple[Part, ...], custom: frozenset[str]) -> dict[str, Json]:
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
                extra = extra if signature is None else {"extra_content": write_extra(signature)}
            case Refusal(text=words):
                refusals.append(words)
            case Reasoning(text=words):
                thought.append(words)
            case ToolCall():
                calls.append(_write_call(part, custom))
            case Image():
                images.append(write_image(part, len(images)))
            case _:
                raise ValueError(f"{type(part).__name__} in an answer")
    message: dict[str, Json] = {
        "role": "assistant",
        "content": "".join(content) or (None if calls or refusals else ""),
        "refusal": "".join(refusals) or None,
    }
    if "".join(thought):
        message["reasoning_content"] = "".join(thought)
    if details := write_details(parts):
        message["reasoning_details"] = details
    if annotations := write_annotations(parts):
        message["annotations"] = annotations
    if images:
        message["images"] = images
    if calls:
        message["tool_calls"] = calls
    return message | extra


def _write_call(call: ToolCall, custom: frozenset[str]) -> dict[str, Json]:
    wire: dict[str, Json] = {"id": call.id}
    if call.name in custom:
        wire |= {"type": "custom", "custom": {"name": call.name, "input": read_input(call.arguments)}}
    else:
        wire |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
    return wire if call.signature is None else wire | {"extra_content": write_extra(call.signature)}
