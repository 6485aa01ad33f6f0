"""A vendor's stream of the messages dialect, read into events.

Unknown events are ignored, unknown blocks and deltas become one ContentDropped each, an ``error`` event raises
VendorError. Frames around content may be repeated or missing, as on compatible servers. Parts are numbered by their
start. Source: anthropic.types.RawMessageStreamEvent.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.events import Event, Ping, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.parts import Reasoning, Signature, Stop, StreamPart, Text, ToolCall
from nexus.errors import VendorError
from nexus.protocols.checks import Body, Drops
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.error_words import kind_of_event
from nexus.protocols.messages.citations import read_citation
from nexus.protocols.messages.read_error import is_answer, read_stream_error
from nexus.protocols.messages.signatures import OWN
from nexus.protocols.messages.stops import read_refusal, read_stop
from nexus.protocols.messages.usage import merge_usage, read_usage
from nexus.protocols.open_parts import OpenParts
from nexus.protocols.sse import DONE
from nexus.protocols.tool_calls import read_arguments
from nexus.wire import Json, decode_delta, mapping, sequence, text

_EXPLANATION = -1
"""Index of the vendor's explanation of why it stopped the answer; blocks in ``message_start`` have lower ones."""


class StreamReader:
    """``complete`` is True once the vendor has sent a stop reason, or its last event."""

    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._over = False
        self._id: str | None = None
        self._dropped = Drops()
        self._parts: OpenParts[int] = OpenParts(cite=read_citation, dropped=self._dropped)
        self._foreign: set[int] = set()
        self._usage: dict[str, Json] = {}
        self._stop: Stop | None = None
        self._explained = False

    def feed(self, event: str | None, data: str) -> list[Event]:
        if data == DONE:
            return self._message_stop({}) if self._id is not None and not self._over else []
        wire = decode_delta(data)
        if not isinstance(wire, dict):
            raise ValueError("an event's data is not a JSON object")
        kind = kind_of_event(event, wire)
        if kind == "error":
            raise VendorError(read_stream_error(wire))
        read = _READERS.get(kind)
        if read is None or self._over:
            return []
        begun = self._begin() if kind not in ("message_start", "ping") else []
        return [*begun, *read(self, wire)]

    def read_whole(self, answer: Body) -> list[Event]:
        """A complete answer: a stream whose first event has everything."""
        if not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        begun = [*self._message_start({"message": {**answer, "content": []}}), *self._blocks(answer)]
        return [*begun, *self._message_delta({"delta": answer}), *self._message_stop({})]

    def finish(self) -> list[Event]:
        """The end of the bytes, and of the answer if the vendor has sent a stop reason.

        Open parts of an incomplete answer are not ended here.
        """
        return self._message_stop({}) if self.complete and not self._over else []

    def _begin(self) -> list[Event]:
        """The start, if the vendor left it out."""
        if self._id is not None:
            return []
        self._id = ""
        return [ResponseStart("", "")]

    def _message_start(self, wire: Body) -> list[Event]:
        message = mapping(wire.get("message"))
        known, self._id = self._id, text(message.get("id"))
        # A repeated start has older counts than those that came since.
        self._usage = merge_usage(mapping(message.get("usage")), self._usage)
        if known is None:
            start = ResponseStart(self._id, text(message.get("model")), read_usage(self._usage))
            return [start, *self._begun_with(message)]
        if self._parts.started and known and self._id not in ("", known):
            raise ValueError("two answers in one stream")
        return [UsageUpdate(read_usage(self._usage))]

    def _begun_with(self, message: Body) -> list[Event]:
        """The content that ``message_start`` already has: the whole answer if code calls a tool
        (message-start-prepopulated-content among the recordings of vercel/ai)."""
        if text(message.get("stop_reason")):
            self._stop = read_stop(message)
        filled = [block for block in sequence(message.get("content")) if mapping(block).get("text") != ""]
        return self._blocks({"content": filled})

    def _blocks(self, message: Body) -> list[Event]:
        blocks = enumerate(sequence(message.get("content")))
        wires: list[Body] = [{"index": -2 - at, "content_block": block} for at, block in blocks]
        return [event for wire in wires for event in (*self._block_start(wire), *self._block_stop(wire))]

    def _block_start(self, wire: Body) -> list[Event]:
        at, block = _index(wire), mapping(wire.get("content_block"))
        part, held = _read_block(block), ""
        if part is None:
            self._foreign.add(at)
            return self._dropped.events(text(block.get("type")) or "content")
        if isinstance(part, ToolCall):
            # Servers that put the complete input here may also stream it: only the end decides.
            held = read_arguments(block.get("input"))
        self._foreign.discard(at)
        self.complete = False
        written = self._parts.start(at, part, held)
        if written and isinstance(part, Text) and (known := self._parts.open.get(at)) is not None:
            known.citations += sequence(block.get("citations"))
        return written

    def _delta(self, wire: Body) -> list[Event]:
        at, delta = _index(wire), mapping(wire.get("delta"))
        kind = text(delta.get("type"))
        if at in self._foreign:
            return []
        if kind not in _DELTAS:
            return self._dropped.events(kind or "delta")
        name, empty = _DELTAS[kind]
        piece = text(delta.get(name))
        self.complete = False
        if kind not in ("citations_delta", "signature_delta"):
            return self._parts.extend(at, piece, empty)
        written = self._parts.extend(at, "", empty)
        known = self._parts.open[at]
        if kind == "citations_delta":
            known.citations.append(delta.get(name))
        elif piece:
            known.signature = Signature(OWN, (known.signature.value if known.signature else "") + piece)
        return written

    def _block_stop(self, wire: Body) -> list[Event]:
        self._foreign.discard(_index(wire))
        return self._parts.end(_index(wire))

    def _message_delta(self, wire: Body) -> list[Event]:
        delta = mapping(wire.get("delta"))
        if text(delta.get("stop_reason")):
            self._stop = read_stop(delta)
            self.complete = self._parts.fit(self._stop) == self._stop
        events = self._explain(delta)
        if isinstance(wire.get("usage"), dict):
            self._usage = merge_usage(self._usage, wire["usage"])
            events.append(UsageUpdate(read_usage(self._usage)))
        return events

    def _explain(self, delta: Body) -> list[Event]:
        drops = Drops()
        refusal = read_refusal(delta, drops)
        events = self._dropped.events(*drops.names)
        if refusal is None or self._explained:
            return events
        self._explained = True
        return [*events, *self._parts.start(_EXPLANATION, refusal), *self._parts.end(_EXPLANATION)]

    def _message_stop(self, wire: Body) -> list[Event]:
        self.complete = self._over = True
        stop = self._parts.fit(self._stop or read_stop({}))
        return [*self._parts.end_all(), ResponseEnd(stop)]


