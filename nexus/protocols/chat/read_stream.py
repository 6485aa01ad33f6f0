"""A vendor's stream of chunks, read into events.

Tolerant of real servers, truthful about the end. ``complete`` is set by a finish reason or by ``[DONE]``,
whichever comes first; ResponseEnd waits for ``[DONE]`` or the end of the bytes, because usage comes last.
Reasoning, text and refusal take turns; a call may stay open beside them (see stream_calls.py). Pieces of no
characters start no part. Source: openai.types.chat.ChatCompletionChunk and the servers named in stream_calls.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.events import (
    Cited,
    Event,
    PartDelta,
    PartEnd,
    PartStart,
    ResponseEnd,
    ResponseStart,
    StreamPart,
    UsageUpdate,
)
from nexus.conversation.parts import Image, Reasoning, Refusal, Signature, Stop, Text, ToolCall
from nexus.conversation.usage import Usage
from nexus.errors import VendorError
from nexus.protocols.chat.answers import made_id, read_pieces
from nexus.protocols.chat.plain_chunk import holds_more, plain_words
from nexus.protocols.chat.read_error import read_stream_error
from nexus.protocols.chat.reasoning import (
    BARE,
    detail_signature,
    is_another,
    is_block,
    plain_reasoning,
    read_detail,
    read_entries,
    vendor_signature,
)
from nexus.protocols.chat.sources import read_images, read_sources
from nexus.protocols.chat.stops import finish_word, read_stop
from nexus.protocols.chat.stream_calls import Calls, ToolCallBuffer
from nexus.protocols.chat.streamed_citations import StreamedCitations
from nexus.protocols.chat.think_tags import ThinkTags
from nexus.protocols.chat.usage import merge_usage, read_usage
from nexus.protocols.checks import Drops
from nexus.protocols.codec import AnswerOrigin
from nexus.protocols.sse import DONE
from nexus.wire import Json, decode_delta, mapping, sequence, text

_WORDS = ("text", "summary", "thinking")
_CALLS = frozenset({"role", "tool_calls"})
"""All that a delta of calls alone has, as most of an agent's do."""

_EMPTY: Mapping[str, StreamPart] = {"text": Text(""), "reasoning": Reasoning("", BARE), "refusal": Refusal("")}


