"""A vendor's stream of the responses dialect, read into neutral events.

Law: deltas as they come; an item's ``done`` brings what no delta told (the encrypted reasoning, a custom tool's input).
One content part is one neutral part; a reasoning item is one, however many summaries it has. Items without a
counterpart are named once. Source: openai.types.responses.ResponseStreamEvent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation import Image, Reasoning, Refusal, Seal, Text, ToolCall
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
    StreamPart,
    UsageUpdate,
)
from nexus.protocols.custom_tools import write_input
from nexus.protocols.responses.annotations import read_annotation
from nexus.protocols.responses.failures import read_failed
from nexus.protocols.responses.response import IMAGE, READ, has_counterpart, read_output
from nexus.protocols.responses.seals import read_vendors
from nexus.protocols.responses.stops import read_stop
from nexus.protocols.responses.tools import qualify
from nexus.protocols.responses.usage import read_usage
from nexus.wire import Json, count, decode_delta, mapping, sequence, text

_Key = tuple[int, int]
_WHOLE = -1
"""Stands for the content index of items that are one part."""

_TERMINAL = ("response.completed", "response.incomplete")


class StreamReader:
    def __init__(self) -> None:
        self.complete = False
        self._next = 0
        self._open: dict[_Key, int] = {}
        self._spoken: set[_Key] = set()
        self._cited: dict[_Key, int] = {}
        self._summaries: dict[int, int] = {}
        self._calls = False
        self._refused = False

    def feed(self, event: str | None, data: str) -> list[Event]:
        """Raises Rejected for the vendor's error, ValueError for garbage."""
        document = decode_delta(data)
        if not isinstance(document, Mapping):
            raise ValueError("an event is not an object")
        kind = text(document.get("type"))
        if kind in ("error", "response.failed"):
            raise read_failed(mapping(document.get("response")) or document)
        if kind in _TERMINAL:
            return self._finish(mapping(document.get("response")))
        reader = _READERS.get(kind)
        return [] if reader is None else reader(self, document)

    def finish(self) -> list[Event]:
        return []

    def read_created(self, event: Mapping[str, Json]) -> list[Event]:
        response = mapping(event.get("response"))
        return [ResponseStart(text(response.get("id")), text(response.get("model")))]

    def read_added(self, event: Mapping[str, Json]) -> list[Event]:
        item, index = mapping(event.get("item")), count(event.get("output_index"))
        match item.get("type"):
            case "reasoning":
                return self._start((index, _WHOLE), Reasoning(""))
            case "function_call" | "custom_tool_call":
                self._calls = True
                name = qualify(text(item.get("namespace")) or None, text(item.get("name")))
                return self._start((index, _WHOLE), ToolCall(text(item.get("call_id")), name, ""))
            case kind if kind not in READ:
                return [Notice(f"output.{text(kind)}")]
            case _:
                return []

    def read_part_added(self, event: Mapping[str, Json]) -> list[Event]:
        key = (count(event.get("output_index")), count(event.get("content_index")))
        match mapping(event.get("part")).get("type"):
            case "output_text":
                return self._start(key, Text(""))
            case "refusal":
                self._refused = True
                return self._start(key, Refusal(""))
            case _:
                return []

    def read_part_done(self, event: Mapping[str, Json]) -> list[Event]:
        key = (count(event.get("output_index")), count(event.get("content_index")))
        # Some servers tell the annotations here alone.
        told = sequence(mapping(event.get("part")).get("annotations"))[self._cited.get(key, 0) :]
        return [*(cited for entry in told for cited in self._cite(key, mapping(entry))), *self._end(key, None)]

    def read_annotation(self, event: Mapping[str, Json]) -> list[Event]:
        key = (count(event.get("output_index")), count(event.get("content_index")))
        return self._cite(key, mapping(event.get("annotation")))

    def _cite(self, key: _Key, entry: Mapping[str, Json]) -> list[Event]:
        self._cited[key] = self._cited.get(key, 0) + 1
        read = read_annotation(entry)
        if isinstance(read, str) or key not in self._open:
            return [Notice(read if isinstance(read, str) else "annotations")]
        return [Cited(self._open[key], read)]

    def read_content(self, event: Mapping[str, Json]) -> list[Event]:
        return self._say((count(event.get("output_index")), count(event.get("content_index"))), event)

    def read_whole(self, event: Mapping[str, Json]) -> list[Event]:
        return self._say((count(event.get("output_index")), _WHOLE), event)

    def read_summary(self, event: Mapping[str, Json]) -> list[Event]:
        index, summary = count(event.get("output_index")), count(event.get("summary_index"))
        parted: list[Event] = []
        if self._summaries.setdefault(index, summary) != summary and (index, _WHOLE) in self._open:
            parted = [PartDelta(self._open[index, _WHOLE], "\n\n")]
        self._summaries[index] = summary
        return [*parted, *self.read_whole(event)]

    def read_done(self, event: Mapping[str, Json]) -> list[Event]:
        item, key = mapping(event.get("item")), (count(event.get("output_index")), _WHOLE)
        if item.get("type") == IMAGE:
            return self._image(item)
        if key not in self._open:
            return []
        untold: list[Event] = []
        seal: Seal | None = None
        if item.get("type") == "reasoning":
            seal = read_vendors(item).seal
        elif key not in self._spoken:
            words = text(item.get("arguments"))
            if item.get("type") == "custom_tool_call":
                words = write_input(text(item.get("input")))
            untold = [PartDelta(self._open[key], words)] if words else []
        return [*untold, *self._end(key, seal)]

    def _image(self, item: Mapping[str, Json]) -> list[Event]:
        if not has_counterpart(item):
            return [Notice(f"output.{IMAGE}")]
        told: list[Event] = []
        for part in read_output([item]):
            if isinstance(part, Image):
                told += [PartStart(self._next, part), PartEnd(self._next)]
                self._next += 1
        return told

    def read_ping(self, event: Mapping[str, Json]) -> list[Event]:
        return [Ping()]

    def _start(self, key: _Key, part: StreamPart) -> list[Event]:
        self._open[key] = self._next
        self._next += 1
        return [PartStart(self._open[key], part)]

    def _say(self, key: _Key, event: Mapping[str, Json]) -> list[Event]:
        words = text(event.get("delta"))
        if not words or key not in self._open:
            return []
        self._spoken.add(key)
        return [PartDelta(self._open[key], words)]

    def _end(self, key: _Key, seal: Seal | None) -> list[Event]:
        return [PartEnd(self._open.pop(key), seal)] if key in self._open else []

    def _finish(self, response: Mapping[str, Json]) -> list[Event]:
        self.complete = True
        ends: list[Event] = [PartEnd(index) for index in self._open.values()]
        self._open.clear()
        stop = read_stop(response, calls=self._calls, refused=self._refused)
        return [*ends, UsageUpdate(read_usage(mapping(response.get("usage")))), ResponseEnd(stop)]


_READERS: Mapping[str, Callable[[StreamReader, Mapping[str, Json]], list[Event]]] = {
    "response.created": StreamReader.read_created,
    "response.output_item.added": StreamReader.read_added,
    "response.output_item.done": StreamReader.read_done,
    "response.content_part.added": StreamReader.read_part_added,
    "response.content_part.done": StreamReader.read_part_done,
    "response.output_text.delta": StreamReader.read_content,
    "response.output_text.annotation.added": StreamReader.read_annotation,
    "response.refusal.delta": StreamReader.read_content,
    "response.reasoning_text.delta": StreamReader.read_whole,
    "response.reasoning_summary_text.delta": StreamReader.read_summary,
    "response.function_call_arguments.delta": StreamReader.read_whole,
    "keepalive": StreamReader.read_ping,
}
