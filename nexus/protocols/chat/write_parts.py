"""Neutral parts, written as content parts for a vendor, and the cache hints on them.

Text documents are written as text, because the vendor only accepts PDFs. Source: openai.types.chat content part params.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Audio, CacheHint, Document, Image, Link, Part, Text
from nexus.errors import UnsupportedFeature
from nexus.models.chat_server import ChatServer
from nexus.protocols.chat.read_parts import AUDIO_TYPES
from nexus.protocols.media import UNNAMED, data_url, refuse_office
from nexus.protocols.openai_request import document_words, misplaced, write_audio, write_image_url
from nexus.wire import Json


def cache_fields(cache: CacheHint | None, server: ChatServer, *, of_tool: bool = False) -> dict[str, Json]:
    """The members for a cache hint at ``server``, on a content part or a tool; {} if there are none."""
    if cache is None:
        return {}
    if server.cache_control:
        return {"cache_control": {"type": "ephemeral"} | ({"ttl": "1h"} if cache == "1h" else {})}
    if server.cache_breakpoint and not of_tool:
        return {"prompt_cache_breakpoint": {"mode": "explicit"} | ({"ttl": "12h"} if cache == "1h" else {})}
    return {}


def write_part(part: Part, path: str) -> list[dict[str, Json]]:
    """One part as this dialect's content parts; a document's context becomes text."""
    match part:
        case Text(text=words):
            return [{"type": "text", "text": words}]
        case Image(detail=detail):
            # Codex asks for original, which other servers than OpenAI's reject (cc-switch #6515 and #7476).
            known = "high" if detail == "original" else detail
            image = {"url": write_image_url(part, path)} | ({"detail": known} if known else {})
            return [{"type": "image_url", "image_url": image}]
        case Audio(source=source):
            return [write_audio(source, path, AUDIO_TYPES)]
        case Document():
            return _write_document(part, path)
        case _:
            raise misplaced(part, path)


def _write_document(part: Document, path: str) -> list[dict[str, Json]]:
    source = part.source
    if isinstance(source, Link):
        raise UnsupportedFeature.about(path, "this vendor does not fetch documents; send the content inline")
    words = document_words(part, path)
    if words is not None or isinstance(source, Text):
        return [{"type": "text", "text": words}]
    refuse_office(source, "this vendor", path)
    file = {"filename": part.title or UNNAMED, "file_data": data_url(source)}
    context = [{"type": "text", "text": part.context}] if part.context else []
    return [*context, {"type": "file", "file": file}]


def is_text(part: Mapping[str, Json]) -> bool:
    return bool(part.get("type") == "text")
