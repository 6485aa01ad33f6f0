"""A client's content blocks, read into neutral parts.

A block is one of a closed list; anything else is refused by its type and exact path. What Anthropic's servers did in
earlier turns is read in server_tools.py. Search results become text documents (title kept, source as context), tool
references and document content become text: nothing is lost. Requested citations are refused, because no other vendor
returns them. Carriers of signatures are removed (see signatures.py). Source: anthropic.types.ContentBlockParam and the
beta's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from nexus.conversation.parts import (
    CacheHint,
    Document,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    placed,
)
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.checks import Body, Drops, a_string, an_object, maybe_bool, maybe_string, objects_in, wrong
from nexus.protocols.media import read_url
from nexus.protocols.messages import server_tools
from nexus.protocols.messages.client_tools import neutral_name
from nexus.protocols.messages.signatures import OWN, apart
from nexus.protocols.messages.turn_controls import in_words
from nexus.protocols.signatures import CarriedSignature, Neighbours, unpack_neighbours, unpack_thinking
from nexus.wire import Json, encode, mapping, text

_ROLE_OF = {
    "tool_result": "user",
    **dict.fromkeys(("tool_use", "thinking", "redacted_thinking"), "assistant"),
    **dict.fromkeys((*server_tools.CALLS, *server_tools.RESULTS), "assistant"),
}


def read_content(content: Json, role: Role, path: str, drops: Drops) -> tuple[Part, ...]:
    """A message's ``content``: a string, blocks, or null for nothing."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content, at=path),)
    neighbours = Neighbours()
    for block, at in objects_in(content, path):
        if server_tools.is_wordless(block):
            drops.add(f"messages.content.{block['type']}")
        else:
            for one in apart(block):
                neighbours.add(_read_block(one, role, at, drops), at)
    return tuple(neighbours.parts)


