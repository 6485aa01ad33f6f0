"""Links, data URLs, files and images, in clients' content and in vendors' requests.

What a file of OpenAI's two dialects becomes depends only on its type: links, PDFs and office files stay what they are,
and so do text types that a vendor may know by name; other text files become plain text, and any other type is refused
by name. A file without a type gets the type of its name. An image is never dropped silently: text replaces it, and it
is reported as dropped.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from nexus.conversation.parts import CacheHint, Document, Image, Inline, Link, Part, Text
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.late import pattern
from nexus.protocols.checks import wrong

_WEB = ("https://", "http://")
_DATA_URL = pattern(r"data:([^;,\s]+)((?:;[^;,\s]*)*),", re.IGNORECASE)


def read_url(url: str, *, param: str) -> Inline | Link:
    """A data URL's content or a link, to the web or to cloud storage; the writer decides which it supports.

    Raises InvalidRequest for anything else.
    """
    if url[:5].lower() == "data:":
        match = _DATA_URL.match(url)
        if match is None or not match.group(2).lower().endswith(";base64"):
            raise wrong(param, "a data URL with a media type and base64")
        return Inline(match.group(1).lower(), _forgiven(url[match.end() :]))
    if url.lower().startswith((*_WEB, "gs://", "s3://")):
        return Link(url)
    raise wrong(param, "an https URL or a data URL")


def _forgiven(data: str) -> str:
    """Base64 as every vendor accepts it: in data URLs it may contain whitespace, such as line breaks, and lack its
    padding (WHATWG's forgiving-base64)."""
    if any(blank in data for blank in "\n\r\t "):
        data = "".join(data.split())
    return data + "=" * (-len(data) % 4)


def web_url(link: Link, path: str) -> str:
    """A link's URL, for vendors that only fetch from the web. Raises UnsupportedFeature for one in cloud storage."""
    if not is_web(link.url):
        raise UnsupportedFeature.about(
            path, f"this vendor does not accept {link.url.partition(':')[0]}:// URLs; send the content inline"
        )
    return link.url


def is_web(url: str) -> bool:
    return url.lower().startswith(_WEB)


def data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"


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
_UNTYPED = frozenset({"application/octet-stream", "binary/octet-stream"})


def media_type_of(title: str | None) -> str | None:
    return _EXTENSIONS.get((title or "").rpartition(".")[2].lower())


def as_data_url(data: str, title: str | None) -> str:
    """``file_data`` that is plain base64, as a data URL of the type of the file's name."""
    if data.startswith(("data:", "http")) or (media_type := media_type_of(title)) is None:
        return data
    return f"data:{media_type};base64,{data}"


def file_part(source: Inline | Link, title: str | None, cache: CacheHint | None, path: str) -> Part:
    """Raises UnsupportedFeature for a type that no other vendor supports, InvalidRequest for invalid text."""
    if isinstance(source, Inline) and source.media_type in _UNTYPED:
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
        raise UnsupportedFeature.about(path, f"{what} accepts PDF and text documents, not {source.media_type}")


def as_bytes(source: Inline | Text) -> Inline:
    """A text as the bytes of a file."""
    if isinstance(source, Inline):
        return source
    return Inline("text/plain", base64.b64encode(source.text.encode()).decode())


def is_textual(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _TEXTUAL


def read_text_file(source: Inline, path: str) -> str:
    """Raises InvalidRequest."""
    try:
        return base64.b64decode(source.data, validate=True).decode()
    except ValueError as error:
        raise wrong(path, "base64 of UTF-8 text") from error


LOST = "messages.images"
"""What a writer reports when it replaces an image of the assistant with text."""

_HEADS: Mapping[str, str] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""First characters of an image in base64, by type."""


def image_type(data: str) -> str:
    """The media type by the first bytes of base64 data; PNG if they are unknown."""
    return next((media_type for head, media_type in _HEADS.items() if data.startswith(head)), "image/png")


def unseen(image: Image) -> Text:
    """Text for a history in place of an image that the model cannot be shown."""
    return Text(f"[Here was {_about(image)}, which this model cannot see.]")


def placeholder(image: Image) -> Text:
    """Text for an answer in place of an image that the client's protocol does not support."""
    return Text(f"[The model made {_about(image)}, which this protocol does not support.]")


def from_result(call_id: str) -> str:
    """Text before images and files of a tool result that cannot be inside it."""
    return f"[from the result of tool call {call_id}]"


def _about(image: Image) -> str:
    if isinstance(image.source, Inline):
        return f"an image of type {image.source.media_type}"
    return f"an image, {image.source.url}"
