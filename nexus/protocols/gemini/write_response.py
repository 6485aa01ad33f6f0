"""A complete answer, written for a client of the Gemini API. Source: google.genai.types.GenerateContentResponse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nexus.conversation.parts import (
    Citation,
    Image,
    Inline,
    Reasoning,
    Refusal,
    Response,
    Signature,
    StreamPart,
    Text,
    ToolCall,
)
from nexus.conversation.usage import Usage
from nexus.protocols.codec import Envelope
from nexus.protocols.gemini.grounding import encoded
from nexus.protocols.gemini.signatures import write_signature
from nexus.protocols.gemini.stops import write_stop
from nexus.protocols.gemini.usage import write_usage
from nexus.protocols.tidy import Room
from nexus.protocols.tool_calls import an_object_of
from nexus.wire import Json

ROOM = Room(images=(Inline,))


def write_response(response: Response, envelope: Envelope) -> dict[str, Json]:
    parts: list[Json] = []
    sources = Sources()
    for part in response.parts:
        if isinstance(part, Reasoning) and not shows_thoughts(envelope):
            continue
        if isinstance(part, Text):
            sources.add_text(part.text, part.citations, len(parts))
        parts += write_answer_part(part)
    candidate = write_candidate(parts, write_stop(response.stop), sources)
    return write_chunk(envelope, candidate, response.usage)


def shows_thoughts(envelope: Envelope) -> bool:
    """Whether the client requested them; Google shows them to no other, and LangChain's clients fail on them."""
    thinking = envelope.request.thinking
    return bool(thinking and thinking.enabled and thinking.visible)


def write_chunk(envelope: Envelope, candidate: Mapping[str, Json], usage: Usage | None = None) -> dict[str, Json]:
    """A GenerateContentResponse with one candidate; the usage comes at the end."""
    used: dict[str, Json] = {} if usage is None else {"usageMetadata": write_usage(usage)}
    return {"candidates": [candidate], **used, "modelVersion": envelope.model, "responseId": envelope.id}


def write_candidate(parts: Sequence[Json], reason: str | None = None, cited: Sources | None = None) -> dict[str, Json]:
    """A candidate, always with a part, because clients read the first one without checking."""
    ended: dict[str, Json] = {} if reason is None else {"finishReason": reason}
    grounding = {} if cited is None else cited.metadata()
    return {"content": {"parts": list(parts) or [{"text": ""}], "role": "model"}, **ended, "index": 0, **grounding}


def write_answer_part(part: StreamPart) -> list[Json]:
    """The wire parts of a complete part; none for empty text."""
    match part:
        case Text(text=words, signature=signature):
            signed = signed_by(signature)
            return [{"text": words, **signed}] if words or signed else []
        case Refusal(text=words):
            return [{"text": words}] if words else []
        case Reasoning(text=words, signature=signature, redacted=redacted):
            return [{"text": words, **thought_end(signature, redacted=redacted)}]
        case ToolCall(id=id, name=name, signature=signature):
            call = {"id": id, "name": name, "args": an_object_of(part.arguments)[0]}
            return [{"functionCall": call, "thoughtSignature": write_signature(signature)}]
        case Image(source=Inline(media_type=media_type, data=data), signature=signature):
            return [{"inlineData": {"mimeType": media_type, "data": data}, **signed_by(signature)}]
        case Image():
            raise TypeError("this protocol does not support links to images")


def signed_by(signature: Signature | None) -> dict[str, Json]:
    return {} if signature is None else {"thoughtSignature": write_signature(signature)}


def thought_end(signature: Signature | None, *, redacted: bool) -> dict[str, Json]:
    """Marks text as thinking, and ends it; thinking without a signature gets a mark that says so."""
    return {"thought": True, "thoughtSignature": write_signature(signature, redacted=redacted)}


class Sources:
    """The sources of an answer's text as grounding metadata: positions in bytes, of a part or of the whole text."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[str, str], int] = {}
        self._supports: list[Json] = []

    def add_text(self, words: str, citations: Sequence[Citation], part: int = 0, base: int = 0) -> None:
        """Adds a text that begins at byte ``base``; a citation without a range is of the whole text. ``part`` is its
        number if each part is counted separately."""
        for cited in citations:
            start, end = (cited.start, cited.end) if cited.start < cited.end else (0, len(words))
            quote, before = words[start:end], words[:start]
            if not quote:
                continue
            at = self._chunks.setdefault((cited.url, cited.title), len(self._chunks))
            start = base + len(encoded(before))
            segment: dict[str, Json] = {"startIndex": start, "endIndex": start + len(encoded(quote)), "text": quote}
            if part:
                segment = {"partIndex": part, **segment}
            self._supports.append({"segment": segment, "groundingChunkIndices": [at]})

    def metadata(self) -> dict[str, Json]:
        if not self._supports:
            return {}
        chunks = [{"web": {"uri": url} | ({"title": title} if title else {})} for url, title in self._chunks]
        return {"groundingMetadata": {"groundingChunks": chunks, "groundingSupports": self._supports}}
