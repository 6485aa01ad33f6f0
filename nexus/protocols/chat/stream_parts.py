"""The parts of a streamed answer as they start, grow and end.

Text, reasoning and refusal take turns: one of them is open at a time. A call may stay open beside them, because servers
interleave: it ends before something else starts only when its arguments are a whole JSON value.
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
    """The text, reasoning or refusal that is open. ``signature`` is what its end will tell, ``detail`` what is known of
    the entry of ``reasoning_details`` that it is of."""

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
        """More words, and the index of the part that they are of."""
        index = self.open(kind).index
        self._out.append(PartDelta(index, words))
        return index

    def open(self, kind: str) -> Prose:
        """The prose of this kind, which starts here unless it is open."""
        prose = self.prose
        return prose if prose is not None and prose.kind == kind else self.start(kind, _EMPTY[kind])

    def start(self, kind: str, part: StreamPart) -> Prose:
        self.has_refusal = self.has_refusal or kind == "refusal"
        # The start of the one is the end of the other.
        self.prose = Prose(kind, self._start(part))
        return self.prose

    def add(self, image: Image) -> None:
        self._out.append(PartEnd(self._start(image)))

    def call(self, delta: Mapping[str, Json], response_id: str) -> None:
        """More of a call, which starts when its name is known. Raises ValueError for arguments behind its end."""
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
                raise ValueError("more arguments for a tool call whose arguments were whole")
        call.waiting.clear()

    def end_all(self) -> None:
        self._end_prose()
        self._end_calls(self.calls.all)

    def _start(self, part: StreamPart) -> int:
        """The index of a part that starts here, behind the ends of what is surely finished."""
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
