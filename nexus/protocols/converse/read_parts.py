"""A client's content blocks, read into neutral parts.

A block is one of a closed list; anything else is refused by its name and position. Search results become text documents
(title kept, source as context). A ``cachePoint`` marks the part before it. Source: the bedrock-runtime service model.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from nexus.conversation.parts import (
    Audio,
    CacheHint,
    Document,
    Image,
    Inline,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    placed,
)
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import Body, Drops, a_name, a_string, an_object, maybe_bool, maybe_string, objects_in, wrong
from nexus.protocols.converse.read_stream import CLIENTS_CALL
from nexus.protocols.converse.signatures import OWN, read_redacted
from nexus.protocols.media import OFFICE, PDF
from nexus.protocols.signatures import CarriedSignature, Neighbours, unpack_neighbours, unpack_thinking
from nexus.wire import Json, base64_bytes, encode, mapping, text

_USERS = frozenset({"document", "audio", "toolResult", "searchResult"})
_ASSISTANTS = frozenset({"toolUse", "reasoningContent", "citationsContent"})

_DOCUMENTS: Mapping[str, str] = {"pdf": PDF, **OFFICE}
_WORDS = frozenset({"txt", "md", "html", "csv"})
_AUDIO: Mapping[str, str] = {"mp3": "audio/mpeg", "mpga": "audio/mpeg", "x-aac": "audio/aac", "mka": "audio/x-matroska"}


def read_content(content: Json, role: Role, path: str, drops: Drops) -> tuple[Part, ...]:
    """A message's blocks. Raises InvalidRequest, UnsupportedFeature."""
    neighbours = Neighbours()
    for wire, at in objects_in(content, path):
        kind, value = only_member(wire, at)
        if kind == "cachePoint":
            mark_last(neighbours.parts, read_cache_point(value, at, drops), drops)
        else:
            neighbours.add(_read_block(kind, value, role, at, drops), at)
    return tuple(neighbours.parts)


def read_texts(content: Json, path: str, drops: Drops) -> tuple[Text, ...]:
    """``system``, or the content of a system message."""
    texts: list[Text] = []
    for wire, at in objects_in(content, path):
        kind, value = only_member(wire, at)
        if kind == "cachePoint":
            mark_last(texts, read_cache_point(value, at, drops), drops)
        elif kind == "text":
            texts.append(Text(_words(value, f"{at}.text"), at=at))
        else:
            raise UnsupportedFeature.about(at, f"only text is accepted here, not {kind}")
    return tuple(texts)


def mark_last(parts: list[Any], hint: CacheHint, drops: Drops) -> None:
    """Marks the part before a cachePoint as the end of the cached prefix."""
    if parts and hasattr(parts[-1], "cache"):
        parts[-1] = replace(parts[-1], cache=hint)
    else:
        drops.add("cachePoint")


def read_cache_point(value: Json, path: str, drops: Drops) -> CacheHint:
    wire = an_object(value, f"{path}.cachePoint")
    drops.unknown(wire, ("type", "ttl"), "cachePoint")
    ttl = wire.get("ttl") or "5m"
    if ttl not in ("5m", "1h"):
        raise wrong(f"{path}.cachePoint.ttl", '"5m" or "1h"')
    return cast(CacheHint, ttl)


def only_member(wire: Json, path: str) -> tuple[str, Json]:
    """The name and the value of the only member of a union."""
    members = [(name, value) for name, value in an_object(wire, path).items() if value is not None]
    if len(members) != 1:
        raise wrong(path, "an object with one member")
    return members[0]


def _read_block(kind: str, value: Json, role: Role, path: str, drops: Drops) -> Part | CarriedSignature:
    read = _READERS.get(kind)
    if read is None:
        raise UnsupportedFeature.about(path, f"a {kind} block can be sent only to Bedrock's models")
    if kind in (_USERS if role == "assistant" else _ASSISTANTS):
        raise InvalidRequest.about(path, f"a {kind} block does not belong to the role {role}")
    _report(kind, value, drops)
    return read(value, f"{path}.{kind}", drops)


_MEMBERS: Mapping[str, Collection[str]] = {
    "image": ("format", "source"),
    "audio": ("format", "source"),
    "document": ("format", "name", "source", "context", "citations"),
    "searchResult": ("title", "source", "content", "citations"),
    "toolUse": ("toolUseId", "name", "input", "type"),
    "toolResult": ("toolUseId", "content", "status", "type"),
    "citationsContent": ("content", "citations"),
}


def _report(kind: str, value: Json, drops: Drops) -> None:
    """Reports the members of a block that are not read."""
    if kind in _MEMBERS:
        drops.unknown(mapping(value), _MEMBERS[kind], f"messages.content.{kind}")


