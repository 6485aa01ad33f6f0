"""A stream of ConverseStream, read into events.

Text and reasoning blocks have no start on the wire, so a part starts with its first delta; metadata, which has the
usage, comes after messageStop, so the answer ends with it, or with the bytes if it never comes. ``complete`` means that
messageStop was seen; other frames may be repeated or missing. Source: the bedrock-runtime service model
(ConverseStreamOutput).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from nexus.conversation.events import Event, ResponseEnd, ResponseStart, UsageUpdate
from nexus.conversation.parts import Citation, Image, Inline, Reasoning, Signature, Stop, StreamPart, Text, ToolCall
from nexus.errors import VendorError
from nexus.protocols.checks import Body, Drops
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.converse.read_error import is_answer, is_failure, read_no_answer, read_stream_error
from nexus.protocols.converse.signatures import OWN
from nexus.protocols.converse.stops import BROKEN, read_stop
from nexus.protocols.converse.usage import read_usage
from nexus.protocols.error_words import ended_with
from nexus.protocols.media import is_web
from nexus.protocols.open_parts import OpenParts
from nexus.protocols.tool_calls import read_arguments, read_called
from nexus.wire import Json, base64_bytes, decode_delta, mapping, sequence, text

CLIENTS_CALL = (None, "tool_use")
"""The ``type`` of a call of a client's tool. Claude Sonnet 5 has one, which the service model does not list (recorded
in langchain-aws 1.9)."""


class StreamReader:
    """Takes the events that ``eventstream.named`` returns."""

    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._start = ResponseStart(origin.response_id, origin.model)
        self._started = False
        self._over = False
        self._stop: Stop | None = None
        self._dropped = Drops()
        self._parts: OpenParts[int] = OpenParts(cite=_read_citation, dropped=self._dropped)
        self._foreign: set[int] = set()
        self._images: dict[int, tuple[str, list[str]]] = {}

    def feed(self, event: str | None, data: str) -> list[Event]:
        if self._over:
            return []
        wire = decode_delta(data) if data else {}
        if not isinstance(wire, dict):
            raise ValueError(f"the payload of {event} is not an object")
        name = event or ""
        if is_failure(name):
            raise VendorError(read_stream_error(name, wire))
        begun = self._begin() if name != "initial-response" else []
        read = _READERS.get(name)
        return begun + (self._dropped.events(name or "event without a name") if read is None else read(self, wire))

    def read_whole(self, answer: Body) -> list[Event]:
        """Reads a complete answer, whose members are those of a stream's events. None of them has to be present."""
        if not is_answer(answer):
            raise VendorError(read_no_answer(answer))
        blocks = enumerate(sequence(mapping(mapping(answer.get("output")).get("message")).get("content")))
        content = [event for at, block in blocks for event in self._whole_block(at, mapping(block))]
        return [*self._begin(), *content, *self._message_stop(answer), *self._metadata(answer)]

    def _whole_block(self, at: int, block: Body) -> list[Event]:
        started: Body = {kind: value for kind, value in block.items() if kind in ("toolUse", "image")}
        events = self._block_start({"contentBlockIndex": at, "start": started})
        for delta in (delta for kind, value in block.items() for delta in _deltas(kind, value)):
            events += self._delta({"contentBlockIndex": at, "delta": delta})
        return [*events, *self._block_stop({"contentBlockIndex": at})]

    def finish(self) -> list[Event]:
        return self._end() if self.complete and not self._over else []

    def _begin(self) -> list[Event]:
        if self._started:
            return []
        self._started = True
        return [self._start]

    def _block_start(self, wire: Body) -> list[Event]:
        events: list[Event] = []
        block = _block(wire)
        for kind, value in mapping(wire.get("start")).items():
            inner = mapping(value)
            if kind == "toolUse" and inner.get("type") in CLIENTS_CALL:
                self._foreign.discard(block)
                call = ToolCall(text(inner.get("toolUseId")), read_called(inner.get("name")), "")
                events += self._content(self._parts.start(block, call))
            elif kind == "image":
                self._images.setdefault(block, (text(inner.get("format")), []))
            else:
                self._foreign.add(block)
                events += self._dropped.events((kind == "toolUse" and text(inner.get("type"))) or kind)
        return events

    def _delta(self, wire: Body) -> list[Event]:
        events: list[Event] = []
        block = _block(wire)
        for kind, value in mapping(wire.get("delta")).items():
            match kind:
                case "text":
                    events += self._piece(block, text(value), Text(""))
                case "reasoningContent":
                    events += self._reasoning(block, mapping(value))
                case "image" if block in self._images:
                    self._images[block][1].append(text(mapping(mapping(value).get("source")).get("bytes")))
                case "toolUse" if block in self._foreign:
                    continue
                case "toolUse":
                    events += self._piece(block, text(mapping(value).get("input")), ToolCall("", "", ""))
                case "citation":
                    events += self._piece(block, "", Text(""))
                    self._parts.open[block].citations.append(value)
                case _:
                    events += self._dropped.events(kind)
        return events

    def _reasoning(self, block: int, wire: Body) -> list[Event]:
        events: list[Event] = []
        for kind, value in wire.items():
            redacted = kind == "redactedContent"
            if kind not in ("text", "signature", "redactedContent"):
                events += self._dropped.events(f"reasoningContent.{kind}")
                continue
            piece = text(value) if kind == "text" else ""
            events += self._piece(block, piece, Reasoning("", Signature(OWN, ""), redacted=redacted))
            if kind != "text" and text(value):
                part = self._parts.open[block]
                known = part.signature.value if part.signature is not None else ""
                part.signature = Signature(OWN, _joined(known, text(value)) if redacted else known + text(value))
        return events

    def _piece(self, block: int, piece: str, part: StreamPart) -> list[Event]:
        """Adds to the part in ``block``, which starts here if it is new or of another kind than before."""
        self._foreign.discard(block)
        return self._content(self._parts.extend(block, piece, part))

    def _content(self, events: list[Event]) -> list[Event]:
        if events and self._stop is not None:
            raise ValueError("content after messageStop")
        return events

    def _image(self, block: int) -> list[Event]:
        """An image is sent when it is complete, and has no index in the answer until then."""
        format, pieces = self._images.pop(block)
        image = _read_image({"format": format, "source": {"bytes": _joined(*pieces)}})
        if image is None:
            return self._dropped.events("image")
        return [*self._parts.start(block, image), *self._parts.end(block)]

    def _block_stop(self, wire: Body) -> list[Event]:
        block = _block(wire)
        self._foreign.discard(block)
        return self._image(block) if block in self._images else self._parts.end(block)

    def _message_stop(self, wire: Body) -> list[Event]:
        self._stop = self._parts.fit(read_stop(wire)) if self._stop is None else self._stop
        self.complete = True
        images = [event for block in list(self._images) for event in self._image(block)]
        if not self._parts.started and self._stop.raw in BROKEN:
            raise VendorError(ended_with(self._stop.raw))
        return [*images, *self._parts.end_all()]

    def _metadata(self, wire: Body) -> list[Event]:
        known = read_usage(mapping(wire.get("usage")), wire.get("serviceTier"))
        events: list[Event] = [UsageUpdate(known)] if "usage" in wire else []
        return events + self._end() if self.complete else events

    def _end(self) -> list[Event]:
        self._over = True
        return [ResponseEnd(self._stop or Stop("unknown"))]


