"""Codex's client-side tool search, which it uses when it takes the model for one of OpenAI's."""

from typing import Any

import pytest

from nexus.conversation.parts import Message, Response, Stop, Text, ToolCall, ToolResult
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_response import write_response
from tests.protocols.kit import envelope

SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}}
TOOL = {"type": "tool_search", "execution": "client", "description": "Searches.", "parameters": SCHEMA}
SPAWN = {"type": "function", "name": "spawn", "description": "Makes one.", "strict": False, "defer_loading": True}
FOUND = [{"type": "namespace", "name": "agents", "description": "Agents.", "tools": [SPAWN]}]
CALL = {
    "type": "tool_search_call", "id": "tsc_1", "call_id": "c1", "execution": "client", "status": "completed",
    "arguments": {"query": "agents"},
}  # fmt: skip
OUTPUT = {"type": "tool_search_output", "id": "tso_1", "call_id": "c1", "execution": "client", "tools": FOUND}


def body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "Hi"}, *items], "tools": [TOOL], **more}


def test_the_search_becomes_a_function_and_its_call_returns_as_a_search() -> None:
    request = read_request(body()).request
    (tool,) = request.tools
    assert (tool.name, tool.description, tool.parameters) == ("tool_search", "Searches.", SCHEMA)
    call = ToolCall("c1", "tool_search", '{"query":"agents"}')
    answer = write_response(Response("r", "m", (call,), Stop("tool_use")), envelope(request))
    (item,) = answer["output"]
    assert {name: value for name, value in item.items() if name != "id"} == {
        name: value for name, value in CALL.items() if name != "id"
    }


def test_invalid_arguments_from_the_model_become_an_empty_search() -> None:
    request = read_request(body()).request
    call = ToolCall("c1", "tool_search", '{"query": broken')
    answer = write_response(Response("r", "m", (call,), Stop("tool_use")), envelope(request))
    assert answer["output"][0]["arguments"] == {}


def test_found_tools_can_be_called() -> None:
    request = read_request(body(CALL, OUTPUT)).request
    assert [tool.name for tool in request.tools] == ["tool_search", "agents__spawn"]
    assert request.messages[1:] == (
        Message("assistant", (ToolCall("c1", "tool_search", '{"query":"agents"}'),)),
        Message("user", (ToolResult("c1", (Text("Tools that can be called from now on: agents__spawn"),)),)),
    )


LATER = {"type": "function", "name": "later", "parameters": SCHEMA, "defer_loading": True}
CALLED = {"type": "function_call", "call_id": "c2", "name": "later", "arguments": "{}"}
FOUND_LATER = OUTPUT | {"tools": [LATER]}
DEFERRED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "not found yet": (body(tools=[TOOL, LATER]), ["tool_search"]),
    "found": (body(CALL, FOUND_LATER, tools=[TOOL, LATER]), ["tool_search", "later"]),
    "called earlier": (body(CALLED, tools=[TOOL, LATER]), ["tool_search", "later"]),
    "forced": (body(tools=[TOOL, LATER], tool_choice={"type": "function", "name": "later"}), ["tool_search", "later"]),
    "with OpenAI's own search": (body(tools=[{"type": "tool_search"}, LATER]), ["later"]),
    "without a search": (body(tools=[LATER]), ["later"]),
}


@pytest.mark.parametrize(("asked", "offered"), DEFERRED.values(), ids=DEFERRED)
def test_a_deferred_tool_is_offered_once_it_was_found(asked: dict[str, Any], offered: list[str]) -> None:
    read = read_request(asked)
    assert [tool.name for tool in read.request.tools] == offered
    assert "tools.defer_loading" in read.dropped


def test_an_empty_search_result_is_reported_to_the_model() -> None:
    request = read_request(body(CALL, OUTPUT | {"tools": []})).request
    assert request.messages[-1].parts == (ToolResult("c1", (Text("No tool was found."),)),)


def test_tools_found_by_the_vendors_own_search_are_kept() -> None:
    theirs = {"execution": "server", "call_id": None}
    read = read_request(body(CALL | theirs, OUTPUT | theirs))
    assert [tool.name for tool in read.request.tools] == ["tool_search", "agents__spawn"]
    assert len(read.request.messages) == 1
    assert {"input.tool_search_call", "input.tool_search_output"} <= set(read.dropped)


def test_the_vendors_own_search_is_dropped_and_reported() -> None:
    assert "tools.tool_search" in read_request(body(tools=[{"type": "tool_search"}])).dropped