def read_texts(content: Json, path: str, drops: Drops) -> tuple[Text, ...]:
    """``system``, or the content of a system message: a string or text blocks."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content, at=path),)
    return tuple(_read_words(block, at, drops) for block, at in objects_in(content, path))


def read_cache_control(block: Body, path: str, drops: Drops) -> CacheHint | None:
    control = block.get("cache_control")
    if control is None:
        return None
    drops.unknown(mapping(control), ("type", "ttl"), "cache_control")
    ttl = mapping(control).get("ttl") or "5m"
    if mapping(control).get("type") != "ephemeral" or ttl not in ("5m", "1h"):
        raise wrong(
            f"{path}.cache_control" if path else "cache_control", 'an object of type "ephemeral" with ttl "5m" or "1h"'
        )
    return cast(CacheHint, ttl)


def _read_block(block: Body, role: Role, path: str, drops: Drops) -> Part | CarriedSignature:
    kind = a_string(block, "type", path)
    read = _READERS.get(kind)
    if read is None:
        raise UnsupportedFeature.about(
            path, f"content of type {kind} cannot be sent to this model; leave it out or choose a Claude model"
        )
    if _ROLE_OF.get(kind, role) != role:
        raise InvalidRequest.about(path, f"a {kind} block does not belong to the role {role}")
    return read(block, path, drops)


def _read_text(block: Body, path: str, drops: Drops) -> Text:
    drops.unknown(block, ("type", "text", "cache_control"), "content")
    return Text(a_string(block, "text", path), cache=read_cache_control(block, path, drops))


def _read_words(block: Body, path: str, drops: Drops) -> Text:
    if (words := in_words(block)) is not None:
        drops.add(f"messages.content.{block['type']}")
        return Text(words, cache=read_cache_control(block, path, drops), at=path)
    if block.get("type") != "text":
        raise UnsupportedFeature.about(path, f"only text is accepted here, not {text(block.get('type'))}")
    return placed(_read_text(block, path, drops), path)


def _read_image(block: Body, path: str, drops: Drops) -> Image:
    drops.unknown(block, ("type", "source", "cache_control"), "image")
    source = an_object(block.get("source"), f"{path}.source")
    return Image(_read_source(source, f"{path}.source", drops), cache=read_cache_control(block, path, drops))


def _read_source(source: Body, path: str, drops: Drops) -> Inline | Link:
    drops.unknown(source, ("type", "media_type", "data", "url"), "messages.content.source")
    match source.get("type"):
        case "base64":
            return Inline(a_string(source, "media_type", path).lower(), a_string(source, "data", path))
        case "url":
            return read_url(a_string(source, "url", path), param=f"{path}.url")
        case "file":
            raise UnsupportedFeature.about(
                path, "uploaded files exist only at Anthropic; send the content inline or as a URL"
            )
        case kind:
            raise UnsupportedFeature.about(f"{path}.type", f'expected "base64" or "url", not {kind}')


def _read_document(block: Body, path: str, drops: Drops) -> Document:
    drops.unknown(block, ("type", "source", "title", "context", "citations", "cache_control"), "document")
    _refuse_citations(block, path)
    source = an_object(block.get("source"), f"{path}.source")
    return Document(
        _read_document_source(source, f"{path}.source", drops),
        title=maybe_string(block, "title", path),
        context=maybe_string(block, "context", path),
        cache=read_cache_control(block, path, drops),
    )


def _read_document_source(source: Body, path: str, drops: Drops) -> Inline | Link | Text:
    match source.get("type"):
        case "text":
            return Text(a_string(source, "data", path))
        case "content":
            return _joined(read_texts(source.get("content"), f"{path}.content", drops))
        case _:
            return _read_source(source, path, drops)


def _joined(texts: tuple[Text, ...]) -> Text:
    return Text("\n\n".join(one.text for one in texts))


def _refuse_citations(block: Body, path: str) -> None:
    if mapping(block.get("citations")).get("enabled"):
        raise UnsupportedFeature.about(
            f"{path}.citations", "this model does not answer with citations; disable them or choose a Claude model"
        )


def _read_search_result(block: Body, path: str, drops: Drops) -> Document:
    drops.unknown(block, ("type", "source", "title", "content", "citations", "cache_control"), "search_result")
    _refuse_citations(block, path)
    return Document(
        _joined(read_texts(block.get("content"), f"{path}.content", drops)),
        title=maybe_string(block, "title", path),
        context=maybe_string(block, "source", path),
        cache=read_cache_control(block, path, drops),
    )


def _read_thinking(block: Body, path: str, drops: Drops) -> Reasoning | CarriedSignature:
    signature = maybe_string(block, "signature", path) or ""
    if (carried := unpack_neighbours(signature, OWN)) is not None:
        return carried
    return Reasoning(a_string(block, "thinking", path), signature=unpack_thinking(signature, OWN))


def _read_redacted(block: Body, path: str, drops: Drops) -> Reasoning:
    signature = unpack_thinking(a_string(block, "data", path), OWN)
    return Reasoning("", signature=signature or Signature(OWN, ""), redacted=True)


def _read_call(block: Body, path: str, drops: Drops) -> ToolCall:
    direct = mapping(block.get("caller")).get("type", "direct") == "direct"
    known = ("type", "id", "name", "input", "cache_control", "toolset_name", *(["caller"] if direct else []))
    drops.unknown(block, known, "tool_use")
    # A model may have written something other than an object, which the SDKs return as it came in the stream.
    given = block.get("input")
    return ToolCall(
        a_string(block, "id", path),
        neutral_name(block, a_string(block, "name", path)),
        "" if given is None or given == {} else encode(given).decode(),
        cache=read_cache_control(block, path, drops),
    )


def _read_result(block: Body, path: str, drops: Drops) -> ToolResult:
    known = ("type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name")
    drops.unknown(block, known, "tool_result")
    return ToolResult(
        a_string(block, "tool_use_id", path),
        _read_result_parts(block.get("content"), f"{path}.content", drops),
        is_error=bool(maybe_bool(block, "is_error", path)),
        cache=read_cache_control(block, path, drops),
    )


def _read_server_call(block: Body, path: str, drops: Drops) -> ToolCall:
    drops.add(f"messages.content.{block['type']}")
    return _read_call({name: value for name, value in block.items() if name != "server_name"}, path, drops)


def _read_server_result(block: Body, path: str, drops: Drops) -> ToolResult:
    drops.add(f"messages.content.{block['type']}")
    a_string(block, "tool_use_id", path)
    return replace(server_tools.read_result(block), cache=read_cache_control(block, path, drops))


def _read_summary(block: Body, path: str, drops: Drops) -> Text:
    drops.add(f"messages.content.{server_tools.COMPACTION}")
    return replace(server_tools.read_summary(block), cache=read_cache_control(block, path, drops))


def _read_result_parts(content: Json, path: str, drops: Drops) -> tuple[Text | Image | Document, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content, at=path),)
    parts: list[Text | Image | Document] = []
    for block, here in objects_in(content, path):
        read = _RESULT_READERS.get(a_string(block, "type", here))
        if read is None:
            raise UnsupportedFeature.about(
                here, f"a tool result with content of type {block['type']} cannot be sent to this model"
            )
        parts.append(placed(read(block, here, drops), here))
    return tuple(parts)


def _read_reference(block: Body, path: str, drops: Drops) -> Text:
    return Text(found_tool(a_string(block, "tool_name", path)), cache=read_cache_control(block, path, drops))


def found_tool(name: str) -> str:
    """What a model without deferred tools reads in place of a reference to one that was found."""
    return f"Found tool: {name}"


_RESULT_READERS: dict[str, Callable[[Body, str, Drops], Text | Image | Document]] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "search_result": _read_search_result,
    "tool_reference": _read_reference,
}

_READERS: dict[str, Callable[[Body, str, Drops], Part | CarriedSignature]] = {
    "text": _read_text,
    "image": _read_image,
    "document": _read_document,
    "search_result": _read_search_result,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "tool_use": _read_call,
    "tool_result": _read_result,
    server_tools.COMPACTION: _read_summary,
    **dict.fromkeys(server_tools.CALLS, _read_server_call),
    **dict.fromkeys(server_tools.RESULTS, _read_server_result),
}
