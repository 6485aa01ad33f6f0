"""Conversations as turns, for the vendors whose turns must alternate: Claude, Gemini and Bedrock."""

from typing import Any

import pytest

from nexus.conversation.parts import Message, Part, Refusal, Request, Text, Tool, ToolCall, ToolResult
from nexus.dataclasses import replace
from nexus.errors import InvalidRequest
from nexus.models import bedrock, claude, gemini
from nexus.protocols import loader
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.converse.turns import PLACEHOLDER
from nexus.protocols.gemini.write_contents import NO_MESSAGE
from nexus.protocols.messages.turns import OPENING
from tests.laws.kit import check_body

TARGETS = {
    "messages": Target("claude-sonnet-4-5", claude=claude.profile("claude-sonnet-4-5")),
    "gemini": Target("gemini-3.8-flash", gemini=replace(gemini.profile("gemini-3.8-flash"), prefill=True)),
    "converse": Target("us.amazon.nova-pro-v1:0", converse=bedrock.profile("us.amazon.nova-pro-v1:0")),
}
FIRST = {"messages": OPENING, "gemini": NO_MESSAGE, "converse": PLACEHOLDER}
MEMBERS = {"messages": ("messages", "content"), "gemini": ("contents", "parts"), "converse": ("messages", "content")}
CALLS = {"functionCall": ("id", "args"), "toolUse": ("toolUseId", "input")}
RESULTS = {"functionResponse": "id", "toolResult": "toolUseId"}

Turns = list[tuple[str, list[Any]]]


def write(vendor: str, request: Request) -> VendorRequest:
    written = loader.vendor(vendor).write_request(request, TARGETS[vendor])
    check_body(vendor, written.body)
    return written


def turns(vendor: str, body: dict[str, Any]) -> Turns:
    """Text as itself, a call as ("call", id, arguments), a result as ("result", id)."""
    messages, content = MEMBERS[vendor]
    roles = {"model": "assistant"}
    return [(roles.get(turn["role"], turn["role"]), list(map(_short, turn[content]))) for turn in body[messages]]


def _short(block: dict[str, Any]) -> Any:
    match block:
        case {"type": "tool_use", "id": id, "input": arguments}:
            return "call", id, arguments
        case {"type": "tool_result", "tool_use_id": id}:
            return "result", id
        case {"text": words}:
            return words
    ((kind, held),) = ((kind, held) for kind, held in block.items() if isinstance(held, dict))
    if kind in RESULTS:
        return "result", held[RESULTS[kind]]
    id, arguments = CALLS[kind]
    return "call", held[id], held[arguments]


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return replace(user(*parts), role="assistant")


def system(words: str) -> Message:
    return Message("system", (Text(words),))


def asked(*messages: Message) -> Request:
    return Request(messages, tools=(Tool("f"),), max_tokens=9)


A, B = ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", "")
CALL_A: Any = ("call", "a", {"x": 1})
CALL_B: Any = ("call", "b", {})
RESULT_A, RESULT_B = ("result", "a"), ("result", "b")
GO = ("user", ["go"])
CASES: dict[str, tuple[Request, Turns]] = {
    "neighbours are merged, and empty messages left out": (
        asked(user("a"), user(""), user("b"), assistant(""), assistant(), user("c"), assistant("d"), assistant("e")),
        [("user", ["a", "b", "c"]), ("assistant", ["d", "e"])],
    ),
    "a refusal is text": (
        asked(user("go"), assistant(Refusal("no")), user("b")),
        [GO, ("assistant", ["no"]), ("user", ["b"])],
    ),
    "the assistant begins": (
        asked(user(""), assistant("welcome"), user("a")),
        [("user", ["FIRST"]), ("assistant", ["welcome"]), ("user", ["a"])],
    ),
    "instructions alone become the user's turn": (
        replace(asked(), system=(Text("only this"),)),
        [("user", ["only this"])],
    ),
    "results come first, in the order of their calls": (
        asked(user("go"), assistant(A, B), user("and"), user(ToolResult("b"), ToolResult("a", (Text("1"),)))),
        [GO, ("assistant", [CALL_A, CALL_B]), ("user", [RESULT_A, RESULT_B, "and"])],
    ),
    "calls in two messages": (
        asked(user("go"), assistant(A), assistant(B), user(ToolResult("a")), user(ToolResult("b"))),
        [GO, ("assistant", [CALL_A, CALL_B]), ("user", [RESULT_A, RESULT_B])],
    ),
    "a system message between a call and its result": (
        asked(user("go"), assistant(A), system("s"), user(ToolResult("a"), "b")),
        [GO, ("assistant", [CALL_A]), ("user", [RESULT_A, "<system>\ns\n</system>", "b"])],
    ),
    "a system message keeps its position": (
        asked(user("go"), system("be nice"), system(""), assistant("ok"), user("more")),
        [("user", ["go", "<system>\nbe nice\n</system>"]), ("assistant", ["ok"]), ("user", ["more"])],
    ),
}


