"""Gemini to Gemini: the client's bytes to Google and Google's bytes back; the path names the model, the bytes do not.

Only another vendor's data is removed: its thinking, and signatures with our tags. If the vendor requires a signature on
a call, a call of another vendor's model gets the one that Google documents for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.answer_relay import Passthrough, Tap
from nexus.protocols.codec import Target
from nexus.protocols.contract import Document
from nexus.protocols.dialect import Passing
from nexus.protocols.edit import find
from nexus.protocols.gemini.read_error import find_error, is_answer, read_stream_error
from nexus.protocols.gemini.signatures import MARK, PLACEHOLDER, is_tagged
from nexus.protocols.gemini.usage import read_usage
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Rules, cut
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, decode, encode, mapping, only, sequence, text

LOST = "contents.parts.thoughtSignature"

_WHOLE = ("generateContentRequest", "generate_content_request")
_SIGNATURES = ("thoughtSignature", "thought_signature")


def edit_request(raw: bytes, document: Mapping[str, Json], target: Target) -> Edited:
    """``raw`` with the vendor's own name of the model if the body has one."""
    vertex, model = target.gemini.vertex, target.model
    if vertex:
        raw = _unwrapped(raw)
    wholes = (mapping(document.get(name)) for name in _WHOLE)
    if any("model" in one for one in (document, *wholes, *map(mapping, sequence(document.get("requests"))))):
        name = REMOVE if vertex else encode(model if "/" in model else f"models/{model}")
        named: Rules = {"model": lambda value: name if value.startswith(b'"') else None}
        raw = cut(raw, {**named, **dict.fromkeys(_WHOLE, named), "requests": {ANY: named}})
    if MARK not in raw:
        return Edited(raw)
    signed = target.gemini.thought_signatures
    contents: Rules = {"contents": {ANY: lambda content: _judge(content, signed=signed)}}
    return Edited(raw).without({**contents, **dict.fromkeys(_WHOLE, contents)}, LOST)


def _unwrapped(raw: bytes) -> bytes:
    """Unwraps a request to be counted: Vertex AI expects its parts at the top level."""
    for name in _WHOLE:
        if name.encode() in raw and (spans := find(raw, (name,))):
            start, end = spans[-1]
            return raw[start:end]
    return raw


def _judge(content: bytes, *, signed: bool) -> bytes | None:
    if MARK not in content:
        return None
    parts = sequence(mapping(decode(content)).get("parts"))
    if parts and all(map(_is_foreign, parts)):
        return REMOVE
    return cut(content, {"parts": {ANY: lambda part: _fitted(part, signed=signed)}})


def _is_foreign(part: Json) -> bool:
    """Whether the part only concerns the vendor that made it."""
    held = mapping(part)
    if not any(is_tagged(held.get(name)) for name in _SIGNATURES):
        return False
    return held.get("thought") is True or held.get("text") == ""


def _fitted(part: bytes, *, signed: bool) -> bytes | None:
    if MARK not in part:
        return None
    held = mapping(decode(part))
    if _is_foreign(held):
        return REMOVE
    calls = any(name in held for name in ("functionCall", "function_call"))
    verdict = encode(PLACEHOLDER) if calls and signed else REMOVE
    return cut(part, dict.fromkeys(_SIGNATURES, lambda value: verdict if value.startswith(MARK) else None))


class GeminiPassthrough(Passthrough):
    def __init__(self, tap: Tap) -> None:
        super().__init__(tap)
        self._usage: dict[str, Json] = {}
        self._finished: dict[int, bool] = {}
        """Whether each candidate so far has finished."""

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        self._read(answer)
        return raw

    def _event(self, frame: Frame, piece: Document) -> bytes:
        if find_error(piece) is not None:
            self._ends(read_stream_error(piece))
        else:
            self._read(piece)
        return frame.raw

    def _read(self, piece: Mapping[str, Json]) -> None:
        if model := text(piece.get("modelVersion")):
            self.tap.model = model
        for candidate in map(mapping, sequence(piece.get("candidates"))):
            for part in map(mapping, sequence(mapping(candidate.get("content")).get("parts"))):
                self.begun = True
                self.content = self.content or (part.get("thought") is not True and _has_content(part))
            reason, index = text(candidate.get("finishReason")), count(candidate.get("index"))
            self.tap.stop_reason = reason or self.tap.stop_reason
            self._finished[index] = bool(reason) or self._finished.get(index, False)
        if reason := text(mapping(piece.get("promptFeedback")).get("blockReason")):
            self.tap.stop_reason, self._finished[0] = reason, True
        self.ended = bool(self._finished) and all(self._finished.values())
        if usage := mapping(piece.get("usageMetadata")):
            self._usage |= only(usage)
            self.tap.usage = read_usage(self._usage)


def _has_content(part: Mapping[str, Json]) -> bool:
    return any(value for name, value in part.items() if name not in ("thought", *_SIGNATURES))


class EmbeddingsPassed(Passthrough):
    """Google's own embeddings in passthrough: their usage is read on the way."""

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if not answer or find_error(answer) is not None:
            raise VendorError(read_stream_error(answer))
        usage = mapping(answer.get("usageMetadata"))
        if "promptTokenCount" in usage:
            self.tap.usage = Usage(input=count(usage["promptTokenCount"]), raw=usage)
        return raw


PASSING = Passing(
    edit_request,
    lambda document, model, tap: GeminiPassthrough(tap),
    passed=lambda document, tap: EmbeddingsPassed(tap),
)
