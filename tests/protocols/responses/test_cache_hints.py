"""Prompt-cache breakpoints: written for models that accept them if there is a place, else reported as dropped."""

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool, ToolCall, ToolResult
from nexus.models import gpt
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
def test_dropped_breakpoints_are_reported_once(case: str) -> None:
    request, named = HINTS[case]
    assert write_request(request, Target("gpt-5.5")).dropped.count("cache") == named


def test_models_that_accept_breakpoints_get_them() -> None:
    result = ToolResult("a", (Text("r"), Text("s")), cache="5m")
    request = Request(
        (Message("user", (Text("hi", "1h"),)), CALL, Message("user", (result,))), system=(Text("s", "5m"),)
    )
    sent = write_request(request, Target("gpt-5.6", gpt=gpt.known("gpt-5.6")))
    system, said, _, output = sent.body["input"]
    point = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    assert system["content"] == [{"type": "input_text", "text": "s", **point}]
    assert said["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "12h"}
    assert output["output"] == [{"type": "input_text", "text": "r"}, {"type": "input_text", "text": "s", **point}]
    assert sent.dropped == ()


HOMELESS = {
    "of a tool": Request((HI,), tools=(Tool("f", cache="5m"),)),
    "of a call": Request((HI, Message("assistant", (ToolCall("a", "f", "{}", cache="5m"),)))),
    "of an answer": Request((HI, Message("assistant", (Text("a", "5m"),)))),
    "of a result without content": Request((HI, CALL, Message("user", (ToolResult("a", cache="5m"),)))),
}


@pytest.mark.parametrize("case", HOMELESS)
def test_a_breakpoint_without_a_place_is_reported_for_those_models_too(case: str) -> None:
    sent = write_request(HOMELESS[case], Target("gpt-5.6", gpt=gpt.known("gpt-5.6")))
    assert sent.dropped == ("cache",)
    assert "breakpoint" not in str(sent.body)
