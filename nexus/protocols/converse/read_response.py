"""A vendor's complete answer, read into neutral form.

No member of an answer is assumed to be present; an answer without output has no parts. The body has neither an id nor
the model, so both are passed in. A tool call's empty input becomes "" (the neutral form of no arguments). Source: the
bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Citation, Image, Inline, Reasoning, Response, Signature, StreamPart, Text, ToolCall
from nexus.errors import VendorError
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin, ReadResponse
from nexus.protocols.converse.read_error import read_no_answer
from nexus.protocols.converse.signatures import OWN
from nexus.protocols.converse.stops import BROKEN, read_stop
from nexus.protocols.converse.usage import read_usage
from nexus.protocols.error_words import ended_with
from nexus.protocols.media import is_web
from nexus.protocols.tool_calls import read_arguments, read_called
from nexus.wire import Json, mapping, sequence, text

CLIENTS_CALL = (None, "tool_use")
"""The ``type`` of a call of a client's tool. Claude Sonnet 5 has one, which the service model does not list (recorded
in langchain-aws 1.9)."""


def read_response(body: Mapping[str, Json], origin: AnswerOrigin) -> ReadResponse:
    if not is_answer(body):
        raise VendorError(read_no_answer(body))
    parts: list[StreamPart] = []
    drops = Drops()
    message = mapping(mapping(body.get("output")).get("message"))
    for block in sequence(message.get("content")):
        part = _read_block(mapping(block), drops)
        if part is not None:
            parts.append(part)
    stop = read_stop(body)
    if not parts and stop.raw in BROKEN:
        raise VendorError(ended_with(stop.raw))
    usage = read_usage(mapping(body.get("usage")), body.get("serviceTier"))
    return ReadResponse(Response(origin.response_id, origin.model, tuple(parts), stop, usage), drops.names)


def is_answer(body: Mapping[str, Json]) -> bool:
    return not {"output", "stopReason", "usage"}.isdisjoint(body)


def _read_block(block: Mapping[str, Json], drops: Drops) -> StreamPart | None:
    for kind, value in block.items():
        match kind:
            case "text":
                return Text(text(value))
            case "toolUse" if mapping(value).get("type") in CLIENTS_CALL:
                call = mapping(value)
                name, arguments = read_called(call.get("name")), read_arguments(call.get("input"))
                return ToolCall(text(call.get("toolUseId")), name, arguments)
            case "reasoningContent":
                return _read_reasoning(mapping(value))
            case "image" if (image := read_image(mapping(value))) is not None:
                return image
            case "citationsContent":
                return _read_cited(mapping(value), drops)
            case "toolUse":
                drops.add(text(mapping(value).get("type")) or kind)
            case _:
                drops.add(kind)
    return None


def read_image(wire: Mapping[str, Json]) -> Image | None:
    """An image that the model made; None if it has no bytes."""
    data = text(mapping(wire.get("source")).get("bytes"))
    return Image(Inline(f"image/{text(wire.get('format')) or 'png'}", data)) if data else None


def _read_cited(block: Mapping[str, Json], drops: Drops) -> Text:
    words = "".join(text(mapping(piece).get("text")) for piece in sequence(block.get("content")))
    cited = (read_citation(mapping(entry), len(words)) for entry in sequence(block.get("citations")))
    return Text(words, citations=tuple(drops.sift(cited)))


def read_citation(wire: Mapping[str, Json], length: int) -> Citation | str:
    """The source of a text of ``length`` characters; for anything but a web page, its name."""
    location = mapping(wire.get("location"))
    url = text(mapping(location.get("web")).get("url")) or text(wire.get("source"))
    if not is_web(url):
        kind = next(iter(location), "")
        return f"citations.{kind}" if kind else "citations"
    quote = "".join(text(mapping(piece).get("text")) for piece in sequence(wire.get("sourceContent")))
    return Citation(0, length, url, text(wire.get("title")), quote)


def _read_reasoning(wire: Mapping[str, Json]) -> Reasoning:
    redacted = wire.get("redactedContent")
    if redacted is not None:
        return Reasoning("", Signature(OWN, text(redacted)), redacted=True)
    reasoning = mapping(wire.get("reasoningText"))
    return Reasoning(text(reasoning.get("text")), Signature(OWN, text(reasoning.get("signature"))))
