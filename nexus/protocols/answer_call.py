"""Turns an answer that holds a tool's arguments as text into a call of the one tool that must be called.

Pure; neutral events in, neutral events out. The first text that begins like an object becomes the call; other text,
such as a refusal, stays text.
"""

from __future__ import annotations

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd
from nexus.conversation.parts import Stop, Text, ToolCall
from nexus.protocols.codec import NewId


class AnswerCall:
    """``name`` is the vendor's name of the tool."""

    def __init__(self, name: str, new_id: NewId) -> None:
        self._name = name
        self._new_id = new_id
        self._waiting: dict[int, list[Event]] = {}
        self._call: int | None = None

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=index, part=Text(text=words)) if self._call is None:
                self._waiting[index] = [PartStart(index, Text(""))]
                return self._say(index, words)
            case PartDelta(index=index, text=words) if index in self._waiting:
                return self._say(index, words)
            case PartEnd(index=index) if index in self._waiting:
                return [*self._waiting.pop(index), event]
            case PartEnd(index=index) if index == self._call:
                return [PartEnd(index)]
            case ResponseEnd(stop=stop) if self._call is not None and stop.reason == "end":
                return [ResponseEnd(Stop("tool_use", raw=stop.raw))]
            case _:
                return [event]

    def _say(self, index: int, words: str) -> list[Event]:
        """The part of a text that may be sent: nothing before its first non-blank character."""
        if words:
            self._waiting[index].append(PartDelta(index, words))
        if not words.strip():
            return []
        held = self._waiting.pop(index)
        if not words.lstrip().startswith("{"):
            return held
        self._call = index
        return [PartStart(index, ToolCall(self._new_id(), self._name, "")), PartDelta(index, words.lstrip())]
