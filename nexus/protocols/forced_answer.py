"""Answers that are a call, and calls that are an answer: the arguments of a tool in place of text, and the other way
round.
"""

from __future__ import annotations

from collections.abc import Iterable

from nexus.conversation.events import Cited, Event, PartDelta, PartEnd, PartStart, ResponseEnd
from nexus.conversation.parts import OutputFormat, Stop, Text, Tool, ToolCall
from nexus.dataclasses import replace
from nexus.models.tool_rules import NameRule
from nexus.protocols.codec import NewId
from nexus.protocols.json_schema.property_names import Forms
from nexus.protocols.renaming import rename_keys
from nexus.wire import Json

ANSWER_TOOL = "answer"
_ABOUT = "Gives the final answer. Call it exactly once, with the whole answer."
_ANY_OBJECT: Json = {"type": "object", "additionalProperties": True}


def answer_tool(wanted: OutputFormat, others: Iterable[Tool], keys: NameRule | None = None) -> tuple[Tool, Forms]:
    """The tool whose call is the answer, under a name that no other tool has, and the new names of its properties;
    ``keys`` is the vendor's rule for these."""
    name, taken = ANSWER_TOOL, {tool.name for tool in others}
    while name in taken:
        name += "_"
    schema = _ANY_OBJECT if wanted.schema is None else wanted.schema
    schema, forms = (schema, {}) if keys is None else rename_keys(schema, keys)
    return Tool(name, wanted.description or _ABOUT, schema), forms


class ForcedAnswer:
    """Structured output by a forced tool: turns the calls of ``name``, and of no other tool, into text."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._answers: set[int] = set()
        self._other_calls = False

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=index, part=ToolCall(name=name, arguments=arguments)) if name == self._name:
                self._answers.add(index)
                return [PartStart(index, Text(arguments))]
            case PartStart(part=ToolCall()):
                self._other_calls = True
            case PartEnd(index=index) if index in self._answers:
                return [PartEnd(index)]
            case ResponseEnd(stop=stop) if self._answers and not self._other_calls and stop.reason == "tool_use":
                return [ResponseEnd(replace(stop, reason="end"))]
        return [event]


class AnswerCall:
    """Turns an answer that holds a tool's arguments as text into a call of ``name``, the one tool that must be called.

    The first text that begins like an object becomes the call; other text, such as a refusal, stays text.
    """

    def __init__(self, name: str, new_id: NewId) -> None:
        self._name = name
        self._new_id = new_id
        self._waiting: dict[int, list[Event]] = {}
        self._call: int | None = None

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=index, part=Text(text=words)) if self._call is None:
                self._waiting[index] = [PartStart(index, Text(""))]
                return self._extend(index, words)
            case PartDelta(index=index, text=words) if index in self._waiting:
                return self._extend(index, words)
            case Cited(index=index) if index in self._waiting:
                self._waiting[index].append(event)
                return []
            case Cited(index=index) if index == self._call:
                return []
            case PartEnd(index=index) if index in self._waiting:
                return [*self._waiting.pop(index), event]
            case PartEnd(index=index) if index == self._call:
                return [PartEnd(index)]
            case ResponseEnd(stop=stop) if self._call is not None and stop.reason == "end":
                return [ResponseEnd(Stop("tool_use", raw=stop.raw))]
            case _:
                return [event]

    def _extend(self, index: int, words: str) -> list[Event]:
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
