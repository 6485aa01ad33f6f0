"""Breakpoints of a prompt cache, which the Responses writer has no place for: named wherever they stand."""

from __future__ import annotations

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool, ToolCall, ToolResult
from nexus.protocols.codec import Target
from nexus.protocols.responses.write_request import write_request

HI = Message("user", (Text("hi"),))
CALL = Message("assistant", (ToolCall("a", "f", "{}"),))
HINTS: dict[str, tuple[Request, bool]] = {
    "none": (Request((HI,)), False),
    "of the instructions": (Request((HI,), system=(Text("s", "5m"),)), True),
    "of a tool": (Request((HI,), tools=(Tool("f", cache="5m"),)), True),
    "of words": (Request((Message("user", (Text("hi", "1h"),)),)), True),
    "of a result": (Request((HI, CALL, Message("user", (ToolResult("a", cache="5m"),)))), True),
    "inside a result": (Request((HI, CALL, Message("user", (ToolResult("a", (Text("r", "5m"),)),)))), True),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_breakpoint_is_named_once(case: str) -> None:
    request, named = HINTS[case]
    assert write_request(request, Target("gpt-5.5")).dropped.count("cache") == named