def _deltas(kind: str, value: Json) -> list[dict[str, Json]]:
    """The content of a block of a complete answer, as a stream's deltas."""
    inner = mapping(value)
    match kind:
        case "toolUse":
            return [{kind: {"input": read_arguments(inner.get("input"))}}]
        case "reasoningContent":
            return [{kind: inner.get("reasoningText") or value}]
        case "citationsContent":
            words = "".join(text(mapping(piece).get("text")) for piece in sequence(inner.get("content")))
            return [{"text": words}, *({"citation": entry} for entry in sequence(inner.get("citations")))]
        case _:
            return [{kind: value}]


def _read_image(wire: Mapping[str, Json]) -> Image | None:
    """An image that the model made; None if it has no bytes."""
    data = text(mapping(wire.get("source")).get("bytes"))
    return Image(Inline(f"image/{text(wire.get('format')) or 'png'}", data)) if data else None


def _read_citation(wire: Mapping[str, Json], length: int) -> Citation | str:
    """The source of a text of ``length`` characters; for anything but a web page, its name."""
    location = mapping(wire.get("location"))
    url = text(mapping(location.get("web")).get("url")) or text(wire.get("source"))
    if not is_web(url):
        kind = next(iter(location), "")
        return f"citations.{kind}" if kind else "citations"
    quote = "".join(text(mapping(piece).get("text")) for piece in sequence(wire.get("sourceContent")))
    return Citation(0, length, url, text(wire.get("title")), quote)


def _block(wire: Body) -> int:
    index = wire.get("contentBlockIndex")
    if not isinstance(index, int) or isinstance(index, bool):
        raise ValueError("an event without its contentBlockIndex")
    return index


def _joined(*pieces: str) -> str:
    """Joins pieces of base64 that are padded separately."""
    held = [piece for piece in pieces if piece]
    if len(held) < 2:
        return "".join(held)
    decoded = [raw for piece in held if (raw := base64_bytes(piece)) is not None]
    if len(decoded) < len(held):
        raise ValueError("redacted reasoning or an image is not base64")
    return base64.b64encode(b"".join(decoded)).decode()


_READERS: Mapping[str, Callable[[StreamReader, Body], list[Event]]] = {
    **dict.fromkeys(("initial-response", "messageStart"), lambda reader, wire: []),
    "contentBlockStart": StreamReader._block_start,
    "contentBlockDelta": StreamReader._delta,
    "contentBlockStop": StreamReader._block_stop,
    "messageStop": StreamReader._message_stop,
    "metadata": StreamReader._metadata,
}
