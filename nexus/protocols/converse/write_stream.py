"""Events, written as a stream for a Converse client, as server-sent events by name; the protocol frames them.

``messageStart (contentBlockStart? contentBlockDelta* contentBlockStop)* messageStop metadata``; blocks never overlap.
Text and reasoning have no start on the wire. Source: ConverseStreamOutput of the bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Citation, Image, Reasoning, Refusal, Signature, Stop, StreamPart, Text, ToolCall
from nexus.protocols.codec import Envelope
from nexus.protocols.converse.signatures import OWN, write_redacted
from nexus.protocols.converse.stops import write_stop
from nexus.protocols.converse.usage import write_usage
from nexus.protocols.converse.write_response import image_bytes, write_citation, write_metrics
from nexus.protocols.ordered_writer import BlockWriter
from nexus.protocols.signatures import NEXT, PREVIOUS, pack_foreign, pack_thinking
from nexus.protocols.sse import frame
from nexus.wire import Json, encode


class StreamWriter(BlockWriter):
    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._envelope = envelope
        self._block = 0
        self._silent = True

    def _begin(self) -> bytes:
        return _event("messageStart", {"role": "assistant"})

    def _open(self, index: int, part: StreamPart) -> bytes:
        self._silent = True
        match part:
            case ToolCall(id=id, name=name, arguments=arguments, signature=signature):
                start = {"toolUse": {"toolUseId": id, "name": name}}
                return self._carried(signature, NEXT) + self._start(start) + self._extend(index, arguments)
            case Image():
                kind, data = image_bytes(part)
                return self._start({"image": {"format": kind}}) + self._delta({"image": {"source": {"bytes": data}}})
            case Text(text=words):
                cited = b"".join(self._cite(index, one) for one in part.citations)
                return self._extend(index, words) + cited
            case Reasoning(redacted=True):
                return b""
            case Reasoning(text=words) | Refusal(text=words):
                return self._extend(index, words)

    def _extend(self, index: int, words: str) -> bytes:
        if not words:
            return b""
        match self._part:
            case ToolCall():
                return self._delta({"toolUse": {"input": words}})
            case Reasoning(redacted=redacted):
                return b"" if redacted else self._delta({"reasoningContent": {"text": words}})
            case _:
                return self._delta({"text": words})

    def _cite(self, index: int, citation: Citation) -> bytes:
        return self._delta({"citation": write_citation(citation)})

    def _close(self, index: int, late: Signature | None) -> bytes:
        part = self._part
        match part:
            case Reasoning(redacted=True):
                held = write_redacted(late or part.signature)
                return self._delta({"reasoningContent": {"redactedContent": held}}) + self._stop()
            case Reasoning():
                begun = self._delta({"reasoningContent": {"text": ""}}) if self._silent else b""
                signature = pack_thinking(late or part.signature, OWN)
                return begun + self._delta({"reasoningContent": {"signature": signature}}) + self._stop()
            case Text() | Refusal() if self._silent:
                closed = self._delta({"text": ""}) + self._stop()
            case _:
                closed = self._stop()
        if isinstance(part, Image | Refusal):
            return closed
        carried = late or (part.signature if isinstance(part, Text) else None)
        return closed + self._carried(carried, PREVIOUS)

    def _finish(self, stop: Stop) -> bytes:
        metadata = {"usage": write_usage(self._usage), "metrics": write_metrics(self._envelope)}
        return _event("messageStop", write_stop(stop)) + _event("metadata", metadata)

    def _carried(self, signature: Signature | None, place: str) -> bytes:
        """A carrier as a separate block."""
        if (packed := pack_foreign(signature, place, OWN)) is None:
            return b""
        deltas: list[Json] = [{"text": ""}, {"signature": packed}]
        written = b"".join(self._delta({"reasoningContent": delta}) for delta in deltas)
        self._silent = True
        return written + self._stop()

    def _start(self, start: Mapping[str, Json]) -> bytes:
        return _event("contentBlockStart", {"start": start, "contentBlockIndex": self._block})

    def _delta(self, delta: Mapping[str, Json]) -> bytes:
        self._silent = False
        return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": self._block})

    def _stop(self) -> bytes:
        stop = _event("contentBlockStop", {"contentBlockIndex": self._block})
        self._block += 1
        return stop


def _event(name: str, payload: Mapping[str, Json]) -> bytes:
    return frame(encode(payload), name)
