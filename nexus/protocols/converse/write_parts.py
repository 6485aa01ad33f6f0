"""Neutral parts, written as content blocks for a vendor.

A block that Bedrock is known to reject is never sent. Blank text is left out (the service answers 400 to it); reasoning
is sent back only to the model family that made it; everything else is written or refused by name. Source: the
bedrock-runtime service model.
"""

from __future__ import annotations

from nexus.conversation.cache_hints import with_hint_outside
from nexus.conversation.parts import Audio, Document, Image, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from nexus.errors import UnsupportedFeature
from nexus.protocols.converse.draft import Draft
from nexus.protocols.converse.media import write_audio, write_document, write_image
from nexus.protocols.converse.signatures import OWN
from nexus.protocols.media import LOST, from_result, unseen
from nexus.protocols.tool_calls import BROKEN, an_object_of
from nexus.wire import Json, decode

NO_OUTPUT = "(no output)"
"""Replaces an empty tool result, which not every model accepts."""

_BESIDE = "[what this result holds beside text follows below]"


def write_part(part: Part, role: Role, path: str, draft: Draft) -> list[Json]:
    """The blocks of one part, with a cachePoint at the end if there is one; none for an empty part.

    A blank text's cachePoint stays: it ends what came before. Content of a result that the model does not accept inside
    it follows the result.
    """
    match part:
        case Text(text=text, cache=cache):
            return text_blocks(marked(text) if role == "system" and text.strip() else text) + draft.cache_point(cache)
        case Refusal(text=text):
            return text_blocks(text)
        case Reasoning():
            return _write_reasoning(part, draft)
        case ToolCall():
            return [_write_call(part, draft), *draft.cache_point(part.cache)]
        case ToolResult():
            return _write_result(part, path, draft)
        case Image() if role == "assistant":
            draft.drops.add(LOST)
            return text_blocks(unseen(part).text) + draft.cache_point(part.cache)
        case Image():
            return [write_image(part, path, draft), *draft.cache_point(part.cache)]
        case Document() | Audio() if role == "assistant":
            raise UnsupportedFeature.about(
                path, "Bedrock accepts documents and audio only in user messages; move it there"
            )
        case Document():
            return [*write_document(part, path, draft), *draft.cache_point(part.cache)]
        case Audio():
            return [write_audio(part, path)]


def marked(text: str) -> str:
    """The text of a system message, marked, for a turn of the user."""
    return f"<system>\n{text}\n</system>"


def text_blocks(text: str) -> list[Json]:
    return [{"text": text}] if text.strip() else []


def _write_reasoning(part: Reasoning, draft: Draft) -> list[Json]:
    own = part.signature is not None and part.signature.dialect == OWN
    value = part.signature.value if part.signature is not None else ""
    wanted = draft.model.reasoning == ("signed" if value else "unsigned")
    if not own or not wanted or (part.redacted and not value):
        draft.drops.add("reasoning")
        return []
    if part.redacted:
        return [{"reasoningContent": {"redactedContent": value}}]
    block = {"text": part.text, "signature": value} if value else {"text": part.text}
    return [{"reasoningContent": {"reasoningText": block}}]


def _write_call(call: ToolCall, draft: Draft) -> Json:
    arguments, whole = an_object_of(call.arguments)
    if not whole:
        draft.drops.add(BROKEN)
    return {"toolUse": {"toolUseId": draft.ids[call.id], "name": call.name, "input": arguments}}


def _write_result(result: ToolResult, path: str, draft: Draft) -> list[Json]:
    content: list[Json] = []
    beside: list[Json] = []
    media = content if draft.model.result_media else beside
    result = with_hint_outside(result)
    for number, part in enumerate(result.parts):
        match part:
            case Text(text=text):
                content += _write_result_text(text, result.is_error, draft)
            case Image():
                media.append(write_image(part, f"{path}.content.{number}", draft))
            case Document():
                media += write_document(part, f"{path}.content.{number}", draft)
    block: dict[str, Json] = {"toolUseId": draft.ids[result.call_id]}
    if beside:
        beside.insert(0, {"text": from_result(block["toolUseId"])})
        content += _write_result_text(_BESIDE, is_error=False, draft=draft)
    block["content"] = content or _write_result_text(NO_OUTPUT, result.is_error, draft)
    if result.is_error and draft.model.result_status:
        block["status"] = "error"
    elif result.is_error and not any("error" in piece.get("json", ()) for piece in block["content"]):
        block["content"] = [*_write_result_text("The tool call failed.", result.is_error, draft), *block["content"]]
    return [{"toolResult": block}, *draft.cache_point(result.cache), *beside]


def _write_result_text(text: str, is_error: bool, draft: Draft) -> list[Json]:
    if not text.strip():
        return []
    if not draft.model.json_results:
        return [{"text": text}]
    if is_error:
        return [{"json": {"error": text}}]
    try:
        value = decode(text)
    except ValueError:
        value = text
    return [{"json": value if isinstance(value, dict) else {"result": value}}]
