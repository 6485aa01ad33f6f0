"""Content parts: text, images, audio and files, and the cache hints on them, in both directions.

Every part type is read, or refused by its name. Empty text without a hint is not a part. Text files become plain-text
documents and are written as text, because the vendor only accepts PDFs. Sources: openai.types.chat content part params;
OpenRouter's prompt caching guide for ``cache_control``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nexus.conversation.parts import Audio, CacheHint, Document, Image, Inline, Link, Part, Refusal, Text, placed
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.models.chat_server import ChatServer
from nexus.protocols.checks import a_name, an_object, maybe_string, wrong
from nexus.protocols.media import UNNAMED, as_data_url, data_url, file_part, read_url, refuse_office
from nexus.protocols.openai_request import (
    document_words,
    known_type,
    misplaced,
    read_breakpoint,
    refuse_stored,
    write_image_url,
)
from nexus.wire import Json

USER = frozenset({"text", "image_url", "input_audio", "file"})
SYSTEM = frozenset({"text"})
ASSISTANT = frozenset({"text", "refusal"})
TOOL = frozenset({"text", "image_url", "file"})

AUDIO_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "aiff": "audio/aiff",
}
_AUDIO_FORMATS = {media: name for name, media in AUDIO_TYPES.items()} | {"audio/mp3": "mp3", "audio/x-wav": "wav"}


def read_content(value: Json, path: str, allowed: frozenset[str]) -> list[Part]:
    """A message's ``content``: null, a string or a list of parts."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [Text(value, at=path)]
    if not isinstance(value, list):
        raise InvalidRequest.about(path, "expected a string or an array of content parts")
    parts = [read_part(entry, f"{path}.{index}", allowed) for index, entry in enumerate(value)]
    return [part for part in parts if part != Text("")]


def read_part(entry: Json, path: str, allowed: frozenset[str]) -> Part:
    part = an_object(entry, path)
    return placed(_READERS[known_type(part, path, allowed)](part, path), path)


def _read_text(part: Mapping[str, Json], path: str) -> Part:
    return Text(maybe_string(part, "text", path) or "", read_cache(part, path))


def _read_refusal(part: Mapping[str, Json], path: str) -> Part:
    return Refusal(a_name(part, "refusal", path))


def _read_image(part: Mapping[str, Json], path: str) -> Part:
    path = f"{path}.image_url"
    image = an_object(part.get("image_url"), path)
    source = read_url(a_name(image, "url", path), param=f"{path}.url")
    cache = read_cache(part, path)
    if isinstance(source, Inline) and not source.media_type.startswith("image/"):
        return file_part(source, None, cache, f"{path}.url")
    return Image(source, maybe_string(image, "detail", path), cache)


def _read_audio(part: Mapping[str, Json], path: str) -> Part:
    path = f"{path}.input_audio"
    audio = an_object(part.get("input_audio"), path)
    name = a_name(audio, "format", path)
    if name not in AUDIO_TYPES:
        raise UnsupportedFeature.about(f"{path}.format", f"audio format {name} is not known here")
    return Audio(Inline(AUDIO_TYPES[name], a_name(audio, "data", path)))


def _read_file(part: Mapping[str, Json], path: str) -> Part:
    path = f"{path}.file"
    file = an_object(part.get("file"), path)
    refuse_stored(file, path, "file_data")
    data, title = a_name(file, "file_data", path), maybe_string(file, "filename")
    source = read_url(as_data_url(data, title), param=f"{path}.file_data")
    return file_part(source, title, read_cache(part, path), f"{path}.file_data")


_READERS: Mapping[str, Callable[[Mapping[str, Json], str], Part]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "refusal": _read_refusal,
}


def read_cache(holder: Mapping[str, Json], path: str) -> CacheHint | None:
    """The cache breakpoint on a part, a message or a tool, in Anthropic's spelling or OpenAI's."""
    if (control := holder.get("cache_control")) is None:
        return read_breakpoint(holder, path)
    path = f"{path}.cache_control"
    match maybe_string(an_object(control, path), "ttl", path):
        case None:
            return "5m"
        case "5m" | "1h" as ttl:
            return ttl
        case _:
            raise wrong(f"{path}.ttl", "5m or 1h")


def cache_fields(cache: CacheHint | None, server: ChatServer, *, of_tool: bool = False) -> dict[str, Json]:
    """The members for it at ``server``, on a content part or a tool; {} if there are none."""
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
            image = {"url": write_image_url(part, path)} | ({"detail": detail} if detail else {})
            return [{"type": "image_url", "image_url": image}]
        case Audio(source=source):
            return [_write_audio(source, path)]
        case Document():
            return _write_document(part, path)
        case _:
            raise misplaced(part, path)


def _write_audio(source: Inline, path: str) -> dict[str, Json]:
    name = _AUDIO_FORMATS.get(source.media_type)
    if name is None:
        raise UnsupportedFeature.about(path, f"this vendor does not accept audio of type {source.media_type}")
    return {"type": "input_audio", "input_audio": {"data": source.data, "format": name}}


def _write_document(part: Document, path: str) -> list[dict[str, Json]]:
    source = part.source
    if isinstance(source, Link):
        raise UnsupportedFeature.about(path, "this vendor does not fetch documents; send the file inline")
    words = document_words(part, path)
    if words is not None or isinstance(source, Text):
        return [{"type": "text", "text": words}]
    refuse_office(source, "this vendor", path)
    file = {"filename": part.title or UNNAMED, "file_data": data_url(source)}
    context = [{"type": "text", "text": part.context}] if part.context else []
    return [*context, {"type": "file", "file": file}]


def change_last(parts: list[Part], kinds: tuple[type[Part], ...], change: Callable[[Any], Part]) -> bool:
    """Changes the last of ``parts`` that is of one of ``kinds``; False if there is none."""
    found = next((at for at in range(len(parts) - 1, -1, -1) if isinstance(parts[at], kinds)), None)
    if found is not None:
        parts[found] = change(parts[found])
    return found is not None


def is_text(part: Mapping[str, Json]) -> bool:
    return bool(part.get("type") == "text")
