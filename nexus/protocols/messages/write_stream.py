"""Events -> the stream that a Messages client reads.

The client's full grammar, ``message_start (content_block_start delta* content_block_stop)* message_delta
message_stop``, with event names; blocks never overlap: while one is open, what belongs to later parts waits, in order.
A signature of a text or call rides in a carrier block beside it (signatures.py). A block that was cut stays open:
Claude Code acts on one that has stopped. Source: anthropic.types.RawMessageStreamEvent.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.events import (
    Cited,
    ContentDropped,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    StreamPart,
    UsageUpdate,
)
from nexus.conversation.parts import Image, Reasoning, Refusal, Signature, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.protocols.codec import Envelope
from nexus.protocols.messages.citations import write_citation
from nexus.protocols.messages.client_tools import Members
from nexus.protocols.messages.signatures import OWN, carrier, thinking_block, write_signature
from nexus.protocols.messages.stops import write_stop
from nexus.protocols.messages.usage import write_delta_usage, write_usage
from nexus.protocols.messages.write_response import carried_before, message_id
from nexus.protocols.ordered_writer import OrderedWriter
from nexus.protocols.part_order import PartOrder
from nexus.protocols.signatures import PREVIOUS
from nexus.protocols.sse import frame
from nexus.wire import Json, encode

_DELTA = {
    Text: ("text_delta", "text"),
    Refusal: ("text_delta", "text"),
    Reasoning: ("thinking_delta", "thinking"),
    ToolCall: ("input_json_delta", "partial_json"),
}


class StreamWriter(OrderedWriter):
    def __init__(self, envelope: Envelope) -> None:
        super().__init__()
        self._members = Members(envelope.request)
        self._envelope = envelope
        self._block = 0
        self._part: StreamPart = Text("")
        self._order = PartOrder()
        self._usage = Usage()
        self._refused = False
        self._owed: dict[str, Json] | None = None

    def _write(self, event: Event) -> bytes:
        return b"".join(map(self._write_due, self._order.feed(event)))

    def _write_due(self, event: Event) -> bytes:
        match event:
            case ResponseStart(usage=usage):
                self._usage = usage
                return self._message_start(usage)
            case PartStart():
                return self._open(event.part)
            case PartDelta(text=words):
                return self._delta(self._part, words)
            case Cited(citation=citation):
                delta = {"type": "citations_delta", "citation": write_citation(citation)}
                return _frame("content_block_delta", index=self._block, delta=delta)
            case PartEnd(signature=signature):
                return self._close(self._part, signature)
            case UsageUpdate(usage=usage):
                self._usage = usage
                return b""
            case ContentDropped() | Ping():
                return b""
            case ResponseEnd():
                return self._message_end(event)

    def _message_start(self, usage: Usage) -> bytes:
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

    def _open(self, part: StreamPart) -> bytes:
        """The start of the part's block, after the carrier of its signature, and what it already holds."""
        self._part, self._refused = part, self._refused or isinstance(part, Refusal)
        owed, self._owed = [] if self._owed is None else [self._owed], None
        before = b"".join(self._whole(block) for block in [*owed, *carried_before(_early_signature(part))])
        if _is_redacted(part):
            # Its block is one event, and what it holds may be known at its end only.
            return before
        start = _frame("content_block_start", index=self._block, content_block=self._empty_block(part))
        return before + start + self._delta(part, _first_words(part))

    def _empty_block(self, part: StreamPart) -> dict[str, Json]:
        match part:
            case ToolCall():
                return {"type": "tool_use", "id": part.id, **self._members.named(part.name), "input": {}}
            case Reasoning():
                return {"type": "thinking", "thinking": "", "signature": ""}
            case Text() | Refusal():
                return {"type": "text", "text": ""}
            case Image():
                raise TypeError("this dialect has no room for images")

    def _delta(self, part: StreamPart, piece: str) -> bytes:
        if not piece or _is_redacted(part):
            return b""
        kind, name = _DELTA[type(part)]
        return _frame("content_block_delta", index=self._block, delta={"type": kind, name: piece})

    def _close(self, part: StreamPart, late: Signature | None) -> bytes:
        if isinstance(part, Reasoning) and part.redacted:
            block = thinking_block(replace(part, signature=late or part.signature))
            return _frame("content_block_start", index=self._block, content_block=block) + self._block_stop()
        if isinstance(part, Reasoning):
            return self._signature(part, late) + self._block_stop()
        after = self._block_stop()
        if late is None or late.dialect == OWN:
            return after
        if isinstance(part, Text):
            self._owed = carrier(late, PREVIOUS)
            return after
        return after + self._whole(carrier(late, PREVIOUS))

    def _signature(self, part: Reasoning, late: Signature | None) -> bytes:
        delta = {"type": "signature_delta", "signature": write_signature(late or part.signature)}
        return _frame("content_block_delta", index=self._block, delta=delta)

    def _whole(self, block: dict[str, Json]) -> bytes:
        """A carrier as a block of its own."""
        start = _frame("content_block_start", index=self._block, content_block=block | {"signature": ""})
        delta = {"type": "signature_delta", "signature": block["signature"]}
        return start + _frame("content_block_delta", index=self._block, delta=delta) + self._block_stop()

    def _block_stop(self) -> bytes:
        stop = _frame("content_block_stop", index=self._block)
        self._block += 1
        return stop

    def _message_end(self, event: ResponseEnd) -> bytes:
        delta = write_stop(event.stop, refused=self._refused)
        end = _frame("message_delta", delta=delta, usage=write_delta_usage(self._usage))
        return end + _frame("message_stop")


def _first_words(part: StreamPart) -> str:
    match part:
        case ToolCall(arguments=arguments):
            return arguments
        case Image():
            return ""
        case _:
            return part.text


def _is_redacted(part: StreamPart) -> bool:
    return isinstance(part, Reasoning) and part.redacted


def _early_signature(part: StreamPart) -> Signature | None:
    return part.signature if isinstance(part, Text | ToolCall) else None


def _frame(kind: str, **members: Json) -> bytes:
    return frame(encode({"type": kind} | members), kind)
