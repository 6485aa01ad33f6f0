"""A complete answer, written for a Converse client. Source: ConverseResponse of the bedrock-runtime service model."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from nexus.conversation.parts import Citation, Image, Inline, Reasoning, Refusal, Response, StreamPart, Text, ToolCall
from nexus.protocols.codec import Envelope
from nexus.protocols.converse.signatures import OWN, reasoning_content
from nexus.protocols.converse.stops import write_stop
from nexus.protocols.converse.usage import write_usage
from nexus.protocols.signatures import NEXT, PREVIOUS, pack_foreign
from nexus.protocols.tidy import Room
from nexus.protocols.tool_calls import an_object_of
from nexus.wire import Json, only

ROOM = Room(images=(Inline,), late_citations=False)

_FORMATS: Mapping[str, str] = {"image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    content = [block for part in response.parts for block in _write_blocks(part)]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        **write_stop(response.stop),
        "usage": write_usage(response.usage),
        "metrics": write_metrics(envelope),
    }


def write_metrics(envelope: Envelope) -> dict[str, Json]:
    now = envelope.created if envelope.now is None else envelope.now()
    return {"latencyMs": max(0, now - envelope.created) * 1000}


def image_bytes(image: Image) -> tuple[str, str]:
    source = image.source
    if not isinstance(source, Inline):
        raise TypeError("this protocol does not support links to images")
    return _FORMATS.get(source.media_type.lower(), "png"), source.data


def write_citation(citation: Citation) -> dict[str, Json]:
    fields = {
        "source": citation.url,
        "title": citation.title or None,
        "sourceContent": [{"text": citation.quote}] if citation.quote else None,
        "location": {"web": {"url": citation.url, "domain": urlsplit(citation.url).hostname or ""}},
    }
    return only(fields)


def _carried(packed: str | None) -> list[Json]:
    """The block with a text's or a call's signature."""
    return [] if packed is None else [{"reasoningContent": {"reasoningText": {"text": "", "signature": packed}}}]


def _write_blocks(part: StreamPart) -> list[Json]:
    match part:
        case Text(text=words, signature=signature, citations=citations):
            block: Json = {"text": words}
            if citations:
                block = {
                    "citationsContent": {"content": [block], "citations": [write_citation(one) for one in citations]}
                }
            return [block, *_carried(pack_foreign(signature, PREVIOUS, OWN))]
        case Refusal(text=words):
            return [{"text": words}]
        case Reasoning():
            return [{"reasoningContent": reasoning_content(part)}]
        case ToolCall(signature=signature):
            call = {"toolUse": {"toolUseId": part.id, "name": part.name, "input": an_object_of(part.arguments)[0]}}
            return [*_carried(pack_foreign(signature, NEXT, OWN)), call]
        case Image():
            kind, data = image_bytes(part)
            return [{"image": {"format": kind, "source": {"bytes": data}}}]
