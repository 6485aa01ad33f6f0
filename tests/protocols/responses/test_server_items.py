"""Items of OpenAI's server tools in a conversation that continues at another vendor."""

from typing import Any

import pytest

from nexus.conversation.parts import Message, Text, ToolCall, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols.responses.read_request import read_request

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
APPROVAL = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "name": "delete",
    "server_label": "wiki",
    "arguments": '{"page":"rain"}',
}
DECISION = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
APPROVED = "The user approved this call. If it ran, it follows with its result."
DECLINED = "The user did not approve this call."
DECISIONS: dict[str, tuple[dict[str, Any], ToolResult]] = {
    "approved": (DECISION, ToolResult("mcpr_1", (Text(APPROVED),))),
    "approved with null as reason": (DECISION | {"id": None, "reason": None}, ToolResult("mcpr_1", (Text(APPROVED),))),
    "declined": (DECISION | {"approve": False}, ToolResult("mcpr_1", (Text(DECLINED),), is_error=True)),
    "declined with a reason": (
        DECISION | {"approve": False, "reason": "Not that page."},
        ToolResult("mcpr_1", (Text(f"{DECLINED} Reason: Not that page."),), is_error=True),
    ),
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


@pytest.mark.parametrize("case", DECISIONS)
def test_an_approval_becomes_a_call_and_the_decision_its_result(case: str) -> None:
    decision, result = DECISIONS[case]
    read = read_request({"model": "m", "input": [ASKED, APPROVAL, decision, SAID]})
    assert read.request.messages == (
        Message("user", (Text("What is new?"),)),
        Message("assistant", (ToolCall("mcpr_1", "delete", '{"page":"rain"}'),)),
        Message("user", (result,)),
        Message("assistant", (Text("It rains."),)),
    )
    assert read.dropped == ("input.mcp_approval_request", "input.mcp_approval_response")


PROGRAM = {"type": "program", "id": "prog_1", "call_id": "p1", "code": "await f()", "fingerprint": "x"}
RAN = {"type": "program_output", "id": "po_1", "call_id": "p1", "result": "It is 19.", "status": "completed"}


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_program_becomes_a_call_and_its_output_the_result(status: str) -> None:
    read = read_request({"model": "m", "input": [ASKED, PROGRAM, RAN | {"status": status}, SAID]})
    assert read.request.messages[1:3] == (
        Message("assistant", (ToolCall("p1", "program", '{"code":"await f()"}'),)),
        Message("user", (ToolResult("p1", (Text("It is 19."),), is_error=status == "incomplete"),)),
    )
    assert read.dropped == ("input.program", "input.program_output")


def test_an_item_joins_the_clients_own_call() -> None:
    own = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    items = [ASKED, own, MCP, {"type": "function_call_output", "call_id": "c1", "output": "19"}]
    messages = read_request({"model": "m", "input": items}).request.messages
    assert [[type(part).__name__ for part in message.parts] for message in messages] == [
        ["Text"],
        ["ToolCall", "ToolCall"],
        ["ToolResult", "ToolResult"],
    ]


@pytest.mark.parametrize(
    ("item", "member"),
    [
        ({"type": "mcp_call", "name": "find"}, "id"),
        ({"type": "mcp_approval_request", "name": "find"}, "id"),
        ({"type": "mcp_approval_response", "approve": True}, "approval_request_id"),
        (DECISION | {"approve": "yes"}, "approve"),
        ({"type": "program", "code": ""}, "call_id"),
        ({"type": "program_output", "result": ""}, "call_id"),
    ],
)
def test_an_invalid_item_is_rejected_by_its_member(item: dict[str, Any], member: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request({"model": "m", "input": [ASKED, item]})
    assert caught.value.param == f"input.1.{member}"