@pytest.mark.parametrize("vendor", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_turns_alternate(case: str, vendor: str) -> None:
    request, expected = CASES[case]
    body = write(vendor, request).body
    placed = [(role, [FIRST[vendor] if block == "FIRST" else block for block in blocks]) for role, blocks in expected]
    assert turns(vendor, body) == placed
    assert not {"system", "systemInstruction"} & body.keys()


@pytest.mark.parametrize("vendor", TARGETS)
def test_text_after_a_call_stays_in_its_turn(vendor: str) -> None:
    body = write(vendor, asked(user("go"), assistant(A), assistant("so"), user(ToolResult("a")))).body
    made = [CALL_A, "so"] if vendor == "gemini" else ["so", CALL_A]
    assert turns(vendor, body) == [GO, ("assistant", made), ("user", [RESULT_A])]


@pytest.mark.parametrize("vendor", ["messages", "converse"])
def test_blank_text_is_left_out(vendor: str) -> None:
    body = write(vendor, asked(user("a", " \n"), assistant(" "), user("b"))).body
    assert turns(vendor, body) == [("user", ["a", "b"])]


def test_bedrock_gets_a_turn_in_place_of_blank_text() -> None:
    assert turns("converse", write("converse", asked(user(" \n"))).body) == [("user", [PLACEHOLDER])]


@pytest.mark.parametrize("vendor", TARGETS)
def test_a_request_without_messages_is_rejected(vendor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(vendor, asked())
    assert caught.value.param == "messages"


@pytest.mark.parametrize("vendor", [*TARGETS, "responses"])
def test_names_of_authors_are_reported_as_dropped(vendor: str) -> None:
    request = asked(replace(user("hi"), name="ann"))
    written = loader.vendor(vendor).write_request(request, TARGETS.get(vendor, Target("gpt-5.5")))
    assert {"messages.name", "name"} & set(written.dropped)


@pytest.mark.parametrize("vendor", TARGETS)
@pytest.mark.parametrize("id", ["", "a b", "☃", "x" * 129])
def test_an_invalid_id_becomes_valid_alike_in_call_and_result(id: str, vendor: str) -> None:
    body = write(vendor, asked(user("go"), assistant(ToolCall(id, "f", "")), user(ToolResult(id)))).body
    (_, ((_, sent, _),)), (_, ((_, answered),)) = turns(vendor, body)[1:]
    assert sent == answered != id and sent.isascii() and 0 < len(sent) <= 64


@pytest.mark.parametrize("vendor", TARGETS)
@pytest.mark.parametrize("arguments", ['{"a": tru', "[1]", "7"])
def test_arguments_that_are_not_an_object_are_wrapped_and_reported(arguments: str, vendor: str) -> None:
    written = write(vendor, asked(user("go"), assistant(ToolCall("a", "f", arguments)), user(ToolResult("a"))))
    assert turns(vendor, written.body)[1] == ("assistant", [("call", "a", {"invalid_json": arguments})])
    assert "messages.tool_call.arguments" in written.dropped


def test_some_models_on_bedrock_get_calls_and_results_in_turns_of_their_own() -> None:
    llama = Target("m", converse=bedrock.profile("us.meta.llama4-maverick-17b-instruct-v1:0"))
    said = asked(user("go"), assistant("so", A, B), user("and", ToolResult("a"), ToolResult("b")), assistant(A))
    assert turns("converse", loader.vendor("converse").write_request(said, llama).body) == [
        *(GO, ("assistant", ["so"]), ("user", [PLACEHOLDER]), ("assistant", [CALL_A, CALL_B])),
        *(("user", [RESULT_A, RESULT_B]), ("assistant", [PLACEHOLDER]), ("user", ["and"]), ("assistant", [CALL_A])),
    ]