def _index(wire: Body) -> int:
    index = wire.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError("a block event without an index")
    return index


def _read_block(block: Body) -> Text | Reasoning | ToolCall | None:
    """The part of a block, as far as it is known at its start; None if it has no equivalent."""
    match block.get("type"):
        case "text":
            return Text(text(block.get("text")))
        case "thinking":
            signature = text(block.get("signature"))
            return Reasoning(text(block.get("thinking")), signature=Signature(OWN, signature) if signature else None)
        case "redacted_thinking":
            return Reasoning("", signature=Signature(OWN, text(block.get("data"))), redacted=True)
        case "tool_use":
            return ToolCall(text(block.get("id")), text(block.get("name")), "")
        case _:
            return None


_DELTAS: dict[str, tuple[str, StreamPart]] = {
    "text_delta": ("text", Text("")),
    "thinking_delta": ("thinking", Reasoning("")),
    "signature_delta": ("signature", Reasoning("")),
    "citations_delta": ("citation", Text("")),
    "input_json_delta": ("partial_json", ToolCall("", "", "")),
}
"""The member with a delta's text, and the block that begins with it."""

_READERS: dict[str, Callable[[StreamReader, Body], list[Event]]] = {
    "message_start": StreamReader._message_start,
    "ping": lambda reader, wire: [Ping()] if reader._id is not None else [],
    "content_block_start": StreamReader._block_start,
    "content_block_delta": StreamReader._delta,
    "content_block_stop": StreamReader._block_stop,
    "message_delta": StreamReader._message_delta,
    "message_stop": StreamReader._message_stop,
}
