"""A client's content parts, read into neutral parts: text, images, audio and files, and the cache hints on them.

Every part type is read, or refused by its name. Empty text without a hint is not a part. Text files become plain-text
documents. Sources: openai.types.chat content part params; OpenRouter's prompt caching guide for ``cache_control``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nexus.conversation.parts import CacheHint, Image, Inline, Part, Reasoning, Refusal, Text, placed
from nexus.protocols.chat.stream_parts import read_piece
from nexus.protocols.checks import Body, Drops, a_name, an_object, maybe_string, objects_in, wrong
from nexus.protocols.media import as_data_url, file_part, read_url
from nexus.protocols.openai_request import known_type, read_audio, read_breakpoint, refuse_stored
from nexus.wire import Json, mapping

USER = frozenset({"text", "image_url", "input_audio", "file"})
SYSTEM = frozenset({"text"})
ASSISTANT = frozenset({"text", "refusal", "thinking", "reasoning"})
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


def read_parts(value: Json, path: str, allowed: frozenset[str], drops: Drops) -> list[Part]:
    """A message's ``content``: null, a string or a list of parts."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [Text(value, at=path)]
    if not isinstance(value, list):
        raise wrong(path, "a string or an array of content parts")
    parts = (_read_part(part, at, allowed, drops) for part, at in objects_in(value, path))
    return [part for part in parts if part != Text("")]


def _read_part(part: Body, path: str, allowed: frozenset[str], drops: Drops) -> Part:
    kind = known_type(part, path, allowed)
    drops.unknown(part, (*_COMMON, kind), "messages.content")
    inner = mapping(part.get(kind))
    drops.unknown(inner, _INNER, f"messages.content.{kind}")
    read = placed(_READERS[kind](part, path), path)
    if isinstance(read, Image) and kind == "file" and inner.get("filename"):
        drops.add("messages.content.file.filename")
    return read


def _read_text(part: Mapping[str, Json], path: str) -> Part:
    return Text(maybe_string(part, "text", path) or "", read_cache(part, path))


def _read_refusal(part: Mapping[str, Json], path: str) -> Part:
    return Refusal(a_name(part, "refusal", path))


def _read_thought(part: Mapping[str, Json], path: str) -> Part:
    """Thinking of Mistral's and Databricks's models, which clients send back where it was."""
    return Reasoning("".join(words for kind, words in read_piece(part) if kind != "dropped"))


def _read_image(part: Mapping[str, Json], path: str) -> Part:
    path = f"{path}.image_url"
    image = an_object(part.get("image_url"), path)
    source = read_url(a_name(image, "url", path), param=f"{path}.url")
    cache = read_cache(part, path)
    if isinstance(source, Inline) and not source.media_type.startswith("image/"):
        return file_part(source, None, cache, f"{path}.url")
    return Image(source, maybe_string(image, "detail", path), cache)


def _read_audio(part: Mapping[str, Json], path: str) -> Part:
    return read_audio(part, path, AUDIO_TYPES)


def _read_file(part: Mapping[str, Json], path: str) -> Part:
    path = f"{path}.file"
    file = an_object(part.get("file"), path)
    refuse_stored(file, path, "file_data")
    data, title = a_name(file, "file_data", path), maybe_string(file, "filename")
    source = read_url(as_data_url(data, title), param=f"{path}.file_data")
    return file_part(source, title, read_cache(part, path), f"{path}.file_data")


HINTS = ("cache_control", "prompt_cache_breakpoint")
_COMMON = ("type", "summary", *HINTS)
_INNER = frozenset({"url", "detail", "data", "format", "file_data", "filename"})
"""Members of a part and of the object in it that are read; others are dropped by name."""

_READERS: Mapping[str, Callable[[Mapping[str, Json], str], Part]] = {
    "text": _read_text,
    "image_url": _read_image,
    "input_audio": _read_audio,
    "file": _read_file,
    "refusal": _read_refusal,
    "thinking": _read_thought,
    "reasoning": _read_thought,
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
            raise wrong(f"{path}.ttl", '"5m" or "1h"')


def change_last(parts: list[Part], kinds: tuple[type[Part], ...], change: Callable[[Any], Part]) -> bool:
    """Changes the last of ``parts`` that is of one of ``kinds``; False if there is none."""
    found = next((at for at in range(len(parts) - 1, -1, -1) if isinstance(parts[at], kinds)), None)
    if found is not None:
        parts[found] = change(parts[found])
    return found is not None
