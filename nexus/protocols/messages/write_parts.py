"""Neutral parts, written as content blocks for a vendor.

Only what the API accepts is written: no empty text, no image outside its four media types, no reasoning that this
dialect did not sign. Parts without a block type are refused by path. Source: anthropic.types.ContentBlockParam.
"""

from __future__ import annotations

from nexus.conversation.cache_hints import with_hint_outside
from nexus.conversation.parts import (
    Audio,
    CacheHint,
    Document,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from nexus.errors import UnsupportedFeature
from nexus.models.claude import Claude
from nexus.protocols.checks import Drops
from nexus.protocols.media import LOST, is_textual, read_text_file, unseen, web_url
from nexus.protocols.messages.signatures import OWN
from nexus.protocols.tool_calls import BROKEN, an_object_of
from nexus.wire import Json, only

Block = dict[str, Json]

NO_WORDS = "(The tool failed without a message.)"
"""The content for a failed call with an empty result, which the API rejects."""

_Single = Text | Refusal | Reasoning | ToolCall | Image | Document | Audio

_IMAGES = {"image/jpg": "image/jpeg", **{f"image/{name}": f"image/{name}" for name in ("jpeg", "png", "gif", "webp")}}


def write_cache(hint: CacheHint | None) -> Block:
    """The member of a block for its cache hint; the short form is the default of five minutes."""
    if hint is None:
        return {}
    return {"cache_control": {"type": "ephemeral"} if hint == "5m" else {"type": "ephemeral", "ttl": hint}}


def write_blocks(part: Part, role: str, path: str, claude: Claude, drops: Drops) -> list[Block]:
    """The blocks of ``part``: usually one, none if nothing of it can or needs to be sent."""
    if isinstance(part, ToolResult):
        return _write_result(part, path, claude, drops)
    block = _write_one(part, role, path, claude, drops)
    return [] if block is None else [block]


def _write_one(part: _Single, role: str, path: str, claude: Claude, drops: Drops) -> Block | None:
    match part:
        case Text():
            return write_text(part, drops)
        case Refusal(text=words):
            return write_text(Text(words), drops)
        case Reasoning():
            return _write_reasoning(part, claude, drops)
        case ToolCall():
            return _write_call(part, drops)
        case Image() if role == "assistant":
            drops.add(LOST)
            return write_text(unseen(part), drops)
        case Image() | Document():
            if role != "user":
                raise UnsupportedFeature.about(path, "Claude accepts documents only in user messages; move it there")
            return _write_media(part, path, claude, drops)
        case Audio():
            raise UnsupportedFeature.about(path, "Claude does not accept audio; send its text instead")


def write_text(part: Text, drops: Drops) -> Block | None:
    """A text block; None for text without a visible character, which the API rejects."""
    if not part.text.strip():
        if part.cache is not None:
            drops.add("cache")
        return None
    return {"type": "text", "text": part.text} | write_cache(part.cache)


def _write_reasoning(part: Reasoning, claude: Claude, drops: Drops) -> Block | None:
    signature = part.signature
    accepted = claude.takes_thinking and claude.thinking != "none"
    if signature is not None and signature.dialect == OWN and signature.value and accepted:
        if part.redacted:
            return {"type": "redacted_thinking", "data": signature.value}
        return {"type": "thinking", "thinking": part.text, "signature": signature.value}
    drops.add("reasoning")
    return None


def _write_call(call: ToolCall, drops: Drops) -> Block:
    arguments, whole = an_object_of(call.arguments)
    if not whole:
        drops.add(BROKEN)
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments} | write_cache(call.cache)


def _write_result(result: ToolResult, path: str, claude: Claude, drops: Drops) -> list[Block]:
    """A failed result contains only text: its images and documents follow it as the user's."""
    content: list[Block] = []
    result = with_hint_outside(result)
    for at, part in enumerate(result.parts):
        here = f"{path}.content.{at}"
        block = write_text(part, drops) if isinstance(part, Text) else _write_media(part, here, claude, drops)
        if block is not None:
            content.append(block)
    wire: Block = {"type": "tool_result", "tool_use_id": result.call_id}
    media: list[Block] = []
    if result.is_error:
        media = [block for block in content if block["type"] != "text"]
        content = [block for block in content if block["type"] == "text"] or [{"type": "text", "text": NO_WORDS}]
    if content:
        wire["content"] = content
    if result.is_error:
        wire["is_error"] = True
    return [wire | write_cache(result.cache), *media]


def _write_media(part: Image | Document, path: str, claude: Claude, drops: Drops) -> Block:
    if isinstance(part.source, Link) and not claude.fetches_links:
        raise UnsupportedFeature.about(path, "Claude fetches no links on this host; send the content inline")
    if isinstance(part, Image):
        if part.detail not in (None, "auto"):
            drops.add("image.detail")
        return {"type": "image", "source": _write_image_source(part.source, path)} | write_cache(part.cache)
    source = _write_document_source(part.source, path)
    document = {"type": "document", "source": source, "title": part.title, "context": part.context}
    return only(document) | write_cache(part.cache)


def _write_image_source(source: Inline | Link, path: str) -> Block:
    if isinstance(source, Link):
        return {"type": "url", "url": web_url(source, path)}
    media_type = _IMAGES.get(source.media_type.lower())
    if media_type is None:
        raise UnsupportedFeature.about(path, f"Claude accepts JPEG, PNG, GIF and WebP images, not {source.media_type}")
    return {"type": "base64", "media_type": media_type, "data": source.data}


def _write_document_source(source: Inline | Link | Text, path: str) -> Block:
    match source:
        case Link():
            return {"type": "url", "url": web_url(source, path)}
        case Text(text=words):
            return {"type": "text", "media_type": "text/plain", "data": words}
        case Inline(media_type="application/pdf", data=data):
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        case Inline(media_type=media_type) if is_textual(media_type):
            return {"type": "text", "media_type": "text/plain", "data": read_text_file(source, path)}
        case Inline(media_type=media_type):
            raise UnsupportedFeature.about(path, f"Claude accepts PDF and text documents, not {media_type}")