class StreamReader:
    def __init__(self, origin: AnswerOrigin) -> None:
        self.complete = False
        self._tags = ThinkTags() if origin.server.think_tags else None
        self._id = ""
        self._model = ""
        self._started = False
        self._over = False
        self._next = 0
        self._prose: tuple[str, int] | None = None
        self._prose_signature: Signature | None = None
        self._detail: dict[str, Json] | None = None
        self._plain = ""
        self._calls = Calls()
        self._refused = False
        self._finish: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._service_tier = ""
        self._known = Usage()
        self._citations = StreamedCitations()
        self._dropped = Drops()
        self._out: list[Event] = []

    def feed(self, event: str | None, data: str) -> list[Event]:
        """Raises VendorError for an error in the stream, ValueError for garbage."""
        if self._over or not data.strip():
            return []
        if data.strip() == DONE:
            self.complete = True
            return self.finish()
        chunk = decode_delta(data)
        if not isinstance(chunk, dict):
            raise ValueError("a chunk is not an object")
        if chunk.get("error") or event == "error":
            raise VendorError(read_stream_error(chunk))
        prose = self._prose
        plain = plain_words(chunk, self._service_tier) if prose is not None and prose[0] == "text" else None
        if plain is None or self._citations.waits:
            self._read_chunk(chunk)
        else:
            self._hear("text", plain)
        return self._take()

    def finish(self) -> list[Event]:
        if self._over or not self.complete:
            return []
        self._over = True
        self._start()
        for kind, words in self._tags.finish() if self._tags else ():
            self._say(kind, words)
        self._emit(self._citations.last())
        self._end_prose()
        half = any(call.part is not None and call.arguments and not call.whole for call in self._calls.all)
        for call in self._calls.all:
            if call.part is None:
                self._out += self._dropped.events("tool_calls")
            elif not call.ended:
                self._end_call(call)
        self._out.append(UsageUpdate(self._known))
        called = any(call.part is not None for call in self._calls.all)
        stop = read_stop(self._finish, calls=called, refused=self._refused)
        # The terminator alone says that all was said, and half a call that more should have come.
        self._out.append(ResponseEnd(Stop("unknown") if half and not self._finish else stop))
        return self._take()

    def _take(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _read_chunk(self, chunk: Mapping[str, Json]) -> None:
        self._id = self._id or text(chunk.get("id"))
        self._model = self._model or text(chunk.get("model"))
        choices = [mapping(choice) for choice in sequence(chunk.get("choices"))]
        self._service_tier = text(chunk.get("service_tier")) or self._service_tier
        usages = [chunk, mapping(chunk.get("x_groq")), *choices]
        for choice in choices:
            self._start()
            if choice.get("index") in (0, None):
                self._read_choice(choice)
            else:
                self._out += self._dropped.events("choices")
        self._citations.sources = read_sources(chunk) or self._citations.sources
        for holder in usages:
            self._read_usage(mapping(holder.get("usage")))

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._out.append(ResponseStart(self._id, self._model, self._known))

    def _read_usage(self, wire: Mapping[str, Json]) -> None:
        """The last count wins, field by field."""
        if not wire:
            return
        self._usage = merge_usage(self._usage, wire)
        earlier, self._known = self._known, read_usage(self._usage, self._service_tier)
        if self._known != earlier and self._started:
            self._out.append(UsageUpdate(self._known))

    def _read_choice(self, choice: Mapping[str, Json]) -> None:
        # A server that fakes streaming puts the whole message where the delta belongs.
        delta = mapping(choice.get("delta")) or mapping(choice.get("message"))
        if holds_more(delta, _CALLS):
            self._read_prose(delta)
        for call in map(mapping, sequence(delta.get("tool_calls"))):
            self._read_call(call)
        if legacy := mapping(delta.get("function_call")):
            self._read_call({"index": -1, "function": legacy})
        self._emit(self._citations.read(delta))
        if mapping(choice.get("logprobs")):
            self._out += self._dropped.events("logprobs")
        if finish_word(choice):
            self._finish = dict(choice)
            self.complete = True

    def _read_prose(self, delta: Mapping[str, Json]) -> None:
        self._read_thought(delta)
        for kind, words in read_pieces(delta):
            if kind == "dropped":
                self._out += self._dropped.events(words)
            elif words:
                self._hear(kind, words)
        self._read_images(delta)
        if (signature := vendor_signature(delta.get("extra_content"))) is not None:
            self._open_prose("text")
            self._prose_signature = signature

    def _read_thought(self, delta: Mapping[str, Json]) -> None:
        details = read_entries(delta)
        spoken = any(read_detail(entry, BARE).text for entry in details)
        if not spoken and (plain := plain_reasoning(delta)):
            self._plain += plain
            self._say("reasoning", plain)
        # A gateway like this one tells it all again at the end, with signatures, which come too late for parts that
        # ended.
        again = bool(self._plain) and "".join(read_detail(entry, BARE).text for entry in details) == self._plain
        for entry in details:
            if again and read_detail(entry, BARE).text:
                self._out += self._dropped.events("thinking_blocks" if is_block(entry) else "reasoning_details")
            else:
                self._read_detail(entry)

    def _read_detail(self, entry: Mapping[str, Json]) -> None:
        """Pieces of one entry share its index and follow each other; the last one brings the signature."""
        part = read_detail(entry, BARE)
        known = self._detail
        if known is None or self._prose is None or is_another(known, entry):
            if part.signature == BARE and not part.text:
                return
            if known is None and is_block(entry) and not part.text and not part.redacted and self._thinks:
                # The words came as plain reasoning, which this signs.
                self._detail = dict(entry)
                self._prose_signature = part.signature
                return
            self._end_prose()
            self._open_prose("reasoning", Reasoning("", None, part.redacted))
        rest = {name: value for name, value in entry.items() if name not in _WORDS and value is not None}
        self._detail = {**(self._detail or {}), **rest}
        self._prose_signature = detail_signature(self._detail, BARE)
        if part.text:
            self._say("reasoning", part.text)

    @property
    def _thinks(self) -> bool:
        return self._prose is not None and self._prose[0] == "reasoning"

    def _hear(self, kind: str, words: str) -> None:
        for piece_kind, piece in self._tags.feed(words) if self._tags and kind == "text" else ((kind, words),):
            self._say(piece_kind, piece)

    def _say(self, kind: str, words: str) -> None:
        self._refused = self._refused or kind == "refusal"
        index = self._open_prose(kind)
        self._out.append(PartDelta(index, words))
        if kind == "text":
            self._citations.hear(index, len(words), self._tags.before if self._tags else 0)

    def _emit(self, found: Iterable[Cited | str]) -> None:
        """Citations, and the names of what could not be one."""
        for one in found:
            self._out += self._dropped.events(one) if isinstance(one, str) else [one]

    def _read_images(self, delta: Mapping[str, Json]) -> None:
        for image in read_images(delta):
            if not isinstance(image, Image):
                self._out += self._dropped.events(image)
                continue
            self._end_prose()
            self._settle()
            index = self._count()
            self._out += [PartStart(index, image), PartEnd(index)]

    def _open_prose(self, kind: str, part: Reasoning | None = None) -> int:
        if self._prose is not None and self._prose[0] == kind and part is None:
            return self._prose[1]
        self._end_prose()
        self._settle()
        index = self._count()
        self._out.append(PartStart(index, part or _EMPTY[kind]))
        self._prose = (kind, index)
        return index

    def _end_prose(self) -> None:
        if self._prose is not None:
            self._out.append(PartEnd(self._prose[1], self._prose_signature))
        self._prose = self._prose_signature = self._detail = None

    def _read_call(self, delta: Mapping[str, Json]) -> None:
        if delta.get("type") not in (None, "", "function"):
            self._out += self._dropped.events(f"tool_calls.{text(delta.get('type'))}")
            return
        call = self._calls.feed(delta)
        if call.part is None and call.name:
            self._end_prose()
            self._settle()
            call.part = self._count()
            call_id = call.id or made_id(self._id, self._calls.all.index(call))
            self._out.append(PartStart(call.part, ToolCall(call_id, call.name, "", call.signature)))
        if call.part is None:
            return
        for piece in call.waiting:
            if not call.ended:
                call.arguments.append(piece)
                self._out.append(PartDelta(call.part, piece))
            elif piece.strip():
                raise ValueError("more arguments for a tool call whose arguments were whole")
        call.waiting.clear()

    def _settle(self) -> None:
        """Ends the calls that are surely finished, before something else starts."""
        for call in list(self._calls.open):
            if call.whole:
                self._end_call(call)

    def _end_call(self, call: ToolCallBuffer) -> None:
        assert call.part is not None
        call.ended = True
        self._out.append(PartEnd(call.part, call.signature))

    def _count(self) -> int:
        self._next += 1
        return self._next - 1
