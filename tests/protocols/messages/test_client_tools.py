"""Anthropic's client-side tools, and tools with deferred loading, translated for other vendors."""

import json
from typing import Any

import pytest

from nexus.conversation.fold import unfold
from nexus.conversation.parts import Response, Stop, ToolCall, ToolChoice, ToolResult
from nexus.protocols.messages.read_request import read_request
from nexus.protocols.messages.write_response import write_response
from nexus.protocols.messages.write_stream import StreamWriter
from nexus.protocols.sse import FrameDecoder
from tests.protocols.kit import envelope

from .kit import check_event, check_message

HI = {"role": "user", "content": "Hi"}
SCREEN = {"display_width_px": 1024, "display_height_px": 768}


def read(*tools: dict[str, Any], messages: tuple[dict[str, Any], ...] = (HI,), **more: Any) -> Any:
    return read_request({"model": "m", "max_tokens": 9, "messages": list(messages), "tools": list(tools), **more})


OWN: dict[str, tuple[dict[str, Any], set[str], set[str], str]] = {
    "bash": ({"type": "bash_20250124", "name": "bash"}, {"command", "restart"}, set(), "bash session"),
    "an editor with undo": (
        {"type": "text_editor_20250124", "name": "str_replace_editor"},
        {"command", "path", "file_text", "old_str", "new_str", "insert_line", "view_range"},
        {"view", "create", "str_replace", "insert", "undo_edit"},
        "str_replace replaces",
    ),
    "the newest editor": (
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 500},
        {"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range"},
        {"view", "create", "str_replace", "insert"},
        "500 characters",
    ),
    "memory": (
        {"type": "memory_20250818", "name": "memory"},
        {"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range"}
        | {"old_path", "new_path"},
        {"view", "create", "str_replace", "insert", "delete", "rename"},
        "/memories",
    ),
    "an old computer tool": (
        {"type": "computer_20241022", "name": "computer", **SCREEN},
        {"action", "coordinate", "text"},
        {"key", "type", "mouse_move", "left_click", "left_click_drag", "right_click", "middle_click"}
        | {"double_click", "screenshot", "cursor_position"},
        "1024 x 768 pixels",
    ),
    "a version of next year": ({"type": "bash_20270101", "name": "bash"}, {"command", "restart"}, set(), "bash"),
}


@pytest.mark.parametrize(("wire", "properties", "words", "about"), OWN.values(), ids=OWN)
def test_a_client_tool_becomes_a_function_with_its_schema(
    wire: dict[str, Any], properties: set[str], words: set[str], about: str
) -> None:
    result = read(wire | {"cache_control": {"type": "ephemeral"}})
    (tool,) = result.request.tools
    assert (tool.name, tool.cache, result.dropped) == (wire["name"], "5m", ())
    assert set(tool.parameters["properties"]) == properties and about in tool.description
    chosen = tool.parameters["properties"].get("command") or tool.parameters["properties"]["action"]
    assert set(chosen.get("enum", ())) == words


def test_only_the_newest_computer_tool_can_zoom() -> None:
    tools = read(*({"type": f"computer_{day}", "name": day, **SCREEN} for day in ("20250124", "20251124")))
    older, newest = (tool.parameters["properties"] for tool in tools.request.tools)
    assert "scroll" in older["action"]["enum"] and "zoom" not in older["action"]["enum"]
    assert "zoom" in newest["action"]["enum"] and newest.keys() - older.keys() == {"region"}


TOOLSET = {"type": "computer_toolset_20260801", "configs": {"zoom": {"enabled": False}}}


def test_a_toolset_becomes_one_function_per_member_and_calls_come_back_as_members() -> None:
    request = read(TOOLSET).request
    names = {tool.name for tool in request.tools}
    assert len(names) == 16 and "computer__left_click" in names and "computer__zoom" not in names
    answer = Response("msg_1", "m", (ToolCall("t1", "computer__type", '{"text":"a"}'),), Stop("tool_use"))
    whole = write_response(answer, envelope(request))
    check_message(whole)
    block = {"type": "tool_use", "id": "t1", "name": "type", "toolset_name": "computer", "input": {"text": "a"}}
    assert whole["content"] == [block]

    writer = StreamWriter(envelope(request))
    frames = FrameDecoder().feed(b"".join(map(writer.write, unfold(answer))))
    events = [(frame.event, json.loads(frame.data or "")) for frame in frames]
    for name, event in events:
        check_event(name, event)
    assert events[1][1]["content_block"] == block | {"input": {}}

    result = {"type": "tool_result", "tool_use_id": "t1", "toolset_name": "computer", "content": "done"}
    history = ({"role": "assistant", "content": [block]}, {"role": "user", "content": [result]})
    _, call, found = read(TOOLSET, messages=(HI, *history)).request.messages
    assert call.parts == answer.parts and isinstance(found.parts[0], ToolResult)


def test_a_clients_own_tool_named_like_a_member_stays_its_own() -> None:
    request = read({"name": "computer__type", "input_schema": {"type": "object"}}).request
    answer = Response("msg_1", "m", (ToolCall("t1", "computer__type", "{}"),), Stop("tool_use"))
    (block,) = write_response(answer, envelope(request))["content"]
    assert block == {"type": "tool_use", "id": "t1", "name": "computer__type", "input": {}}


SEARCHES = {"name": "ToolSearch", "input_schema": {"type": "object"}}
PLACEHOLDER = {"name": "DeferredToolPlaceholder", "input_schema": {"type": "object"}, "defer_loading": True}
LATER = {"name": "later", "input_schema": {"type": "object"}, "defer_loading": True}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "ToolSearch", "input": {}}]}
REFERENCE = {"type": "tool_reference", "tool_name": "later"}
FOUND = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [REFERENCE]}]}
CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "later", "input": {}}]}
SERVER = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}

DEFERRED: dict[str, tuple[dict[str, Any], list[str], tuple[str, ...]]] = {
    "not found yet": ({}, ["ToolSearch"], ("tools.defer_loading",)),
    "found": ({"messages": (HI, CALL, FOUND)}, ["ToolSearch", "later"], ("tools.defer_loading",)),
    "called earlier": ({"messages": (HI, CALLED)}, ["ToolSearch", "later"], ("tools.defer_loading",)),
    "forced": ({"tool_choice": {"type": "tool", "name": "later"}}, ["ToolSearch", "later"], ("tools.defer_loading",)),
}


@pytest.mark.parametrize(("more", "offered", "dropped"), DEFERRED.values(), ids=DEFERRED)
def test_a_deferred_tool_is_offered_once_it_was_found(
    more: dict[str, Any], offered: list[str], dropped: tuple[str, ...]
) -> None:
    result = read(SEARCHES, PLACEHOLDER, LATER, **more)
    assert [tool.name for tool in result.request.tools] == offered
    assert result.dropped == dropped


def test_deferred_tools_are_all_offered_if_anthropics_search_would_find_them() -> None:
    result = read(SERVER, LATER)
    assert [tool.name for tool in result.request.tools] == ["later"]
    assert result.dropped == ("tools.tool_search_tool_bm25_20251119", "tools.defer_loading")


def test_choosing_bash_chooses_the_function() -> None:
    request = read(OWN["bash"][0], tool_choice={"type": "tool", "name": "bash"}).request
    assert request.tool_choice == ToolChoice("tool", "bash")
