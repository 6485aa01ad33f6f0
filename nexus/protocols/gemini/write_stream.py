"""Events, written as a stream for a client of the Gemini API: each chunk a GenerateContentResponse.

Law: text is sent as it arrives; calls, images and signatures are sent complete, at their end; only the last chunk has
the finish reason, the sources and the usage. Source: ai.google.dev/api/generate-content, streamGenerateContent.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Citation, Image, Reasoning, Refusal, Signature, Stop, StreamPart, Text, ToolCall
from nexus.dataclasses import dataclass, field, replace
from nexus.protocols.codec import Envelope
from nexus.protocols.gemini.grounding import encoded
from nexus.protocols.gemini.stops import write_stop
from nexus.protocols.gemini.write_response import (
    Sources,
    shows_thoughts,
    signed_by,
    thought_end,
    write_answer_part,
    write_candidate,
    write_chunk,
)
from nexus.protocols.ordered_writer import BlockWriter
from nexus.protocols.sse import frame
from nexus.wire import Json, encode


@dataclass(slots=True)
class _Words:
    """A text so far, its start among all bytes, and its citations."""

    base: int
    words: list[str] = field(default_factory=list)
    cited: list[Citation] = field(default_factory=list)


class StreamWriter(BlockWriter):
    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._envelope = envelope
        self._arguments: list[str] = []
        self._texts: dict[int, _Words] = {}
        self._bytes = 0

    def _open(self, index: int, part: StreamPart) -> bytes:
        match part:
            case Text(text=words, citations=citations):
                self._texts[index] = _Words(self._bytes, cited=list(citations))
                return self._extend(index, words)
            case Refusal(text=words) | Reasoning(text=words):
                return self._extend(index, words)
            case ToolCall(arguments=words):
                self._arguments = [words]
                return b""
            case Image():
                return b""

    def _cite(self, index: int, citation: Citation) -> bytes:
        self._texts[index].cited.append(citation)
        return b""

    def _extend(self, index: int, words: str) -> bytes:
        if not words:
            return b""
        match self._part:
            case ToolCall():
                self._arguments.append(words)
                return b""
            case Reasoning():
                return self._write_thought({"text": words, "thought": True})
            case _:
                if index in self._texts:
                    self._texts[index].words.append(words)
                self._bytes += len(encoded(words))
                return self._write_part({"text": words})

    def _close(self, index: int, late: Signature | None) -> bytes:
        match self._part:
            case Reasoning(signature=signature, redacted=redacted):
                return self._write_thought({"text": "", **thought_end(late or signature, redacted=redacted)})
            case Text(signature=signature):
                signed = signed_by(late or signature)
                return self._write_part({"text": "", **signed}) if signed else b""
            case ToolCall(signature=signature) as call:
                whole = replace(call, arguments="".join(self._arguments), signature=late or signature)
                return self._write_part(*write_answer_part(whole))
            case Image(signature=signature) as image:
                return self._write_part(*write_answer_part(replace(image, signature=late or signature)))
            case Refusal():
                return b""

    def _finish(self, stop: Stop) -> bytes:
        reason = write_stop(stop)
        sources = Sources()
        for text in self._texts.values():
            sources.add_text("".join(text.words), text.cited, base=text.base)
        return _chunk(write_chunk(self._envelope, write_candidate((), reason, sources), self._usage))

    def _write_thought(self, part: Mapping[str, Json]) -> bytes:
        return self._write_part(part) if shows_thoughts(self._envelope) else b""

    def _write_part(self, part: Mapping[str, Json]) -> bytes:
        return _chunk(write_chunk(self._envelope, write_candidate((part,))))


def _chunk(value: Mapping[str, Json]) -> bytes:
    return frame(encode(value))