def _words(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def _read_text(value: Json, path: str, drops: Drops) -> Text:
    return Text(_words(value, path))


def _read_data(source: Json, path: str) -> str:
    """The bytes of a source, in base64."""
    kind, _ = only_member(source, path)
    if kind == "s3Location":
        raise UnsupportedFeature.about(path, "only Bedrock can read an object in S3; send the content inline")
    data = a_string(mapping(source), "bytes", path)
    if base64_bytes(data) is None:
        raise wrong(f"{path}.bytes", "base64")
    return data


def _read_image(value: Json, path: str, drops: Drops) -> Image:
    wire = an_object(value, path)
    return Image(Inline(f"image/{a_name(wire, 'format', path)}", _read_data(wire.get("source"), f"{path}.source")))


def _read_audio(value: Json, path: str, drops: Drops) -> Audio:
    wire = an_object(value, path)
    kind = a_name(wire, "format", path)
    return Audio(Inline(_AUDIO.get(kind, f"audio/{kind}"), _read_data(wire.get("source"), f"{path}.source")))


def _read_document(value: Json, path: str, drops: Drops) -> Document:
    wire = an_object(value, path)
    _refuse_citations(wire, path)
    title, context = maybe_string(wire, "name", path), maybe_string(wire, "context", path)
    kind = text(wire.get("format")) or "txt"
    return Document(_read_document_source(wire.get("source"), kind, f"{path}.source", drops), title, context)


def _read_document_source(source: Json, kind: str, path: str, drops: Drops) -> Inline | Text:
    match only_member(source, path):
        case "text", words:
            return Text(_words(words, f"{path}.text"))
        case "content", pieces:
            return Text(_joined(pieces, f"{path}.content", drops, "\n\n"))
    data = _read_data(source, path)
    if kind not in _WORDS:
        return Inline(_DOCUMENTS.get(kind, f"application/{kind}"), data)
    try:
        return Text(base64.b64decode(data).decode())
    except UnicodeDecodeError as error:
        raise wrong(f"{path}.bytes", "text in UTF-8") from error


def _refuse_citations(wire: Body, path: str) -> None:
    wanted = wire.get("citations")
    if wanted is not None and maybe_bool(an_object(wanted, f"{path}.citations"), "enabled", f"{path}.citations"):
        where = f"{path}.citations"
        raise UnsupportedFeature.about(where, "only Bedrock's models cite documents; leave the field out")


def _read_search_result(value: Json, path: str, drops: Drops) -> Document:
    wire = an_object(value, path)
    _refuse_citations(wire, path)
    words = _joined(wire.get("content"), f"{path}.content", drops, "\n\n")
    return Document(Text(words), maybe_string(wire, "title", path), maybe_string(wire, "source", path))


def _read_call(value: Json, path: str, drops: Drops) -> ToolCall:
    wire = an_object(value, path)
    if wire.get("type") not in CLIENTS_CALL:
        raise UnsupportedFeature.about(
            path, f"a toolUse of type {text(wire['type'])} can be sent only to Bedrock's models"
        )
    given = wire.get("input")
    arguments = encode(an_object(given, f"{path}.input")).decode() if given else ""
    return ToolCall(a_string(wire, "toolUseId", path), a_name(wire, "name", path), arguments)


def _read_result(value: Json, path: str, drops: Drops) -> ToolResult:
    wire = an_object(value, path)
    parts: list[Text | Image | Document] = []
    for inner, at in objects_in(wire.get("content"), f"{path}.content"):
        kind, held = only_member(inner, at)
        read = _IN_RESULTS.get(kind)
        if read is None:
            raise UnsupportedFeature.about(at, f"a {kind} block can be sent only to Bedrock's models")
        _report(kind, held, drops)
        parts.append(placed(read(held, f"{at}.{kind}", drops), at))
    status = wire.get("status")
    if status not in (None, "success", "error"):
        raise wrong(f"{path}.status", '"success" or "error"')
    return ToolResult(a_string(wire, "toolUseId", path), tuple(parts), is_error=status == "error")


def _read_reasoning(value: Json, path: str, drops: Drops) -> Reasoning | CarriedSignature:
    kind, held = only_member(value, path)
    if kind == "redactedContent":
        return Reasoning("", read_redacted(_words(held, f"{path}.{kind}")), redacted=True)
    if kind != "reasoningText":
        raise wrong(path, "reasoningText or redactedContent")
    wire = an_object(held, f"{path}.{kind}")
    drops.unknown(wire, ("text", "signature"), "messages.content.reasoningContent")
    words, signature = text(wire.get("text")), maybe_string(wire, "signature", f"{path}.{kind}") or ""
    if not words and (carried := unpack_neighbours(signature, OWN)) is not None:
        return carried
    return Reasoning(words, unpack_thinking(signature, OWN))


def _read_cited(value: Json, path: str, drops: Drops) -> Text:
    wire = an_object(value, path)
    if wire.get("citations"):
        drops.add("messages.content.citationsContent.citations")
    return Text(_joined(wire.get("content") or [], f"{path}.content", drops))


def _joined(pieces: Json, path: str, drops: Drops, between: str = "") -> str:
    return between.join(part.text for part in read_texts(pieces, path, drops))


_READERS: Mapping[str, Callable[[Json, str, Drops], Part | CarriedSignature]] = {
    "text": _read_text,
    "image": _read_image,
    "audio": _read_audio,
    "document": _read_document,
    "searchResult": _read_search_result,
    "toolUse": _read_call,
    "toolResult": _read_result,
    "reasoningContent": _read_reasoning,
    "citationsContent": _read_cited,
}

_IN_RESULTS: Mapping[str, Callable[[Json, str, Drops], Text | Image | Document]] = {
    "text": _read_text,
    "json": lambda value, path, drops: Text(encode(value).decode()),
    "image": _read_image,
    "document": _read_document,
    "searchResult": _read_search_result,
}
