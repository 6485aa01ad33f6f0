"""A vendor's stream of the responses dialect, read into events.

Deltas are converted as they arrive; a ``done`` adds what no delta had (the encrypted reasoning, a custom tool's input,
or everything), and the final response adds what no item had. Frames around content may be repeated or missing.
One content part is one neutral part; a reasoning item is one, however many summaries it has. Items without an
equivalent are reported once. Sources: openai.types.responses.ResponseStreamEvent; arguments only in their own ``done``:
LiteLLM #27144, sub2api #6629.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.events import (
    Cited,
    ContentDropped,
    Event,
    PartDelta,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
)
from nexus.conversation.parts import Reasoning, Refusal, StreamPart, Text, ToolCall
from nexus.dataclasses import replace
from nexus.errors import VendorError
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.error_words import kind_of_event
from nexus.protocols.open_parts import OpenPart, OpenParts
from nexus.protocols.responses.read_error import is_answer, read_stream_error
from nexus.protocols.responses.read_output import READ, has_counterpart, read_output
from nexus.protocols.responses.read_parts import lost, read_annotation
from nexus.protocols.responses.signatures import read_vendor_reasoning
from nexus.protocols.responses.stops import read_stop
from nexus.protocols.responses.tools import call_words, qualify
from nexus.protocols.responses.usage import read_usage
from nexus.protocols.sse import DONE
from nexus.protocols.tool_calls import read_called, read_input, write_input
from nexus.wire import Json, count, decode_delta, mapping, sequence, text

_Key = tuple[int, int]
_WHOLE = -1
"""Content index for items that are a single part."""

_CONTENT: Mapping[str, frozenset[type[StreamPart]]] = {
    "message": frozenset({Text, Refusal}),
    **dict.fromkeys(("function_call", "custom_tool_call"), frozenset({ToolCall})),
}
"""The parts of an item that only the final response may have. Others of their kind say that it was streamed: neither
its id nor its index is the same at every server. Source: NVIDIA-NeMo/Switchyard, pull request 777."""

_TERMINAL = {"response.completed": "completed", "response.incomplete": "incomplete"}
"""The last event of an answer, and its status."""


class StreamReader:
    """``complete`` is True once the vendor's last event was seen."""

    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._id: str | None = None
        self._parts: OpenParts[_Key] = OpenParts(late_signatures=True)
        self._emitted: set[int] = set()
        self._nameless: set[int] = set()
        self._cited: dict[_Key, int] = {}
        self._thoughts: dict[int, int] = {}

    def feed(self, event: str | None, data: str) -> list[Event]:
        if self.complete:
            return []
        if data == DONE:
            return self._finish("completed", {}) if self._id is not None else []
        document = decode_delta(data)
        if not isinstance(document, dict):
            raise ValueError("an event is not an object")
        kind = kind_of_event(event, document)
        if kind in ("error", "response.failed"):
            raise VendorError(read_stream_error(mapping(document.get("response")) or document))
        reader = _READERS.get(kind)
        response = mapping(document.get("response"))
        begun = self._begin(kind, response) if response or (reader is not None and kind != "keepalive") else []
        if kind in _TERMINAL:
            return [*begun, *self._finish(_TERMINAL[kind], response)]
        return [*begun, *(reader(self, document) if reader is not None else ())]

    def read_whole(self, answer: Mapping[str, Json]) -> list[Event]:
        """Reads a complete answer instead of a stream."""
        if answer.get("status") == "failed" or mapping(answer.get("error")) or not is_answer(answer):
            raise VendorError(read_stream_error(answer))
        return [*self._begin("", answer), *self._finish("completed", answer)]

    def finish(self) -> list[Event]:
        return []

    def _begin(self, kind: str, response: Mapping[str, Json]) -> list[Event]:
        """The start, with the first event of the answer. GitHub Copilot's ids change with every event (vercel/ai)."""
        known, named = self._id, text(response.get("id"))
        self._id = named or known or ""
        if known is None:
            return [ResponseStart(named, text(response.get("model")))]
        if kind == "response.created" and known and named and named != known and self._parts.started:
            raise ValueError("two answers in one stream")
        return []

    def _read_added(self, event: Mapping[str, Json]) -> list[Event]:
        item, index = mapping(event.get("item")), count(event.get("output_index"))
        match item.get("type"):
            case "reasoning":
                return self._start((index, _WHOLE), Reasoning(""))
            case "function_call" | "custom_tool_call":
                name = qualify(text(item.get("namespace")) or None, read_called(item.get("name")))
                return self._start((index, _WHOLE), ToolCall(text(item.get("call_id")), name, ""))
            case kind if text(kind) not in READ:
                self._emitted.add(index)
                return [ContentDropped(f"output.{text(kind)}")]
            case _:
                return []

    def _read_part_added(self, event: Mapping[str, Json]) -> list[Event]:
        key = _content_key(event)
        match mapping(event.get("part")).get("type"):
            case "output_text":
                return self._start(key, Text(""))
            case "refusal":
                return self._start(key, Refusal(""))
            case _:
                return []

    def _end_content(self, key: _Key, part: Mapping[str, Json]) -> list[Event]:
        """The end of a content part, with text and annotations that only it has."""
        known = self._parts.open.get(key)
        if known is None:
            return []
        self._hold(key, text(part.get("text")) or text(part.get("refusal")))
        annotations = sequence(part.get("annotations"))[self._cited.get(key, 0) :]
        return [*(cited for entry in annotations for cited in self._cite(key, mapping(entry))), *self._parts.end(key)]

    def _hold(self, key: _Key, words: str) -> list[Event]:
        """Keeps the whole text of an open part, in case no delta of it comes."""
        if words and (known := self._parts.open.get(key)) is not None:
            known.held = words
        return []

    def _cite(self, key: _Key, entry: Mapping[str, Json]) -> list[Event]:
        self._cited[key] = self._cited.get(key, 0) + 1
        read, part = read_annotation(entry), self._parts.open.get(key)
        if isinstance(read, str) or part is None:
            return [ContentDropped(read if isinstance(read, str) else "annotations")]
        return [Cited(part.index, read)]

    def _read_arguments(self, event: Mapping[str, Json]) -> list[Event]:
        key = _whole_key(event)
        if self._parts.open.get(key) is None:
            # The called tool is not known yet: the end of the item has it, and the arguments.
            if key[0] not in self._emitted:
                self._nameless.add(key[0])
            return []
        return self._extend(key, event, ToolCall("", "", ""))

    def _read_reasoning(self, event: Mapping[str, Json]) -> list[Event]:
        """The summaries of an item, or its texts, are one part, with blank lines between them."""
        number = count(event.get("summary_index") or event.get("content_index"))
        index, _ = key = _whole_key(event)
        separator: list[Event] = []
        if self._thoughts.setdefault(index, number) != number and (known := self._parts.open.get(key)) is not None:
            separator = [PartDelta(known.index, "\n\n")]
        self._thoughts[index] = number
        return [*separator, *self._extend(key, event, Reasoning(""))]

    def _read_done(self, event: Mapping[str, Json]) -> list[Event]:
        """The end of an item, with everything that was not sent before."""
        item, index = mapping(event.get("item")), count(event.get("output_index"))
        if index not in self._emitted:
            return self._emit(index, item)
        content, ends = sequence(item.get("content")), list[Event]()
        for key, known in [one for one in self._parts.open.items() if one[0][0] == index]:
            if key[1] == _WHOLE:
                ends += self._end_whole(key, known, item)
            else:
                ends += self._end_content(key, mapping(content[key[1]]) if key[1] < len(content) else {})
        return ends

    def _end_whole(self, key: _Key, known: OpenPart, item: Mapping[str, Json]) -> list[Event]:
        match known.part, item.get("type"):
            case Reasoning(), "reasoning":
                thought = read_vendor_reasoning(item)
                known.signature = thought.signature
                self._hold(key, thought.text)
            case ToolCall(), "custom_tool_call":
                self._hold(key, write_input(text(item.get("input")) or read_input(known.held)))
            case ToolCall(), "function_call":
                self._hold(key, call_words(item))
        return self._parts.end(key)

    def _emit(self, index: int, item: Mapping[str, Json]) -> list[Event]:
        """A complete item of which nothing was sent before."""
        self._emitted.add(index)
        self._nameless.discard(index)
        if not has_counterpart(item):
            return [ContentDropped(f"output.{text(item.get('type'))}")]
        events: list[Event] = [ContentDropped(name) for name in lost([item])]
        for at, part in enumerate(read_output(item)):
            events += self._emit_part((index, at), part)
        return events

    def _emit_part(self, key: _Key, part: StreamPart) -> list[Event]:
        cited = part.citations if isinstance(part, Text) else ()
        index = self._parts.started
        begun = self._parts.start(key, replace(part, citations=()) if isinstance(part, Text) else part)
        return [*begun, *(Cited(index, citation) for citation in cited), *self._parts.end(key)]

    def _start(self, key: _Key, part: StreamPart) -> list[Event]:
        self._emitted.add(key[0])
        self._nameless.discard(key[0])
        return self._parts.start(key, part)

    def _extend(self, key: _Key, event: Mapping[str, Json], empty: StreamPart) -> list[Event]:
        words = text(event.get("delta"))
        if not words:
            return []
        self._emitted.add(key[0])
        return self._parts.extend(key, words, empty)

    def _finish(self, status: str, response: Mapping[str, Json]) -> list[Event]:
        self.complete = True
        silent, known = not self._parts.started, frozenset(self._parts.kinds)
        ends: list[Event] = []
        for index, item in enumerate(map(mapping, sequence(response.get("output")))):
            if silent or self._awaits(index):
                ends += self._read_done({"output_index": index, "item": item})
            elif known.isdisjoint(_CONTENT.get(text(item.get("type")), known)):
                ends += self._emit(index, item)
        if self._nameless:
            raise ValueError("arguments of a call that did not start")
        finished = {**response, "status": text(response.get("status")) or status}
        stop = self._parts.fit(read_stop(finished))
        usage = UsageUpdate(
            read_usage(mapping(response.get("usage")), response.get("service_tier"), response.get("output"))
        )
        return [*ends, *self._parts.end_all(), usage, ResponseEnd(stop)]

    def _awaits(self, index: int) -> bool:
        """Whether an item has begun and not ended."""
        return index in self._nameless or any(key[0] == index for key in self._parts.open)


