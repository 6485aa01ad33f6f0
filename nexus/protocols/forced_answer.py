"""Structured output by a forced tool: the arguments of its call are the answer's text.

Only the tool that was forced instead of an output format is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nexus.conversation.events import Event, PartEnd, PartStart, ResponseEnd
from nexus.conversation.parts import OutputFormat, Text, Tool, ToolCall
from nexus.models.tool_rules import NameRule
from nexus.protocols.json_schema.keys import Forms
from nexus.protocols.renaming import rename_keys
from nexus.wire import Json

ANY_OBJECT: Json = {"type": "object", "additionalProperties": True}


def answer_tool(
    wanted: OutputFormat,
    others: Iterable[Tool],
    keys: NameRule,
    *,
    name: str,
    about: str,
    any_object: Json = ANY_OBJECT,
) -> tuple[Tool, Forms]:
    """The tool whose call is the answer, under a ``name`` that no other tool has, and the new names of its properties.

    ``about`` describes it if the client gives no description; ``keys`` is the vendor's rule for property names.
    """
    taken = {tool.name for tool in others}
    while name in taken:
        name += "_"
    schema, forms = rename_keys(any_object if wanted.schema is None else wanted.schema, keys)
    return Tool(name, wanted.description or about, schema, wanted.strict), forms


class ForcedAnswer:
    """Turns the calls of ``name`` into text as they pass."""

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
