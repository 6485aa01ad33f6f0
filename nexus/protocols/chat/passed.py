"""Answers of OpenAI's other endpoints: their bytes are forwarded, and their usage is read on the way.

No byte is changed. Long answers are forwarded in pieces and never buffered completely. Sources: OpenAI's API reference
(``usage`` of embeddings, images and transcriptions, the streams' last events); Jina's and vLLM's rerank.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.late import pattern
from nexus.protocols.answer_relay import Passthrough, Tap
from nexus.protocols.chat.read_error import read_stream_error
from nexus.protocols.chat.stops import finish_word
from nexus.protocols.chat.usage import read_usage
from nexus.protocols.contract import Document
from nexus.protocols.raw_json import value_end
from nexus.protocols.sse import Frame
from nexus.wire import Json, count, decode_object, mapping, sequence, text

TAIL = 16 * 1024
"""Number of bytes at the end of a long answer that are searched for its usage."""

_USAGE = pattern(rb'"usage"\s*:\s*(?=\{)')
_LAST = frozenset({"image_generation.completed", "image_edit.completed", "speech.audio.done", "transcript.text.done"})
"""The last events of one image, one speech, one transcript."""


class Passed(Passthrough):
    piecewise = True
    done_completes = True

    def __init__(self, document: Mapping[str, Json], tap: Tap) -> None:
        super().__init__(tap)
        self._wanted = max(1, count(document.get("n"))) * _prompts(document.get("prompt"))
        self._finished: set[int] = set()
        self._tail = b""

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        if answer.get("error") or not raw.strip():
            raise VendorError(read_stream_error(answer))
        self._read(answer)
        return raw

    def piece(self, piece: bytes) -> bytes:
        self._tail = (self._tail + piece)[-TAIL:]
        return piece

    def finish(self) -> bytes:
        if self._tail:
            self._read({"usage": _last_usage(self._tail)})
        return b""

    def _event(self, frame: Frame, event: Document) -> bytes:
        if event.get("error") or frame.event == "error":
            self._ends(read_stream_error(event))
        elif not self.content:
            self.content = self.begun = True
        self._read(event)
        return frame.raw

    def _read(self, answer: Mapping[str, Json]) -> None:
        if model := text(answer.get("model")):
            self.tap.model = model
        wire = mapping(answer.get("usage"))
        usage = _usage(wire)
        if usage is None:
            self.tap.units = wire or self.tap.units
        else:
            if answer.get("type") in _LAST and self._finished and (earlier := self.tap.usage) is not None:
                usage = Usage(input=earlier.input + usage.input, output=earlier.output + usage.output, raw=usage.raw)
            self.tap.usage = usage
        if answer.get("type") in _LAST:
            self._finished.add(len(self._finished))
        for choice in map(mapping, sequence(answer.get("choices"))):
            if word := finish_word(choice):
                self.tap.stop_reason = word
                self._finished.add(count(choice.get("index")))
        self.ended = len(self._finished) >= self._wanted


def _prompts(prompt: Json) -> int:
    """Number of prompts: a list of numbers is one prompt, given as tokens."""
    texts = [one for one in sequence(prompt) if not isinstance(one, int)]
    return max(1, len(texts))


def _usage(wire: Mapping[str, Json]) -> Usage | None:
    """The usage in tokens; None if none are reported: a transcript may have seconds, a ranking its own units."""
    if "prompt_tokens" in wire:
        return read_usage(wire)
    total = wire.get("total_tokens")
    whole = count(total) if total is not None else None
    if "input_tokens" in wire:
        sent, generated = count(wire.get("input_tokens")), count(wire.get("output_tokens"))
        return Usage(input=sent, output=generated, raw=wire, vendor_total=whole)
    return Usage(input=whole, raw=wire, vendor_total=whole) if whole is not None else None


def _last_usage(tail: bytes) -> Json:
    """The member ``usage`` at the end of a JSON text whose beginning is missing.

    In a JSON string its quotes would be escaped, so it is a member, or a whole string, which no colon follows.
    """
    starts = [found.end() for found in _USAGE.finditer(tail)]
    return decode_object(tail[starts[-1] : value_end(tail, starts[-1])]) if starts else None
