"""The parts of a streamed answer as they start, grow and end.

Of text, reasoning and refusal, one is open at a time. A call may stay open in addition, because servers interleave: it
ends before something else starts only if its arguments are a complete JSON value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, StreamPart
from nexus.conversation.parts import Image, Reasoning, Refusal, Signature, Text, ToolCall
from nexus.dataclasses import dataclass
from nexus.protocols.chat.answers import made_id
from nexus.protocols.chat.reasoning import BARE
from nexus.protocols.chat.stream_calls import StreamedCall, StreamedCalls
from nexus.wire import Json

_EMPTY: Mapping[str, StreamPart] = {"text": Text(""), "reasoning": Reasoning("", BARE), "refusal": Refusal("")}


@dataclass(slots=True)
class Prose:
    """The open text, reasoning or refusal. ``signature`` is for its end, ``detail`` the entry of ``reasoning_details``
    that it belongs to, as far as it is known."""

    kind: str
    index: int
    signature: Signature | None = None
    detail: Mapping[str, Json] | None = None


class StreamParts:
    """Puts the events of parts into ``out``."""

    def __init__(self, out: list[Event]) -> None:
        self.prose: Prose | None = None
        self.has_refusal = False
        self.calls = StreamedCalls()
        self._started = 0
        self._out = out

    def say(self, kind: str, words: str) -> int:
        """Adds text; returns the index of its part."""
        index = self.open(kind).index
        self._out.append(PartDelta(index, words))
        return index

    def open(self, kind: str) -> Prose:
        """The prose of this kind, started here unless it is open."""
        prose = self.prose
        return prose if prose is not None and prose.kind == kind else self.start(kind, _EMPTY[kind])

    def start(self, kind: str, part: StreamPart) -> Prose:
        self.has_refusal = self.has_refusal or kind == "refusal"
        # Starting one ends the other.
        self.prose = Prose(kind, self._start(part))
        return self.prose

    def add(self, image: Image) -> None:
        self._out.append(PartEnd(self._start(image)))

    def call(self, delta: Mapping[str, Json], response_id: str) -> None:
        """More of a call, which starts when its name is known. Raises ValueError for arguments after its end."""
        call = self.calls.feed(delta)
        if call.part is None:
            if not call.name:
                return
            call_id = call.id or made_id(response_id, self.calls.all.index(call))
            call.part = self._start(ToolCall(call_id, call.name, "", call.signature))
        for piece in call.waiting:
            if not call.ended:
                call.arguments.append(piece)
                self._out.append(PartDelta(call.part, piece))
            elif piece.strip():
                raise ValueError("more arguments for a tool call whose arguments were complete")
        call.waiting.clear()

    def end_all(self) -> None:
        self._end_prose()
        self._end_calls(self.calls.all)

    def _start(self, part: StreamPart) -> int:
        """Starts a part, after the ends of those that are certainly finished; returns its index."""
        self._end_prose()
        self._end_calls(call for call in self.calls.all if not call.ended and call.whole)
        self._out.append(PartStart(self._started, part))
        self._started += 1
        return self._started - 1

    def _end_prose(self) -> None:
        if self.prose is not None:
            self._out.append(PartEnd(self.prose.index, self.prose.signature))
            self.prose = None

    def _end_calls(self, calls: Iterable[StreamedCall]) -> None:
        for call in calls:
            if call.part is not None and not call.ended:
                call.ended = True
                self._out.append(PartEnd(call.part, call.signature))
