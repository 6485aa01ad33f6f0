"""Items of OpenAI's server tools in a conversation that continues at another vendor."""

from typing import Any

import openai
import pytest

from nexus.conversation.parts import Message, Text, ToolCall, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols.responses.read_request import read_request
from tests.server.vendors import LANES, Lane, Stand

ASKED = {"role": "user", "content": "What is new?"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It rains."}]}
MCP = {
    "type": "mcp_call",
    "id": "mcp_1",
    "name": "find",
    "server_label": "wiki",
    "arguments": '{"q":"rain"}',
    "output": "Wet.",
    "error": None,
    "status": "completed",
}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "code": "print(42)",
    "container_id": "cntr_1",
    "outputs": [{"type": "logs", "logs": "42"}, {"type": "image", "url": "https://example.com/i.png"}],
    "status": "completed",
}
FILES = {
    "type": "file_search_call",
    "id": "fs_1",
    "queries": ["rain"],
    "results": [{"file_id": "file_1", "filename": "a.txt", "score": 0.9, "text": "Rain."}],
    "status": "completed",
}
CASES: dict[str, tuple[dict[str, Any], ToolCall, ToolResult]] = {
    "MCP": (MCP, ToolCall("mcp_1", "find", '{"q":"rain"}'), ToolResult("mcp_1", (Text("Wet."),))),
    "a failed call": (
        MCP | {"output": None, "error": {"type": "http_error", "message": "down"}},
        ToolCall("mcp_1", "find", '{"q":"rain"}'),
        ToolResult("mcp_1", (Text("down"),), is_error=True),
    ),
    "an error as text": (
        MCP | {"output": None, "error": "down"},
        ToolCall("mcp_1", "find", '{"q":"rain"}'),
        ToolResult("mcp_1", (Text('"down"'),), is_error=True),
    ),
    "code": (
        CODE,
        ToolCall("ci_1", "code_interpreter", '{"code":"print(42)"}'),
        ToolResult("ci_1", (Text("42\n(image)"),)),
    ),
    "code without outputs": (
        CODE | {"outputs": None},
        ToolCall("ci_1", "code_interpreter", '{"code":"print(42)"}'),
        ToolResult("ci_1"),
    ),
    "files": (
        FILES,
        ToolCall("fs_1", "file_search", '{"queries":["rain"]}'),
        ToolResult("fs_1", (Text("a.txt:\nRain."),)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_item_becomes_a_call_and_its_result(case: str) -> None:
    item, call, result = CASES[case]
    read = read_request({"model": "m", "input": [ASKED, item, SAID]})
    assert read.request.messages == (
        Message("user", (Text("What is new?"),)),
        Message("assistant", (call,)),
        Message("user", (result,)),
        Message("assistant", (Text("It rains."),)),
    )
    assert read.dropped == (f"input.{item['type']}",)


def test_an_item_joins_the_clients_own_call() -> None:
    own = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    items = [ASKED, own, MCP, {"type": "function_call_output", "call_id": "c1", "output": "19"}]
    messages = read_request({"model": "m", "input": items}).request.messages
    assert [[type(part).__name__ for part in message.parts] for message in messages] == [
        ["Text"],
        ["ToolCall", "ToolCall"],
        ["ToolResult", "ToolResult"],
    ]


def test_an_item_without_an_id_is_rejected() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m", "input": [ASKED, {"type": "mcp_call", "name": "find"}]})
    assert caught.value.param == "input.1.id"


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_session_continues_at_every_vendor(stand: Stand, lane: Lane, stream: bool) -> None:
    house = stand(lane)
    listed = {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "wiki", "tools": []}
    items: Any = [ASKED, listed, MCP, CODE, FILES, SAID, {"role": "user", "content": "Go on."}]
    with openai.OpenAI(base_url=house.nexus.openai, api_key="unused", max_retries=0) as client:
        if stream:
            with client.responses.stream(model="v/m", input=items) as events:
                list(events)
                response: Any = events.get_final_response()
        else:
            response = client.responses.create(model="v/m", input=items)
    assert response.status == "completed"
    sent = house.upstream.requests[-1].body.decode()
    assert all(words in sent for words in ("Wet.", "print(42)", "a.txt:", "It rains."))
    assert house.upstream.violations == []
