"""Names of a client's tools and their properties, in a form that a vendor accepts, and the reverse mapping.

A bijection for each request. The same name gets the same form in definitions, choice and history; no two names share
one; valid names stay as they are. A request is renamed before it is written, an answer is renamed back before it is
read further: no codec knows about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Message, Part, Request, Tool, ToolCall, ToolChoice, WebSearch
from nexus.dataclasses import dataclass, field, replace
from nexus.models.tool_rules import NameRule
from nexus.protocols.json_schema.property_names import Forms, keys_of, renamed_schema, renamed_text, renamed_value
from nexus.protocols.json_schema.refs import hoisted
from nexus.protocols.json_schema.remembered import remembered
from nexus.protocols.tool_calls import called
from nexus.wire import Json, decode, encode


@dataclass(frozen=True, slots=True)
class Renaming:
    """The reverse mapping: ``tools`` by the vendor's name, ``keys`` by the vendor's names of tool and property."""

    tools: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tools or self.keys)

    def with_keys(self, tool: str | None, forms: Forms) -> Renaming:
        """``forms`` are the vendor's names of the properties of one more tool, if there is one."""
        return replace(self, keys={**self.keys, tool: _back(forms)}) if tool and forms else self


def rename(request: Request, names: NameRule, keys: NameRule | None = None) -> tuple[Request, Renaming]:
    """The request with names that follow a vendor's rules; without ``keys`` property names are unrestricted."""
    declared = (tool.name for tool in request.tools if tool.name and not isinstance(tool, WebSearch))
    # A call in the history may have no name: models sometimes make one.
    tools = _forms((*declared, *called(request)), names)
    properties: dict[str, Forms] = {}
    written: list[Tool] = []
    for tool in request.tools:
        if keys is not None and not isinstance(tool, WebSearch):
            schema, forms = rename_keys(tool.parameters, keys)
            if forms:
                properties[tool.name] = forms
                tool = replace(tool, parameters=schema)
        written.append(_named(tool, tools))
    if not tools and not properties:
        return request, Renaming()
    renaming = Renaming(_back(tools), {tools.get(tool, tool): _back(forms) for tool, forms in properties.items()})
    messages = tuple(_in_message(message, tools, properties) for message in request.messages)
    choice = _in_choice(request.tool_choice, tools)
    return replace(request, tools=tuple(written), tool_choice=choice, messages=messages), renaming


@remembered
def rename_keys(schema: Json, rule: NameRule) -> tuple[Json, Forms]:
    """A schema whose property names follow the rule, and the replaced names."""
    forms = _forms(filter(None, keys_of(schema)), rule) if isinstance(schema, dict) else {}
    return (renamed_schema(hoisted(schema), forms), forms) if forms else (schema, forms)


def _forms(originals: Iterable[str], rule: NameRule) -> Forms:
    known = dict.fromkeys(originals)
    taken = rule.fitting(known)
    forms: dict[str, str] = {}
    for name in known:
        if name in taken or name in forms:
            continue
        form = rule.short(name)
        while form in taken:
            form = rule.short(name, salt=form)
        taken.add(form)
        forms[name] = form
    return forms


def _back(forms: Forms) -> dict[str, str]:
    return {form: name for name, form in forms.items()}


def _named(tool: Tool, tools: Forms) -> Tool:
    form = None if isinstance(tool, WebSearch) else tools.get(tool.name)
    return tool if form is None else replace(tool, name=form)


def _in_choice(choice: ToolChoice | None, tools: Forms) -> ToolChoice | None:
    form = None if choice is None else tools.get(choice.name or "")
    return choice if choice is None or form is None else replace(choice, name=form)


def _in_message(message: Message, tools: Forms, properties: Mapping[str, Forms]) -> Message:
    if message.role != "assistant":
        return message
    return replace(message, parts=tuple(_in_part(part, tools, properties) for part in message.parts))


def _in_part(part: Part, tools: Forms, properties: Mapping[str, Forms]) -> Part:
    if not isinstance(part, ToolCall):
        return part
    keys = properties.get(part.name)
    arguments = part.arguments if keys is None else _in_arguments(part.arguments, keys)
    return replace(part, name=tools.get(part.name, part.name), arguments=arguments)


def _in_arguments(arguments: str, keys: Forms) -> str:
    try:
        return encode(renamed_value(decode(arguments), keys)).decode()
    except ValueError:
        # Cut off or incomplete: the writer decides what to do with it.
        return arguments


class NamesBack:
    """An answer's events with the client's own names; arguments of a tool with renamed properties are sent when
    complete."""

    def __init__(self, renaming: Renaming) -> None:
        self._renaming = renaming
        self._held: dict[int, tuple[Forms, list[str]]] = {}

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=index, part=ToolCall() as call):
                named = replace(call, name=self._renaming.tools.get(call.name, call.name))
                if (keys := self._renaming.keys.get(call.name)) is None:
                    return [PartStart(index, named)]
                self._held[index] = keys, [call.arguments]
                return [PartStart(index, replace(named, arguments=""))]
            case PartDelta(index=index, text=piece) if index in self._held:
                self._held[index][1].append(piece)
                return []
            case PartEnd(index=index) if index in self._held:
                keys, pieces = self._held.pop(index)
                words = renamed_text("".join(pieces), keys)
                return [PartDelta(index, words), event] if words else [event]
            case _:
                return [event]
