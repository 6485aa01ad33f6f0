"""A vendor's stream of the messages dialect -> events; the writer is in stream_writer.

Law: unknown events pass, unknown blocks and deltas become one Notice each, an ``error`` event raises Rejected, anything
against the grammar raises ValueError. Blocks carry their own index; parts are numbered by their start.
Source: anthropic.types.RawMessageStreamEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from nexus.conversation import Reasoning, Seal, Stop, Text, ToolCall
from nexus.events import (
    Cited,
    Event,
    Notice,
    PartDelta,
    PartEnd,
    PartStart,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.protocols.checks import Drops
from nexus.protocols.messages.failures import read_stream_error
from nexus.protocols.messages.response import read_block, read_citations
from nexus.protocols.messages.seals import OWN
from nexus.protocols.messages.stops import read_stop
from nexus.protocols.messages.stream_writer import StreamWriter
from nexus.protocols.messages.usage import merge_usage, read_usage
from nexus.wire import Json, decode_delta, mapping, sequence, text

__all__ = ["StreamReader", "StreamWriter"]

_Wire = Mapping[str, Json]


@dataclass(slots=True)
class _Block:
    """An open block. ``index`` is the part's number; ``input`` the arguments given at the start, held until the end.

    Citations are of the whole block, whose ``length`` is known then.
    """

    index: int
    kind: type
    input: str = ""
    signature: list[str] = field(default_factory=list)
    length: int = 0
    citations: list[Json] = field(default_factory=list)


class StreamReader:
    """``complete`` is True once ``message_stop`` was seen."""

    def __init__(self) -> None:
        self.complete = False
        self._started = False
        self._next = 0
        self._open: dict[int, _Block | None] = {}
        self._usage: dict[str, Json] = {}
        self._stop = Stop("unknown")
        self._noticed = Drops()

    def feed(self, event: str | None, data: str) -> list[Event]:
        """The events of one frame. Raises Rejected and ValueError."""
        wire = decode_delta(data)
        if not isinstance(wire, dict):
            raise ValueError("an event's data is not a JSON object")
        kind = text(wire.get("type")) or event
        if kind == "error":
            raise read_stream_error(wire)
        read = _READERS.get(kind or "")
        if read is None or self.complete:
            return []
        if not self._started and kind not in ("message_start", "ping"):
            raise ValueError(f"{kind} before message_start")
        return read(self, wire)

    def finish(self) -> list[Event]:
        """Nothing more is known at the end of the bytes: what is still open was cut and is not ended here."""
        return []

    def _start(self, wire: _Wire) -> list[Event]:
        if self._started:
            raise ValueError("a second message_start")
        self._started = True
        message = mapping(wire.get("message"))
        self._usage = dict(mapping(message.get("usage")))
        return [ResponseStart(text(message.get("id")), text(message.get("model")), read_usage(self._usage))]

    def _ping(self, wire: _Wire) -> list[Event]:
        return [Ping()] if self._started else []

    def _block_start(self, wire: _Wire) -> list[Event]:
        at = _index(wire)
        if at in self._open:
            raise ValueError(f"block {at} is already open")
        drops = Drops()
        part = read_block(mapping(wire.get("content_block")), drops)
        notices = self._notices(*drops.names)
        if part is None:
            self._open[at] = None
            return notices
        block = _Block(self._next, type(part))
        if isinstance(part, ToolCall):
            # Servers that put the whole input here may stream it as well: only the end tells.
            block.input, part = part.arguments, replace(part, arguments="")
        elif isinstance(part, Text):
            block.length, part = len(part.text), replace(part, citations=())
            block.citations += sequence(mapping(wire.get("content_block")).get("citations"))
        self._next += 1
        self._open[at] = block
        return [*notices, PartStart(block.index, part)]

    def _delta(self, wire: _Wire) -> list[Event]:
        at = _index(wire)
        if at not in self._open:
            raise ValueError(f"block {at} is not open")
        block, delta = self._open[at], mapping(wire.get("delta"))
        if block is None:
            return []
        kind = text(delta.get("type"))
        if kind == "signature_delta":
            block.signature.append(text(delta.get("signature")))
            return []
        if kind == "citations_delta" and block.kind is Text:
            block.citations.append(delta.get("citation"))
            return []
        if kind not in _DELTAS:
            return self._notices(kind or "delta")
        name, expected = _DELTAS[kind]
        if block.kind is not expected:
            raise ValueError(f"{kind} in a block of another type")
        piece = text(delta.get(name))
        if piece:
            block.input = ""
            block.length += len(piece)
        return [PartDelta(block.index, piece)] if piece else []

    def _block_stop(self, wire: _Wire) -> list[Event]:
        at = _index(wire)
        if at not in self._open:
            raise ValueError(f"block {at} is not open")
        return self._closed(self._open.pop(at))

    def _closed(self, block: _Block | None) -> list[Event]:
        if block is None:
            return []
        drops = Drops()
        cited = [Cited(block.index, found) for found in read_citations(block.citations, block.length, drops)]
        told: list[Event] = [*self._notices(*drops.names), *cited]
        signature = "".join(block.signature)
        end = PartEnd(block.index, Seal(OWN, signature) if signature and block.kind is Reasoning else None)
        return [*told, PartDelta(block.index, block.input), end] if block.input else [*told, end]

    def _message_delta(self, wire: _Wire) -> list[Event]:
        delta = mapping(wire.get("delta"))
        if delta.get("stop_reason") is not None:
            self._stop = read_stop(delta.get("stop_reason"), delta.get("stop_sequence"))
        events = self._notices("stop_details") if delta.get("stop_details") is not None else []
        if isinstance(wire.get("usage"), dict):
            self._usage = merge_usage(self._usage, wire["usage"])
            events.append(UsageUpdate(read_usage(self._usage)))
        return events

    def _message_stop(self, wire: _Wire) -> list[Event]:
        events = [event for at in sorted(self._open) for event in self._closed(self._open[at])]
        self._open.clear()
        self.complete = True
        return [*events, ResponseEnd(self._stop)]

    def _notices(self, *names: str) -> list[Event]:
        """One Notice for each name that is new in this stream."""
        fresh = [name for name in names if name not in self._noticed.names]
        for name in fresh:
            self._noticed.add(name)
        return [Notice(name) for name in fresh]


def _index(wire: _Wire) -> int:
    index = wire.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError("a block event without an index")
    return index


_DELTAS: dict[str, tuple[str, type]] = {
    "text_delta": ("text", Text),
    "thinking_delta": ("thinking", Reasoning),
    "input_json_delta": ("partial_json", ToolCall),
}

_READERS: dict[str, Callable[[StreamReader, _Wire], list[Event]]] = {
    "message_start": StreamReader._start,
    "ping": StreamReader._ping,
    "content_block_start": StreamReader._block_start,
    "content_block_delta": StreamReader._delta,
    "content_block_stop": StreamReader._block_stop,
    "message_delta": StreamReader._message_delta,
    "message_stop": StreamReader._message_stop,
}
