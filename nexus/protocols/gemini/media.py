"""Images, documents, audio and tool results as Gemini parts.

Nexus fetches no URL; a link is sent only if Google documents that it fetches it, otherwise the request is refused.
Google requires a media type with every link: it is derived from the path's extension, never guessed for an image.
Source: ai.google.dev/gemini-api/docs/file-input-methods and /image-understanding, Vertex AI reference of FileData;
google.genai.types.FunctionResponse, google.protobuf.Struct.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from nexus.conversation.parts import Audio, Document, Image, Inline, Link, Text, ToolResult
from nexus.dataclasses import replace
from nexus.errors import UnsupportedFeature
from nexus.models.gemini import Gemini
from nexus.protocols.media import PDF, as_bytes, refuse_office
from nexus.wire import Json, decode

_TYPES: Mapping[str, str] = {
    **{name: f"image/{name}" for name in ("png", "jpeg", "webp", "gif", "heic", "heif", "avif", "bmp", "tiff")},
    "jpg": "image/jpeg",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "ico": "image/x-icon",
    "pdf": "application/pdf",
    **dict.fromkeys(("txt", "md"), "text/plain"),
    "csv": "text/csv",
    **dict.fromkeys(("html", "htm"), "text/html"),
    "xml": "text/xml",
    "json": "application/json",
    "mp4": "video/mp4",
}
YOUTUBE = ("youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be")
FILES_API = "generativelanguage.googleapis.com"

_IMAGES: Mapping[str, str] = {
    "image/jpg": "image/jpeg",
    **{f"image/{name}": f"image/{name}" for name in ("png", "jpeg", "webp", "heic", "heif")},
}
"""The image types that Google accepts, by clients' names of them."""

Media = Image | Document | Audio


def foreign_type(image: Image) -> str | None:
    """The type of an image that Google does not accept; None for those that it does, and if the type is unknown."""
    match image.source:
        case Inline(media_type=media_type):
            return None if media_type.lower() in _IMAGES else media_type.lower()
        case Link(url=url):
            media_type = _type_of(url.partition("?")[0].partition("#")[0]) or ""
            return media_type if media_type.startswith("image/") and media_type not in _IMAGES else None


def media_parts(part: Media, gemini: Gemini, param: str) -> list[Json]:
    """One media part, with a document's title and context as a text part before it."""
    match part:
        case Document(title=title, context=context):
            about = [f"{label}: {words}" for label, words in (("Title", title), ("Context", context)) if words]
            source = _document(part.source, param)
            head: list[Json] = [{"text": "\n".join(about)}] if about else []
            return [*head, _source(source, "application/pdf", gemini, param)]
        case Image(source=source):
            if (media_type := foreign_type(part)) is not None:
                words = f"Gemini accepts PNG, JPEG, WebP, HEIC and HEIF images, not {media_type}"
                raise UnsupportedFeature.about(param, words)
            return [_source(source, None, gemini, param)]
        case Audio(source=source):
            return [_source(source, None, gemini, param)]


_TEXTS = frozenset({"text/plain", "text/html", "text/csv", "text/xml", "text/css", "text/rtf", "application/json"})


def _document(source: Inline | Link | Text, param: str) -> Inline | Link | Text:
    """Text of a type that Google does not know is sent as plain text."""
    if not isinstance(source, Inline):
        return source
    refuse_office(source, "Gemini", param)
    return source if source.media_type in (*_TEXTS, PDF) else replace(source, media_type="text/plain")


def _source(source: Inline | Link | Text, default: str | None, gemini: Gemini, param: str) -> Json:
    if isinstance(source, Link):
        return {"fileData": _file_data(source.url, default, gemini, param)}
    inline = as_bytes(source)
    return {"inlineData": {"mimeType": _IMAGES.get(inline.media_type, inline.media_type), "data": inline.data}}


def _file_data(url: str, default: str | None, gemini: Gemini, param: str) -> dict[str, Json]:
    try:
        address = urlsplit(url)
    except ValueError:
        raise UnsupportedFeature.about(param, "the vendor cannot fetch this URL") from None
    host = (address.hostname or "").lower()
    if host == FILES_API and not gemini.vertex:
        return {"fileUri": url}
    if host in YOUTUBE:
        return {"mimeType": "video/mp4", "fileUri": url}
    _check_fetched(address.scheme.lower(), gemini, param)
    media_type = _type_of(address.path) or default
    if media_type is None:
        raise UnsupportedFeature.about(
            param,
            "Gemini needs the media type of a linked image, and this URL's path has no known file extension; "
            "send the content inline",
        )
    return {"mimeType": media_type, "fileUri": url}


def _type_of(path: str) -> str | None:
    name, dot, extension = path.rpartition("/")[2].rpartition(".")
    return _TYPES.get(extension.lower()) if dot and name else None


def _check_fetched(scheme: str, gemini: Gemini, param: str) -> None:
    vertex = gemini.vertex
    if scheme == "gs" and vertex:
        return
    if gemini.web_links and (scheme == "https" or (scheme == "http" and vertex)):
        return
    raise UnsupportedFeature.about(
        param,
        f"this model's server does not fetch {scheme or 'such'} links, and Nexus fetches no client URL; "
        "send the content inline",
    )


_INSIDE = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
"""Media types that functionResponse.parts accepts on every model that has it."""

_EXACT = 2**53


def write_result_response(result: ToolResult) -> dict[str, Json]:
    """``functionResponse.response``, a JSON object.

    An object stays an object if the vendor preserves every value: its Struct stores numbers as doubles and gives
    ``output`` and ``error`` a meaning, so results with larger integers are sent as text, and results with such keys
    inside ``output``. Every ``$ref`` in a response is looked up among the ``displayName``s of its parts
    (googleapis/python-genai 2792, vercel/ai 14369), so a result that contains one is sent as text.
    """
    words = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    value = _object(words)
    if result.is_error:
        return {"error": words if value is None else value}
    if value is None:
        return {"output": words}
    return {"output": value} if {"output", "error"} & value.keys() else value


def result_media(result: ToolResult, gemini: Gemini, path: str) -> tuple[list[Json], list[Json]]:
    """The media of a result: parts of the function response itself, and parts that must follow it."""
    inside: list[Json] = []
    beside: list[Json] = []
    for index, part in enumerate(result.parts):
        if isinstance(part, Text):
            continue
        fits = _fits(part) if gemini.media_in_results else None
        if fits is not None:
            inside.append(fits)
        else:
            beside += media_parts(part, gemini, f"{path}.content.{index}")
    return inside, beside


def _fits(part: Image | Document | Audio) -> Json:
    if isinstance(part.source, Link) or (source := as_bytes(part.source)).media_type not in _INSIDE:
        return None
    if isinstance(part, Document) and (part.title or part.context):
        return None
    return {"inlineData": {"mimeType": source.media_type, "data": source.data}}


def _object(words: str) -> dict[str, Json] | None:
    if not words.lstrip().startswith("{"):
        return None
    try:
        value = decode(words)
    except ValueError:
        return None
    return value if isinstance(value, dict) and _preserved(value) else None


def _preserved(value: Json) -> bool:
    match value:
        case bool() | str() | float() | None:
            return True
        case int():
            return -_EXACT <= value <= _EXACT
        case dict():
            return "$ref" not in value and all(map(_preserved, value.values()))
        case _:
            return all(map(_preserved, value))
