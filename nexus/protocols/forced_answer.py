"""Structured output by a forced tool: the arguments of its call are the answer's text.

Law: pure; neutral events in, neutral events out. Only the tool that was forced in place of an output format is touched.
"""

from __future__ import annotations

from dataclasses import replace

from nexus.conversation.events import Event, PartEnd, PartStart, ResponseEnd
from nexus.conversation.parts import Text, ToolCall


class ForcedAnswer:
    """Turns the calls of ``name`` into text as they go by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._answers: set[int] = set()
        self._other_calls = False

    def pass_on(self, event: Event) -> Event:
        match event:
            case PartStart(index=index, part=ToolCall(name=name, arguments=arguments)) if name == self._name:
                self._answers.add(index)
                return PartStart(index, Text(arguments))
            case PartStart(part=ToolCall()):
                self._other_calls = True
            case PartEnd(index=index) if index in self._answers:
                return PartEnd(index)
            case ResponseEnd(stop=stop) if self._answers and not self._other_calls and stop.reason == "tool_use":
                return ResponseEnd(replace(stop, reason="end"))
            case _:
                pass
        return event
