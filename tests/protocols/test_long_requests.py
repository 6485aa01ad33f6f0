"""Requests with thousands of items are translated in linear time: in quadratic time these would take up to half a
minute, and 16 times as long with 4 times as many."""

from collections.abc import Mapping
from typing import Any

import pytest

from nexus.conversation.parts import Document, Message, Request, Text, ToolCall, ToolResult
from nexus.models import bedrock, claude, gemini
from nexus.protocols import loader
from nexus.protocols.codec import Target

MANY = 10_000
ASKED = Message("user", (Text("Hello"),))
GEMINI = Target("gemini-3-pro", gemini=gemini.profile("gemini-3-pro"))
CLAUDE = Target("claude-opus-4-8", claude=claude.profile("claude-opus-4-8"))
NOVA = Target("amazon.nova-pro-v1:0", converse=bedrock.profile("amazon.nova-pro-v1:0"))


def functions(**more: Any) -> list[dict[str, Any]]:
    return [{"name": f"f{number}", **more} for number in range(MANY)]


def turns(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """Each part in a content of its own."""
    return {"contents": [{"role": role, "parts": [part]} for part in parts]}


def responses(**members: Any) -> dict[str, Any]:
    return {"model": "m", "input": "Hello", "store": False, **members}


def allowed(tools: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": "auto", "tools": tools}


CALLS = [{"functionCall": {"name": "f", "id": f"call_{number}"}} for number in range(MANY)]

READ: Mapping[str, tuple[str, dict[str, Any]]] = {
    "tools": ("responses", responses(tools=functions(type="function"))),
    "allowed tools": (
        "responses",
        responses(tools=functions(type="function"), tool_choice=allowed(functions(type="function"))),
    ),
    "allowed functions": (
        "gemini",
        {
            **turns("user", {"text": "Hello"}),
            "tools": [{"functionDeclarations": functions()}],
            "toolConfig": {
                "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [f"f{one}" for one in range(MANY)]}
            },
        },
    ),
    "pieces of a text": ("gemini", turns("model", *[{"text": "word " * 10}] * MANY)),
    "pieces of thinking": ("gemini", turns("model", *[{"text": "word " * 10, "thought": True}] * MANY)),
    "results in another order": (
        "gemini",
        {
            "contents": [
                {"role": "model", "parts": CALLS},
                {"parts": [{"functionResponse": call["functionCall"]} for call in reversed(CALLS)]},
            ]
        },
    ),
    "results of unknown calls": (
        "gemini",
        {
            "contents": [
                {"role": "model", "parts": CALLS},
                {"parts": [{"functionResponse": {"name": "g", "id": f"lost_{one}"}} for one in range(MANY)]},
            ]
        },
    ),
}

RESULTS = (
    Message("assistant", tuple(ToolCall(f"call_{number}", "f", "{}") for number in range(MANY))),
    *(Message("user", (ToolResult(f"call_{number}", (Text("1"),)),)) for number in range(MANY)),
)

WRITE: Mapping[str, tuple[str, Target, tuple[Message, ...]]] = {
    "messages": ("gemini", GEMINI, (ASKED,) * MANY),
    "results": ("gemini", GEMINI, (ASKED, *RESULTS)),
    "documents": ("converse", NOVA, (Message("user", (Document(Text("a"), "report"),) * MANY),)),
    "answers for Claude": ("messages", CLAUDE, (ASKED, *[Message("assistant", (Text("Hi"),))] * MANY, ASKED)),
    "instructions for Claude": ("messages", CLAUDE, (ASKED, *[Message("system", (Text("Be brief"),))] * MANY)),
    "answers for a chat server": ("chat", Target("m"), (ASKED, *[Message("assistant", (Text("Hi"),))] * MANY, ASKED)),
}


@pytest.mark.parametrize("case", READ)
def test_long_requests_are_read_in_linear_time(case: str) -> None:
    client, body = READ[case]
    loader.client(client).read(body)


@pytest.mark.parametrize("case", WRITE)
def test_long_requests_are_written_in_linear_time(case: str) -> None:
    vendor, target, messages = WRITE[case]
    loader.vendor(vendor).write_request(Request(messages), target)
