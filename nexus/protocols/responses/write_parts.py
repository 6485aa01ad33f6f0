"""Neutral parts, written as content parts for a vendor, and annotations.

Text documents are written as text. Sources: openai.types.responses input content params, ResponseOutputText.
"""

from __future__ import annotations

from nexus.conversation.parts import Audio, Citation, Document, Image, Link, Part, Text
from nexus.protocols.media import UNNAMED, data_url, web_url
from nexus.protocols.openai_request import document_words, misplaced, write_audio, write_citation, write_image_url
from nexus.protocols.responses.read_parts import AUDIO_TYPES
from nexus.wire import Json


def write_part(part: Part, path: str) -> list[dict[str, Json]]:
    """One part of a user's message or a call's output; a document's context becomes text."""
    match part:
        case Text(text=words):
            return [{"type": "input_text", "text": words}]
        case Image(detail=detail):
            return [{"type": "input_image", "image_url": write_image_url(part, path), "detail": detail or "auto"}]
        case Document():
            return _write_document(part, path)
        case Audio(source=source):
            return [write_audio(source, path, AUDIO_TYPES)]
        case _:
            raise misplaced(part, path)


def _write_document(part: Document, path: str) -> list[dict[str, Json]]:
    source = part.source
    words = document_words(part, path)
    if words is not None or isinstance(source, Text):
        return [{"type": "input_text", "text": words}]
    context = [{"type": "input_text", "text": part.context}] if part.context else []
    if isinstance(source, Link):
        named = {"filename": part.title} if part.title else {}
        return [*context, {"type": "input_file", "file_url": web_url(source, path), **named}]
    return [*context, {"type": "input_file", "filename": part.title or UNNAMED, "file_data": data_url(source)}]


def write_annotation(citation: Citation) -> dict[str, Json]:
    return {"type": "url_citation", **write_citation(citation)}
