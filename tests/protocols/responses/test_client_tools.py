"""OpenAI's client-side tools, translated to other vendors' models and back."""

import json
from typing import Any

import pytest

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart, ResponseEnd, ResponseStart
from nexus.conversation.fold import unfold
from nexus.conversation.parts import Image, Link, Message, Response, Stop, Text, ToolCall, ToolChoice, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols.codec import Target
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_request import write_request
from nexus.protocols.responses.write_response import write_response
from tests.protocols.kit import envelope

from .kit import check_request, check_response, told


def item(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "call_id": "c1", **members}


LOCAL = {"type": "exec", "command": ["ls", "-l", ""], "env": {}, "timeout_ms": 5000, "working_directory": "/tmp"}
LIMITS = {"timeout_ms": None, "max_output_length": 400}
DRAG = {"type": "drag", "path": [{"x": 1, "y": 2}]}

CALLS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "local shell": (
        "local_shell",
        "local_shell",
        item("local_shell_call", action=LOCAL, status="completed"),
        {"command": ["ls", "-l", ""], "timeout_ms": 5000, "working_directory": "/tmp"},
    ),
    "shell": (
        "shell",
        "shell",
        item("shell_call", action={"commands": ["ls", "pwd"], **LIMITS}, status="completed"),
        {"commands": ["ls", "pwd"], "max_output_length": 400},
    ),
    "patch that creates": (
        "apply_patch",
        "apply_patch",
        item("apply_patch_call", operation={"type": "create_file", "path": "a", "diff": "+x"}, status="completed"),
        {"type": "create_file", "path": "a", "diff": "+x"},
    ),
    "patch that deletes": (
        "apply_patch",
        "apply_patch",
        item("apply_patch_call", operation={"type": "delete_file", "path": "a"}, status="completed"),
        {"type": "delete_file", "path": "a"},
    ),
    "computer": (
        "computer",
        "computer",
        item("computer_call", actions=[DRAG], pending_safety_checks=[], status="completed"),
        {"actions": [DRAG]},
    ),
    "older computer": (
        "computer_use_preview",
        "computer",
        item("computer_call", action=DRAG, pending_safety_checks=[], status="completed"),
        {"action": DRAG},
    ),
}


def tool(kind: str) -> dict[str, Any]:
    screen = {"display_width": 800, "display_height": 600, "environment": "browser"}
    return {"type": kind, **(screen if kind == "computer_use_preview" else {})}


@pytest.mark.parametrize("case", CALLS.values(), ids=CALLS)
def test_a_call_is_the_clients_own_item_and_a_function_in_the_history(
    case: tuple[str, str, dict[str, Any], dict[str, Any]],
) -> None:
    kind, name, wire, arguments = case
    request = read_request({"input": "x", "tools": [tool(kind)]}).request
    assert [one.name for one in request.tools] == [name]
    call = ToolCall("c1", name, json.dumps(arguments))
    answer = Response("resp_1", "a/m", (call,), Stop("tool_use"))
    written = write_response(answer, envelope(request, id="resp_1"))
    check_response(written)
    (made,) = written["output"]
    assert {member: value for member, value in made.items() if member != "id"} == wire
    *_, added, done, last = told(unfold(answer), request)
    assert (added["type"], done["type"]) == ("response.output_item.added", "response.output_item.done")
    assert done["item"] == made == last["response"]["output"][0] and added["item"]["status"] == "in_progress"

    history = read_request({"input": [wire]}).request
    ((read,),) = [message.parts for message in history.messages]
    assert isinstance(read, ToolCall) and (read.id, read.name) == ("c1", name)
    assert json.loads(read.arguments) == arguments


def test_a_stream_sends_a_call_once_it_is_complete_and_never_a_truncated_one() -> None:
    request = read_request({"input": "x", "tools": [tool("shell")]}).request
    pieces = [PartDelta(0, piece) for piece in ('{"commands":', ' ["rm -r a', '", "rm b"]}')]
    start: list[Event] = [ResponseStart("r", "m"), PartStart(0, ToolCall("c1", "shell", ""))]
    whole = told([*start, *pieces, PartEnd(0), ResponseEnd(Stop("tool_use"))], request)
    assert [event["type"].removeprefix("response.") for event in whole] == [
        *("created", "in_progress", "output_item.added", "output_item.done", "completed")
    ]
    assert whole[3]["item"]["action"]["commands"] == ["rm -r a", "rm b"]
    cut = told([*start, *pieces[:2], PartEnd(0), ResponseEnd(Stop("max_tokens"))], request)
    assert cut[3]["item"] | {"id": ""} == item(
        "shell_call", id="", action={"commands": [], "timeout_ms": None, "max_output_length": None}, status="incomplete"
    )


