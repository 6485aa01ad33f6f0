"""Events, written as a stream for a Messages client.

Writes the client's full grammar, ``message_start (content_block_start delta* content_block_stop)* message_delta
message_stop``, with event names; blocks never overlap: while one is open, later parts wait, in order. A signature of a
text or call is in a carrier block next to it (signatures.py). Clients show the size of the context from
``message_start``, so it has an estimate if the vendor counts only at the end. Sources:
anthropic.types.RawMessageStreamEvent; LiteLLM #41406, CLIProxyAPI #1700.
"""

from __future__ import annotations

from nexus.conversation.estimate import estimate
from nexus.conversation.events import words_of
from nexus.conversation.parts import Citation, Image, Reasoning, Refusal, Signature, Stop, StreamPart, Text, ToolCall
from nexus.dataclasses import replace
from nexus.protocols.codec import Envelope
from nexus.protocols.messages.citations import write_citation
from nexus.protocols.messages.client_tools import ToolsetNames
from nexus.protocols.messages.signatures import OWN, thinking_block
from nexus.protocols.messages.stops import write_stop
from nexus.protocols.messages.usage import write_delta_usage, write_usage
from nexus.protocols.messages.write_response import carried, message_id
from nexus.protocols.ordered_writer import BlockWriter
from nexus.protocols.signatures import NEXT, PREVIOUS, pack_thinking
from nexus.protocols.sse import delta_frames, frame
from nexus.wire import Json, encode

_DELTA = {
    Text: ("text_delta", "text"),
    Refusal: ("text_delta", "text"),
    Reasoning: ("thinking_delta", "thinking"),
    ToolCall: ("input_json_delta", "partial_json"),
}


class StreamWriter(BlockWriter):
    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._members = ToolsetNames(envelope.request)
        self._envelope = envelope
        self._block = 0
        self._owed: list[dict[str, Json]] = []

    def _begin(self) -> bytes:
        usage = self._usage
        if not usage.total_input:
            usage = replace(usage, input=estimate(self._envelope.request).total)
        message: dict[str, Json] = {
            "id": message_id(self._envelope.id),
            "type": "message",
            "role": "assistant",
            "model": self._envelope.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(usage),
        }
        return _frame("message_start", message=message)

    def _open(self, index: int, part: StreamPart) -> bytes:
        """The start of the part's block, after the carrier of its signature, and its first content."""
        owed, self._owed = self._owed, []
        early = part.signature if isinstance(part, ToolCall) else None
        before = b"".join(self._whole(block) for block in [*owed, *carried(early, NEXT)])
        if _is_redacted(part):
            # Its block is one event, and its content may be known only at its end.
            return before
        start = _frame("content_block_start", index=self._block, content_block=self._empty_block(part))
        kind, name = _DELTA[type(part)]
        self._write_words = delta_frames(lambda words: self._delta({"type": kind, name: words}))
        return before + start + self._extend(index, words_of(part))

    def _empty_block(self, part: StreamPart) -> dict[str, Json]:
        match part:
            case ToolCall():
                return {"type": "tool_use", "id": part.id, **self._members.named(part.name), "input": {}}
            case Reasoning():
                return {"type": "thinking", "thinking": "", "signature": ""}
            case Text() | Refusal():
                return {"type": "text", "text": ""}
            case Image():
                raise TypeError("this protocol does not support images")

    def _extend(self, index: int, words: str) -> bytes:
        return self._write_words(words) if words and not _is_redacted(self._part) else b""

    def _cite(self, index: int, citation: Citation) -> bytes:
        return self._delta({"type": "citations_delta", "citation": write_citation(citation)})

    def _close(self, index: int, late: Signature | None) -> bytes:
        part = self._part
        if isinstance(part, Reasoning) and part.redacted:
            block = thinking_block(replace(part, signature=late or part.signature))
            return _frame("content_block_start", index=self._block, content_block=block) + self._block_stop()
        if isinstance(part, Reasoning):
            return self._signature(pack_thinking(late or part.signature, OWN)) + self._block_stop()
        after = self._block_stop()
        if isinstance(part, Text):
            self._owed = carried(late or part.signature, PREVIOUS)
            return after
        return after + b"".join(map(self._whole, carried(late, PREVIOUS)))

    def _signature(self, signature: Json) -> bytes:
        return self._delta({"type": "signature_delta", "signature": signature})

    def _whole(self, block: dict[str, Json]) -> bytes:
        """A carrier as a separate block."""
        start = _frame("content_block_start", index=self._block, content_block=block | {"signature": ""})
        return start + self._signature(block["signature"]) + self._block_stop()

    def _delta(self, delta: dict[str, Json]) -> bytes:
        return _frame("content_block_delta", index=self._block, delta=delta)

    def _block_stop(self) -> bytes:
        stop = _frame("content_block_stop", index=self._block)
        self._block += 1
        return stop

    def _finish(self, stop: Stop) -> bytes:
        delta = write_stop(stop)
        end = _frame("message_delta", delta=delta, usage=write_delta_usage(self._usage))
        return end + _frame("message_stop")


def _is_redacted(part: StreamPart) -> bool:
    return isinstance(part, Reasoning) and part.redacted


def _frame(kind: str, **members: Json) -> bytes:
    return frame(encode({"type": kind} | members), kind)
