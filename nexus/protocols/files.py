"""Files as OpenAI's two dialects take them in: what one becomes follows from its type alone.

Law: pure. Text files become plain text, links and PDFs stay what they are; any other type is refused by name.
"""

from __future__ import annotations

import base64
import binascii

from nexus.conversation import CacheHint, Document, Image, Inline, Link, Part, Text
from nexus.errors import InvalidRequest, UnsupportedFeature

UNNAMED = "document.pdf"
"""What a PDF without a title is called where a name is demanded."""

_TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})


def file_part(source: Inline | Link, title: str | None, cache: CacheHint | None, path: str) -> Part:
    """Raises UnsupportedFeature for a type that is known nowhere else, InvalidRequest for text that is none."""
    if isinstance(source, Link) or source.media_type == "application/pdf":
        return Document(source, title, cache=cache)
    if source.media_type.startswith("image/"):
        return Image(source, cache=cache)
    if is_textual(source.media_type):
        return Document(Text(read_text_file(source, path)), title, cache=cache)
    raise UnsupportedFeature(f"{path}: files of type {source.media_type} cannot be translated", param=path)


def is_textual(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXTUAL


def read_text_file(source: Inline, path: str) -> str:
    """Raises InvalidRequest."""
    try:
        return base64.b64decode(source.data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{path}: expected base64 of UTF-8 text", param=path) from error