def _whole_key(event: Mapping[str, Json]) -> _Key:
    return count(event.get("output_index")), _WHOLE


def _content_key(event: Mapping[str, Json]) -> _Key:
    return count(event.get("output_index")), count(event.get("content_index"))


_READERS: Mapping[str, Callable[[StreamReader, Mapping[str, Json]], list[Event]]] = {
    **dict.fromkeys(("response.created", "response.in_progress"), lambda reader, event: []),
    "response.output_item.added": StreamReader._read_added,
    "response.output_item.done": StreamReader._read_done,
    "response.content_part.added": StreamReader._read_part_added,
    "response.content_part.done": lambda reader, event: reader._end_content(
        _content_key(event), mapping(event.get("part"))
    ),
    "response.output_text.delta": lambda reader, event: reader._extend(_content_key(event), event, Text("")),
    "response.output_text.annotation.added": lambda reader, event: reader._cite(
        _content_key(event), mapping(event.get("annotation"))
    ),
    "response.refusal.delta": lambda reader, event: reader._extend(_content_key(event), event, Refusal("")),
    "response.reasoning_text.delta": StreamReader._read_reasoning,
    "response.reasoning_summary_text.delta": StreamReader._read_reasoning,
    "response.function_call_arguments.delta": StreamReader._read_arguments,
    "response.output_text.done": lambda reader, event: reader._hold(_content_key(event), text(event.get("text"))),
    "response.refusal.done": lambda reader, event: reader._hold(_content_key(event), text(event.get("refusal"))),
    "response.function_call_arguments.done": lambda reader, event: reader._hold(
        _whole_key(event), text(event.get("arguments"))
    ),
    "response.custom_tool_call_input.done": lambda reader, event: reader._hold(
        _whole_key(event), write_input(text(event.get("input")))
    ),
    "keepalive": lambda reader, event: [Ping()],
}
