"""A dialect's client side reads what its vendor side writes, and the result is the normal form.

Writing and reading it again changes nothing, and it holds what the client asked for.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.parts import Message, OutputFormat, Reasoning, Request, Thinking, ToolChoice
from nexus.models import bedrock, claude, gemini
from nexus.protocols.codec import Target
from tests.examples import examples

from .kit import CLIENTS, read, write
from .scripts import conversations
from .strategies import sayable, wire_of

TARGETS = {
    "chat": Target("m"),
    "messages": Target("claude-opus-4-8", claude=claude.profile("claude-opus-4-8")),
    "responses": Target("gpt-5"),
    "gemini": Target("gemini-3-pro-preview", gemini=gemini.profile("gemini-3-pro-preview")),
    "converse": Target("us.openai.gpt-5.6-sol", converse=bedrock.profile("us.openai.gpt-5.6-sol")),
}
CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "tool_choice": st.sampled_from([None, ToolChoice("auto"), ToolChoice("required"), ToolChoice("tool", "1st")]),
    "parallel_tools": st.none() | st.booleans(),
    "thinking": st.sampled_from([None, Thinking(False), Thinking(True, effort="low"), Thinking(True, effort="high")]),
    "output_format": st.sampled_from([None, OutputFormat(CLOSED, "answer")]),
    "max_tokens": st.integers(16, 9999),
    "stop": st.sampled_from([(), ("x",), ("x", "y")]),
    "user": st.sampled_from([None, "u"]),
    "metadata": st.sampled_from([{}, {"a": "b"}]),
    "service_tier": st.sampled_from([None, "auto", "flex"]),
    "temperature": st.sampled_from([None, 0.5]),
    "seed": st.sampled_from([None, 4]),
    "stream": st.booleans(),
}
KEPT = {
    "chat": {*OPTIONS},
    "messages": {"tool_choice", "parallel_tools", "thinking", "max_tokens", "stop", "user", "stream"},
    "responses": {*OPTIONS} - {"stop", "seed"},
}


@st.composite
def asked(draw: st.DrawFn, client: str) -> Request:
    """A request as such a client would send it, with further options."""
    said = read(client, wire_of(client, sayable(client, draw(conversations())))).request
    options = {name: draw(options) for name, options in OPTIONS.items()}
    first = said.tools[0].name if said.tools else None
    choice = options.pop("tool_choice")
    if first is None:
        options["parallel_tools"] = None
    elif choice is not None:
        options["tool_choice"] = replace(choice, name=choice.name and first)
    return replace(said, **options, include_usage=options["stream"])


def again(dialect: str, request: Request) -> Request:
    body = write(dialect, request, TARGETS[dialect]).body
    # Gemini and Converse have ``stream`` in the URL's path, not in the body.
    return read(dialect, {"stream": request.stream, **body}).request


def unsigned(request: Request) -> Request:
    """A chat client that sends text alone has unsigned reasoning, which is sent to no vendor."""
    messages = (replace(m, parts=tuple(p for p in m.parts if not isinstance(p, Reasoning))) for m in request.messages)
    return replace(request, messages=tuple(filter(_holds, messages)))


def _holds(message: Message) -> bool:
    return bool(message.parts)


@pytest.mark.parametrize("client", CLIENTS)
@examples(150)
@given(data=st.data())
def test_a_written_request_is_read_back(client: str, data: st.DataObject) -> None:
    request = data.draw(asked(client))
    normal = again(client, request)
    kept = KEPT[client] - {"tool_choice"}
    if client == "messages" and request.tool_choice == ToolChoice("none"):
        # Anthropic has no switch for it beside a choice of no tool.
        kept -= {"parallel_tools"}
    for name in kept:
        assert getattr(normal, name) == getattr(request, name), name
    if request.tool_choice is not None:
        # The name may be rewritten there.
        assert normal.tool_choice is not None and normal.tool_choice.mode == request.tool_choice.mode
    assert unsigned(again(client, normal)) == unsigned(normal)


@pytest.mark.parametrize("dialect", ["gemini", "converse"])
@examples(100)
@given(data=st.data())
def test_the_normal_form_of_vendors_dialects_is_stable(dialect: str, data: st.DataObject) -> None:
    normal = again(dialect, data.draw(asked("messages")))
    assert again(dialect, normal) == normal
