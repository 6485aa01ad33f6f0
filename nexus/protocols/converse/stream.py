"""ConverseStream's events -> neutral events.

Law: text and reasoning blocks have no start on the wire, so a part starts with its first delta; metadata, which holds
the usage, comes after messageStop, so the answer ends with it, or with the bytes if it never comes. ``complete`` means
that messageStop was seen. Source: the bedrock-runtime service model (ConverseStreamOutput).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nexus.conversation import Citation, Reasoning, Seal, Stop, Text, ToolCall
from nexus.events import (
    Cited,
    Event,
    Notice,
    PartDelta,
    PartEnd,
    PartStart,
    ResponseEnd,
    ResponseStart,
    StreamPart,
    UsageUpdate,
)
from nexus.protocols.converse.failures import is_failure, read_stream_error
from nexus.protocols.converse.response import read_citation, read_image
from nexus.protocols.converse.stops import read_stop
from nexus.protocols.converse.usage import read_usage
from nexus.wire import Json, decode_delta, mapping, text


@dataclass(slots=True)
class _Open:
    """A part whose end has not come: its index in the answer, its kind on the wire, its opaque value so far.

    Citations are of the whole part, whose ``length`` is known at its end. An image is told when it is whole, and has no
    index until then.
    """

    index: int
    kind: str
    signature: str = ""
    redacted: list[str] = field(default_factory=list)
    length: int = 0
    format: str = ""
    citations: list[Mapping[str, Json]] = field(default_factory=list)


class StreamReader:
    """Fed with what ``eventstream.named`` gives."""

    def __init__(self, *, response_id: str = "", model: str = "") -> None:
        self.complete = False
        self._start = ResponseStart(response_id, model)
        self._started = False
        self._ended = False
        self._stop: Stop | None = None
        self._next = 0
        self._open: dict[int, _Open] = {}
        self._noticed: set[str] = set()
        self._readers: Mapping[str, Callable[[Mapping[str, Json]], list[Event]]] = {
            "initial-response": lambda wire: [],
            "messageStart": lambda wire: [],
            "contentBlockStart": self._block_start,
            "contentBlockDelta": self._block_delta,
            "contentBlockStop": self._block_stop,
            "messageStop": self._message_stop,
            "metadata": self._metadata,
        }

    def feed(self, event: str | None, data: str) -> list[Event]:
        """Raises Rejected for an error that the vendor reports, ValueError for what is no event of this dialect."""
        if self._ended:
            return []
        wire = decode_delta(data) if data else {}
        if not isinstance(wire, Mapping):
            raise ValueError(f"the payload of {event} is not an object")
        name = event or ""
        if is_failure(name):
            raise read_stream_error(name, wire)
        started = self._begin() if name != "initial-response" else []
        reader = self._readers.get(name)
        return started + (self._notice(name or "event without a name") if reader is None else reader(wire))

    def finish(self) -> list[Event]:
        """The end that only metadata would have brought; nothing if the stream was cut before messageStop."""
        return self._end() if self.complete and not self._ended else []

    def _begin(self) -> list[Event]:
        if self._started:
            return []
        self._started = True
        return [self._start]

    def _block_start(self, wire: Mapping[str, Json]) -> list[Event]:
        events: list[Event] = []
        for kind, value in mapping(wire.get("start")).items():
            inner = mapping(value)
            if kind == "toolUse" and inner.get("type") is None:
                call = ToolCall(text(inner.get("toolUseId")), text(inner.get("name")), "")
                events += self._open_part(_block(wire), "toolUse", call)
            elif kind == "image":
                self._open[_block(wire)] = _Open(-1, "image", format=text(inner.get("format")))
            else:
                self._open[_block(wire)] = _Open(-1, "foreign")
                events += self._notice((kind == "toolUse" and text(inner.get("type"))) or kind)
        return events

    def _block_delta(self, wire: Mapping[str, Json]) -> list[Event]:
        events: list[Event] = []
        block = _block(wire)
        for kind, value in mapping(wire.get("delta")).items():
            match kind:
                case "text":
                    events += self._piece(block, "text", Text(""), text(value))
                case "reasoningContent":
                    events += self._reasoning(block, mapping(value))
                case "image" if block in self._open and self._open[block].kind == "image":
                    self._open[block].redacted.append(text(mapping(mapping(value).get("source")).get("bytes")))
                case "toolUse":
                    events += self._tool_piece(block, text(mapping(value).get("input")))
                case "citation":
                    events += self._piece(block, "text", Text(""), "")
                    self._open[block].citations.append(mapping(value))
                case _:
                    events += self._notice(kind)
        return events

    def _tool_piece(self, block: int, piece: str) -> list[Event]:
        part = self._open.get(block)
        if part is not None and part.kind == "foreign":
            return []
        if part is None or part.kind != "toolUse":
            raise ValueError(f"tool input for block {block}, which is no tool call")
        return [PartDelta(part.index, piece)] if piece else []

    def _reasoning(self, block: int, wire: Mapping[str, Json]) -> list[Event]:
        events: list[Event] = []
        for kind, value in wire.items():
            redacted = kind == "redactedContent"
            if kind not in ("text", "signature", "redactedContent"):
                events += self._notice(f"reasoningContent.{kind}")
                continue
            part = Reasoning("", Seal("converse", ""), redacted=redacted)
            piece = text(value) if kind == "text" else ""
            events += self._piece(block, "redacted" if redacted else "reasoning", part, piece)
            if redacted:
                self._open[block].redacted.append(text(value))
            elif kind == "signature":
                self._open[block].signature += text(value)
        return events

    def _piece(self, block: int, kind: str, part: StreamPart, piece: str) -> list[Event]:
        """More of the part that ``block`` is, which starts here if it is new or of another kind than before."""
        events: list[Event] = []
        known = self._open.get(block)
        if known is None or known.kind != kind:
            events += self._open_part(block, kind, part)
        if piece:
            self._open[block].length += len(piece)
            events.append(PartDelta(self._open[block].index, piece))
        return events

    def _open_part(self, block: int, kind: str, part: StreamPart) -> list[Event]:
        if self._stop is not None:
            raise ValueError("content after messageStop")
        events = self._close(block)
        self._open[block] = _Open(self._next, kind)
        events.append(PartStart(self._next, part))
        self._next += 1
        return events

    def _close(self, block: int) -> list[Event]:
        part = self._open.pop(block, None)
        if part is None or part.kind == "foreign":
            return []
        match part.kind:
            case "image":
                return self._image(part)
            case "redacted":
                return [PartEnd(part.index, Seal("converse", _joined(part.redacted)))]
            case "reasoning" if part.signature:
                return [PartEnd(part.index, Seal("converse", part.signature))]
            case _:
                return [*self._cited(part), PartEnd(part.index)]

    def _image(self, part: _Open) -> list[Event]:
        data = _joined([piece for piece in part.redacted if piece] or [""])
        image = read_image({"format": part.format, "source": {"bytes": data}})
        if image is None:
            return self._notice("image")
        self._next += 1
        return [PartStart(self._next - 1, image), PartEnd(self._next - 1)]

    def _cited(self, part: _Open) -> list[Event]:
        events: list[Event] = []
        for wire in part.citations:
            match read_citation(wire, part.length):
                case Citation() as citation:
                    events.append(Cited(part.index, citation))
                case name:
                    events += self._notice(name)
        return events

    def _block_stop(self, wire: Mapping[str, Json]) -> list[Event]:
        return self._close(_block(wire))

    def _message_stop(self, wire: Mapping[str, Json]) -> list[Event]:
        self._stop = read_stop(wire)
        self.complete = True
        return [event for block in list(self._open) for event in self._close(block)]

    def _metadata(self, wire: Mapping[str, Json]) -> list[Event]:
        events: list[Event] = [UsageUpdate(read_usage(mapping(wire.get("usage"))))] if "usage" in wire else []
        return events + self._end() if self.complete else events

    def _end(self) -> list[Event]:
        self._ended = True
        return [ResponseEnd(self._stop or Stop("unknown"))]

    def _notice(self, dropped: str) -> list[Event]:
        if dropped in self._noticed:
            return []
        self._noticed.add(dropped)
        return [Notice(dropped)]


def _block(wire: Mapping[str, Json]) -> int:
    index = wire.get("contentBlockIndex")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError("an event without its contentBlockIndex")
    return index


def _joined(pieces: list[str]) -> str:
    """Pieces of base64, each padded for itself, as one."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except binascii.Error as error:
        raise ValueError("redacted reasoning or an image is not base64") from error