SLIPS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "one command, not a list": ("shell", '{"command": "ls"}', {"commands": ["ls"]}),
    "not JSON": ("shell", "ls", {"commands": []}),
    "a patch in the nested form": (
        "apply_patch",
        '{"operation": {"type": "delete_file", "path": "a"}}',
        {"type": "delete_file", "path": "a"},
    ),
    "a patch without a type": ("apply_patch", '{"path": "a"}', {"type": "update_file", "path": "", "diff": ""}),
}


@pytest.mark.parametrize(("kind", "arguments", "expected"), SLIPS.values(), ids=SLIPS)
def test_invalid_arguments_from_the_model_still_give_a_valid_item(
    kind: str, arguments: str, expected: dict[str, Any]
) -> None:
    request = read_request({"input": "x", "tools": [tool(kind)]}).request
    answer = Response("r", "m", (ToolCall("c1", kind, arguments),), Stop("tool_use"))
    written = write_response(answer, envelope(request, id="resp_1"))
    check_response(written)
    action = written["output"][0].get("action") or written["output"][0]["operation"]
    assert expected.items() <= action.items()


def run(stdout: str, stderr: str = "", **outcome: Any) -> dict[str, Any]:
    return {"stdout": stdout, "stderr": stderr, "outcome": outcome or {"type": "exit", "exit_code": 0}}


PICTURE = {"type": "computer_screenshot", "image_url": "https://x.example/a.png"}
OUTPUTS: dict[str, tuple[dict[str, Any], ToolResult]] = {
    "local shell": (item("local_shell_call_output", output="a.txt"), ToolResult("c1", (Text("a.txt"),))),
    "local shell, named by its own id": (
        {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
        ToolResult("c1", (Text("a.txt"),)),
    ),
    "shell": (item("shell_call_output", output=[run("a\n")], max_output_length=9), ToolResult("c1", (Text("a"),))),
    "shell, with failures": (
        item("shell_call_output", output=[run("a", "b", type="exit", exit_code=2), run("", type="timeout")]),
        ToolResult("c1", (Text("a\n[stderr]\nb\n[exit code 2]\n\n[timed out]"),)),
    ),
    "patch": (item("apply_patch_call_output", status="completed"), ToolResult("c1")),
    "patch that failed": (
        item("apply_patch_call_output", status="failed", output="no such file"),
        ToolResult("c1", (Text("no such file"),), is_error=True),
    ),
    "computer": (
        item("computer_call_output", output=PICTURE),
        ToolResult("c1", (Image(Link("https://x.example/a.png")),)),
    ),
}


@pytest.mark.parametrize(("wire", "result"), OUTPUTS.values(), ids=OUTPUTS)
def test_the_clients_output_becomes_the_result(wire: dict[str, Any], result: ToolResult) -> None:
    read = read_request({"input": [wire]})
    assert read.request.messages == (Message("user", (result,)),)
    assert read.dropped == ()


def test_a_tool_can_be_chosen_by_its_type() -> None:
    tools = [tool("shell"), tool("apply_patch")]
    chosen = read_request({"input": "x", "tools": tools, "tool_choice": {"type": "apply_patch"}}).request
    assert chosen.tool_choice == ToolChoice("tool", "apply_patch")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "shell"}]}
    left = read_request({"input": "x", "tools": tools, "tool_choice": allowed}).request
    assert (left.tool_choice, [one.name for one in left.tools]) == (ToolChoice("required"), ["shell"])
    written = write_response(Response("r", "m", (), Stop("end")), envelope(chosen, id="resp_1"))
    assert written["tool_choice"] == {"type": "apply_patch"} and written["tools"] == tools
    with pytest.raises(InvalidRequest, match="no tool of type shell"):
        read_request({"input": "x", "tools": tools[1:], "tool_choice": {"type": "shell"}})


def test_the_clients_machine_is_described_to_the_model() -> None:
    skill = {"name": "pdf", "description": "Reads PDFs.", "path": "/skills/pdf"}
    local = {"type": "shell", "environment": {"type": "local", "skills": [skill]}}
    shell, screen = read_request({"input": "x", "tools": [local, tool("computer_use_preview")]}).request.tools
    assert "Skill pdf: Reads PDFs. (/skills/pdf)" in (shell.description or "")
    assert "800 x 600 pixels (browser)" in (screen.description or "")


def test_a_shell_in_an_openai_container_is_not_a_client_tool() -> None:
    read = read_request({"input": "x", "tools": [{"type": "shell", "environment": {"type": "container_auto"}}]})
    assert (read.request.tools, read.dropped) == ((), ("tools.shell",))


def test_other_responses_servers_get_functions() -> None:
    history = [CALLS["local shell"][2], OUTPUTS["local shell"][0]]
    request = read_request({"input": history, "tools": [tool("local_shell")]}).request
    body = write_request(request, Target("m")).body
    check_request(body)
    assert [one["type"] for one in body["input"]] == ["function_call", "function_call_output"]
    assert body["tools"][0]["type"] == "function"
