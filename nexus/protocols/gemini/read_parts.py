"""A client's media and function responses, read into neutral parts.

A part is one of a closed list; anything else is refused by its name and path. Source: ai.google.dev/api/caching#Part;
google.genai.types.FunctionResponse.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from nexus.conversation.parts import Audio, Document, Image, Inline, Link, Text
from nexus.errors import UnsupportedFeature
from nexus.protocols.checks import (
    Body,
    Drops,
    a_name,
    a_string,
    an_object,
    maybe_object,
    maybe_string,
    objects_in,
    wrong,
)
from nexus.protocols.gemini.media import FILES_API, YOUTUBE, Media
from nexus.protocols.gemini.server_parts import server_part
from nexus.protocols.gemini.signatures import standard_base64
from nexus.wire import Json, base64_bytes, encode

_KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_ABOUT = ("thought", "thoughtSignature")
_WORDS = ("text/", "application/json")


def part_kind(wire: Body, path: str, drops: Drops) -> str:
    """The name of a part's one member with content; unknown members are reported."""
    kinds = [name for name in _KINDS if wire.get(name) is not None]
    if own := server_part(wire):
        raise UnsupportedFeature.about(path, f"a part {own} does not belong to the role user")
    if wire.get("thoughtSignature") and wire.keys() <= set(_ABOUT):
        # A signature alone belongs to an empty text.
        return "text"
    if len(kinds) != 1:
        raise wrong(path, f"an object with one of {', '.join(_KINDS)}")
    drops.unknown(wire, (*_KINDS, *_ABOUT), "contents.parts")
    return kinds[0]


def read_media(kind: str, value: Json, path: str, drops: Drops) -> Media:
    wire = an_object(value, f"{path}.{kind}")
    drops.unknown(wire, ("mimeType", "data", "fileUri", "displayName"), f"contents.parts.{kind}")
    media = _read_inline(wire, f"{path}.{kind}") if kind == "inlineData" else _read_file(wire, f"{path}.{kind}")
    if not isinstance(media, Document) and wire.get("displayName"):
        drops.add(f"contents.parts.{kind}.displayName")
    return media


def read_function_response(wire: Body, path: str, drops: Drops) -> tuple[tuple[Text | Image | Document, ...], bool]:
    """The parts of a function response, and whether it reports a failure.

    A single ``output`` or ``error`` has the output as its value; any other object is the output itself.
    """
    drops.unknown(wire, ("id", "name", "response", "parts"), "contents.parts.functionResponse")
    response = maybe_object(wire, "response", path)
    failed, output = False, response
    if len(response) == 1:
        ((name, value),) = response.items()
        failed, output = name == "error", value if name in ("output", "error") else response
    words = output if isinstance(output, str) else encode(output).decode() if output != {} else ""
    parts: list[Text | Image | Document] = [Text(words)] if words else []
    for entry, where in objects_in(wire.get("parts") or [], f"{path}.parts"):
        kind = part_kind(entry, where, drops)
        media = read_media(kind, entry[kind], where, drops) if kind in ("inlineData", "fileData") else None
        if not isinstance(media, Image | Document):
            raise UnsupportedFeature.about(where, "a function response holds only images and documents")
        parts.append(media)
    return tuple(parts), failed


def _read_inline(wire: Body, path: str) -> Media:
    media_type = a_name(wire, "mimeType", path).partition(";")[0].strip().lower()
    data = standard_base64(a_string(wire, "data", path))
    if (raw := base64_bytes(data)) is None:
        raise wrong(f"{path}.data", "base64")
    title = maybe_string(wire, "displayName", path)
    if media_type.startswith(_WORDS):
        return Document(Text(raw.decode("utf-8", "replace")), title)
    return _of_type(Inline(media_type, data), media_type, title, path)


def _read_file(wire: Body, path: str) -> Media:
    uri, media_type = a_name(wire, "fileUri", path), (maybe_string(wire, "mimeType", path) or "").lower()
    try:
        host = (urlsplit(uri).hostname or "").lower()
    except ValueError:
        raise wrong(f"{path}.fileUri", "a URI") from None
    if host == FILES_API or host in YOUTUBE:
        raise UnsupportedFeature.about(
            path, "only Google's models can read a file or video stored at Google; send the content inline"
        )
    if not media_type.startswith(("image/", "application/", "text/")):
        raise UnsupportedFeature.about(path, f"{media_type or 'a file of no type'} cannot be sent as a link")
    return _of_type(Link(uri), media_type, maybe_string(wire, "displayName", path), path)


def _of_type(source: Inline | Link, media_type: str, title: str | None, path: str) -> Media:
    if media_type.startswith("image/"):
        return Image(source)
    if media_type.startswith("audio/") and isinstance(source, Inline):
        return Audio(source)
    if media_type.startswith("video/"):
        raise UnsupportedFeature.about(path, "video can be sent only to Google's models")
    return Document(source, title)
