"""Files in OpenAI's two dialects: what a file becomes depends only on its type.

Links, PDFs and office files stay what they are, and so do text types that a vendor may know by name; other text files
become plain text, and any other type is refused by name. A file without a type gets the type of its name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from nexus.conversation.parts import CacheHint, Document, Image, Inline, Link, Part, Text
from nexus.errors import InvalidRequest, UnsupportedFeature

UNNAMED = "document.pdf"
"""Name of a PDF without a title if a name is required."""

PDF = "application/pdf"
OFFICE: Mapping[str, str] = {
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_KNOWN_TEXTS = frozenset({"text/csv", "text/html", "text/markdown"})
_TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
_EXTENSIONS: Mapping[str, str] = {
    **OFFICE,
    "pdf": PDF,
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "md": "text/markdown",
    "txt": "text/plain",
    "json": "application/json",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
_UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream"})


def media_type_of(title: str | None) -> str | None:
    return _EXTENSIONS.get((title or "").rpartition(".")[2].lower())


def as_data_url(data: str, title: str | None) -> str:
    """``file_data`` that is plain base64, as a data URL of the type of the file's name."""
    if data.startswith(("data:", "http")) or (media_type := media_type_of(title)) is None:
        return data
    return f"data:{media_type};base64,{data}"


def file_part(source: Inline | Link, title: str | None, cache: CacheHint | None, path: str) -> Part:
    """Raises UnsupportedFeature for a type that no other vendor supports, InvalidRequest for invalid text."""
    if isinstance(source, Inline) and source.media_type in _UNTOLD:
        source = replace(source, media_type=media_type_of(title) or source.media_type)
    if isinstance(source, Link) or source.media_type == PDF or source.media_type in OFFICE.values():
        return Document(source, title, cache=cache)
    if source.media_type.startswith("image/"):
        return Image(source, cache=cache)
    if is_textual(source.media_type):
        words = read_text_file(source, path)
        return Document(source if source.media_type in _KNOWN_TEXTS else Text(words), title, cache=cache)
    raise UnsupportedFeature.about(path, f"files of type {source.media_type} cannot be translated")


def refuse_office(source: Inline, what: str, path: str) -> None:
    """Raises UnsupportedFeature for a document that is neither PDF nor text."""
    if source.media_type != PDF and not is_textual(source.media_type):
        raise UnsupportedFeature.about(path, f"{what} takes PDF and text documents, not {source.media_type}")


def is_textual(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXTUAL


def read_text_file(source: Inline, path: str) -> str:
    """Raises InvalidRequest."""
    try:
        return base64.b64decode(source.data, validate=True).decode()
    except ValueError as error:
        raise InvalidRequest.about(path, "expected base64 of UTF-8 text") from error
