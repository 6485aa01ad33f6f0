"""Names of tools and properties are rewritten to what a vendor accepts: one to one in each request, and reversible."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, Ping
from nexus.conversation.parts import Message, Request, Text, Tool, ToolCall, ToolChoice, ToolResult, WebSearch
from nexus.models.tool_rules import NameRule
from nexus.protocols.renaming import NamesBack, Renaming, rename
from tests.examples import examples

NAMES = NameRule("a-zA-Z0-9_-", 16)
KEYS = NameRule("a-zA-Z0-9_.-", 24)
HI = Message("user", (Text("hi"),))


def of(*properties: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"} for name in properties}} | more


def renamed(request: Request) -> tuple[Request, Renaming]:
    return rename(request, NAMES, KEYS)


def back(renaming: Renaming, *events: Event) -> list[Event]:
    names = NamesBack(renaming)
    return [named for event in events for named in names.feed(event)]


def test_valid_names_leave_the_request_unchanged() -> None:
    request = Request((HI,), tools=(Tool("f", parameters=of("a.b")), WebSearch("a search")))
    same, renaming = renamed(request)
    assert same is request
    assert not renaming


def test_a_name_has_the_same_form_in_tools_choice_and_history() -> None:
    call = Message("assistant", (Text("so"), ToolCall("1", "mcp.get", "{}"), ToolCall("2", "gone/by", "{}")))
    request = Request(
        (HI, call, Message("user", (ToolResult("1"), ToolResult("2")))),
        tools=(Tool("mcp.get"), Tool("plain")),
        tool_choice=ToolChoice("tool", "mcp.get"),
    )
    written, renaming = renamed(request)
    form, gone = NAMES.short("mcp.get"), NAMES.short("gone/by")
    assert form.startswith("mcp_") and NAMES.fits(form)
    assert [tool.name for tool in written.tools] == [form, "plain"]
    assert written.tool_choice == ToolChoice("tool", form)
    assert written.messages[1].parts == (Text("so"), ToolCall("1", form, "{}"), ToolCall("2", gone, "{}"))
    assert renaming.tools == {form: "mcp.get", gone: "gone/by"}


def test_a_form_that_is_already_a_name_is_not_used_twice() -> None:
    form = NAMES.short("a.b")
    written, renaming = renamed(Request((HI,), tools=(Tool("a.b"), Tool(form))))
    first, second = (tool.name for tool in written.tools)
    assert second == form != first
    assert renaming.tools == {first: "a.b"}


SCHEMA = {
    "type": "object",
    "properties": {
        "$filter": {"type": "object", "properties": {"@type": {"$ref": "#/properties/plain"}}, "required": ["@type"]},
        "plain": {"type": "string", "enum": ["$filter"], "default": "$filter"},
    },
    "required": ["$filter", "plain"],
    "dependentRequired": {"$filter": ["plain"]},
    "default": {"$filter": {"@type": "$filter"}},
}


def test_properties_are_renamed_wherever_a_schema_names_them() -> None:
    written, _ = renamed(Request((HI,), tools=(Tool("f", parameters=SCHEMA),)))
    one, two = KEYS.short("$filter"), KEYS.short("@type")
    assert written.tools[0].parameters == {
        "type": "object",
        "properties": {
            one: {"type": "object", "properties": {two: {"$ref": "#/$defs/plain"}}, "required": [two]},
            "plain": {"type": "string", "enum": ["$filter"], "default": "$filter"},
        },
        "required": [one, "plain"],
        "dependentRequired": {one: ["plain"]},
        "default": {one: {two: "$filter"}},
        "$defs": {"plain": {"type": "string", "enum": ["$filter"], "default": "$filter"}},
    }


def test_arguments_in_the_history_are_renamed_only_for_their_own_tool() -> None:
    asked = '{"$filter":{"@type":[{"$filter":"$filter"}]},"n":12345678901234567890}'
    calls = (ToolCall("1", "f", asked), ToolCall("2", "g", asked), ToolCall("3", "f", '{"$fil'))
    tools = (Tool("f", parameters=SCHEMA), Tool("g", parameters=of("x")))
    written, _ = renamed(Request((HI, Message("assistant", calls)), tools=tools))
    one, two = KEYS.short("$filter"), KEYS.short("@type")
    assert [part.arguments for part in written.messages[1].parts if isinstance(part, ToolCall)] == [
        f'{{"{one}":{{"{two}":[{{"{one}":"$filter"}}]}},"n":12345678901234567890}}',
        asked,
        '{"$fil',
    ]


def test_only_calls_with_renamed_properties_are_buffered_until_complete() -> None:
    _, renaming = renamed(Request((HI,), tools=(Tool("f.1", parameters=of("$a")), Tool("g.1", parameters=of("a")))))
    f, g, key = NAMES.short("f.1"), NAMES.short("g.1"), KEYS.short("$a")
    assert back(
        renaming,
        PartStart(0, ToolCall("1", f, "")),
        PartStart(1, ToolCall("2", g, "")),
        PartDelta(0, f'{{"{key[:3]}'),
        PartDelta(1, '{"a":'),
        Ping(),
        PartDelta(0, f'{key[3:]}" : 1}}'),
        PartEnd(0),
        PartDelta(1, "1}"),
        PartEnd(1),
    ) == [
        PartStart(0, ToolCall("1", "f.1", "")),
        PartStart(1, ToolCall("2", "g.1", "")),
        PartDelta(1, '{"a":'),
        Ping(),
        PartDelta(0, '{"$a" : 1}'),
        PartEnd(0),
        PartDelta(1, "1}"),
        PartEnd(1),
    ]


KEY = KEYS.short("$a")
TEXTS: dict[str, tuple[str, str]] = {
    "exact to the byte": (f'{{ "{KEY}":1e999 ,"x":0.10}}', '{ "$a":1e999 ,"x":0.10}'),
    "at any depth": (f'[{{"b":{{"{KEY}":[{{"{KEY}":2}}]}}}}]', '[{"b":{"$a":[{"$a":2}]}}]'),
    "cut off": (f'{{"{KEY}":{{"{KEY}":"x', '{"$a":{"$a":"x'),
    "values are not renamed": (f'{{"b":"{KEY}","c":["{KEY}"]}}', f'{{"b":"{KEY}","c":["{KEY}"]}}'),
    "strings are not renamed": (f'{{"b":"\\"{KEY}\\":1"}}', f'{{"b":"\\"{KEY}\\":1"}}'),
    "a call with the original names": ('{"$a":1}', '{"$a":1}'),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("case", TEXTS)
def test_property_names_are_restored(case: str) -> None:
    written, expected = TEXTS[case]
    _, renaming = renamed(Request((HI,), tools=(Tool("f", parameters=of("$a")),)))
    events = back(renaming, PartStart(0, ToolCall("1", "f", written)), PartEnd(0))
    assert events == [PartStart(0, ToolCall("1", "f", "")), *([PartDelta(0, expected)] if expected else []), PartEnd(0)]


ANY_NAME = st.text(min_size=1, max_size=40) | st.from_regex(r"[a-z$@.\[\] -]{1,80}", fullmatch=True)


def values(keys: Iterable[str]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([*keys])
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*keys]), inner, max_size=3)
    )


@examples(200)
@given(st.data())
def test_any_names_of_tools_and_properties_are_restored(data: st.DataObject) -> None:
    names = data.draw(st.lists(ANY_NAME, min_size=1, max_size=4, unique=True))
    keys = data.draw(st.lists(ANY_NAME, min_size=1, max_size=4, unique=True))
    arguments = data.draw(st.dictionaries(st.sampled_from(keys), values(keys), max_size=4))
    text = json.dumps(arguments)
    calls = tuple(ToolCall(name, name, text) for name in names)
    tools = tuple(Tool(name, parameters=of(*keys, required=keys)) for name in names)
    request = Request((HI, Message("assistant", calls)), tools=tools)
    written, renaming = renamed(request)
    forms = [tool.name for tool in written.tools]
    assert len(set(forms)) == len(names) and all(map(NAMES.fits, forms))
    for tool in written.tools:
        assert len(tool.parameters["properties"]) == len(keys)
        assert all(map(KEYS.fits, tool.parameters["properties"]))
        assert tool.parameters["required"] == list(tool.parameters["properties"])
    parts = written.messages[1].parts
    told = back(renaming, *(event for at, part in enumerate(parts) for event in _as_events(at, part)))
    starts = [event.part for event in told if isinstance(event, PartStart)]
    assert [part.name for part in starts if isinstance(part, ToolCall)] == names
    for at in range(len(names)):
        whole = "".join(event.text for event in told if isinstance(event, PartDelta) and event.index == at)
        assert json.loads(whole) == arguments


def _as_events(at: int, part: Any) -> list[Event]:
    cut = len(part.arguments) // 2
    start = PartStart(at, ToolCall(part.id, part.name, ""))
    return [start, PartDelta(at, part.arguments[:cut]), PartDelta(at, part.arguments[cut:]), PartEnd(at)]


@examples(200)
@given(ANY_NAME, ANY_NAME)
def test_short_names_are_valid_and_distinct(one: str, other: str) -> None:
    rules = (NAMES, KEYS, NameRule("a-zA-Z0-9_", 12, first="a-zA-Z"))
    for rule in rules:
        assert rule.fits(rule.short(one))
        assert (rule.short(one) == rule.short(other)) == (one == other)
