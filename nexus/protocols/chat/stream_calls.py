"""Assembles a vendor's streamed tool calls, whichever way the server numbers them.

A call is found by its index, or by its id if ids contradict the index or there is none; a new id at a used index starts
a new call. Id and name count once, however often they are repeated. Sources: streams of OpenAI, vLLM, llama.cpp
(repeats everything), Ollama (index always 0), Google (whole calls, no index).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from nexus.conversation.parts import Signature
from nexus.dataclasses import dataclass
from nexus.protocols.chat.answers import read_arguments
from nexus.protocols.chat.reasoning import vendor_signature
from nexus.wire import Json, decode, mapping, text


@dataclass(slots=True, eq=False)
class StreamedCall:
    """A call as far as it is known: ``waiting`` are arguments not sent yet. ``part`` is the index of its part, None
    until its name is known; ``ended`` says that the part has ended."""

    index: int | None = None
    id: str = ""
    name: str = ""
    waiting: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    signature: Signature | None = None
    part: int | None = None
    ended: bool = False

    @property
    def whole(self) -> bool:
        """Whether only white space can follow."""
        try:
            decode("".join(self.arguments))
        except ValueError:
            return False
        return True

    def has_sent(self, piece: str) -> bool:
        """Whether a server repeats the complete arguments."""
        return piece[0] == "{" and "".join(self.arguments) == piece and self.whole


class StreamedCalls:
    """Takes the deltas of one answer; returns the updated call of each."""

    def __init__(self) -> None:
        self.all: list[StreamedCall] = []
        self._at: dict[int, StreamedCall] = {}

    def feed(self, delta: Mapping[str, Json]) -> StreamedCall:
        function = mapping(delta.get("function"))
        call_id, name = text(delta.get("id")), text(function.get("name"))
        piece = read_arguments(function.get("arguments"))
        index = delta.get("index")
        index = index if isinstance(index, int) else None
        if (call := self._find(index, call_id, name, piece)) is None:
            self.all.append(call := StreamedCall())
        if index is not None:
            self._at[index] = call
            call.index = index
        call.id = call.id or call_id
        call.name = call.name or name
        if piece and not call.has_sent(piece):
            call.waiting.append(piece)
        call.signature = vendor_signature(delta.get("extra_content")) or call.signature
        return call

    def _find(self, index: int | None, call_id: str, name: str, piece: str) -> StreamedCall | None:
        here = self._at.get(index) if index is not None else (self.all[-1] if self.all else None)
        if not call_id:
            return None if here is not None and _again(here, name, piece) else here
        if here is not None and here.id in ("", call_id):
            return here
        same = [call for call in self.all if call.id == call_id]
        # The same id at another index is another call, from a careless server.
        return next((call for call in same if index is None or call.index in (None, index)), None)


def _again(call: StreamedCall, name: str, piece: str) -> bool:
    """Whether a delta without an id starts another call in the place of ``call``."""
    return bool(name and call.name) and (name != call.name or (piece.lstrip()[:1] == "{" and call.whole))
