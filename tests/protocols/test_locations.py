"""Errors name the client's own field and its path in the client's body, however the conversation was merged."""

import base64
from typing import Any

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool, ToolResult
from nexus.errors import InvalidRequest
from nexus.protocols import loader
from nexus.protocols.contract import location_of

AUDIO = base64.b64encode(b"sound").decode()
SCHEMA = {"type": "object"}

CHAT: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "let me see", "tool_calls": []},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": [{"type": "text", "text": "?"}, {"type": "text", "text": "!"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
}
MESSAGES: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": [
                # A block that only carries the next block's signature is not part of the conversation.
                {"type": "thinking", "thinking": "", "signature": "nexus.next.gemini.s"},
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "one"}]},
                {"type": "text", "text": "?"},
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": SCHEMA}],
}
RESPONSES: dict[str, Any] = {
    "input": [
        {"role": "developer", "content": "be kind"},
        {"role": "user", "content": "hello"},
        {"type": "reasoning", "summary": [], "encrypted_content": "nexus.next.gemini.s"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "namespace": "n", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "?"}]},
    ],
    "tools": [
        {"type": "web_search"},
        {"type": "namespace", "name": "n", "description": "", "tools": [{"type": "function", "name": "g"}]},
        {"type": "function", "name": "f", "parameters": SCHEMA},
    ],
}
BODIES = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}

PLACES: dict[str, dict[str, str]] = {
    "chat": {
        "messages.0.content.0": "messages.1.content",
        "messages.1": "messages.2",
        "messages.2.content.0": "messages.3.tool_calls.0",
        "messages.2.content.1": "messages.3.tool_calls.1",
        "messages.3.content.0": "messages.4",
        "messages.3.content.0.content.0": "messages.4.content",
        "messages.3.content.1.content.0": "messages.5.content.0",
        "messages.3": "messages.4",
        "messages.4.content.1": "messages.6.content.1",
        "tools.0.parameters.properties.a": "tools.0.function.parameters.properties.a",
        "tools.0.name": "tools.0.function.name",
        "temperature": "temperature",
        "max_tokens": "max_completion_tokens",
        "output_format": "response_format",
        "messages": "messages",
    },
    "messages": {
        "messages.0.content.0": "messages.0.content",
        "messages.1.content.0": "messages.1.content.1",
        "messages.1.content.1": "messages.1.content.2",
        "messages.2.content.0.content.0": "messages.2.content.0.content.0",
        "messages.2.content.1": "messages.2.content.1",
        "tools.0.parameters.anyOf": "tools.0.input_schema.anyOf",
        "stop.1": "stop_sequences.1",
    },
    "responses": {
        "messages.0.content.0": "input.1.content",
        "messages.1": "input.3",
        "messages.1.content.0": "input.3",
        "messages.1.content.1": "input.4",
        "messages.2.content.0": "input.5",
        "messages.2.content.1.content.0": "input.6.output.0",
        "messages.3": "input.7",
        "messages.3.content.0": "input.7.content.0",
        "tools.0.parameters": "tools.1.tools.0.parameters",
        "tools.1": "tools.2",
        "max_tokens": "max_output_tokens",
        "messages": "input",
    },
}


@pytest.mark.parametrize(("client", "neutral"), [(client, path) for client in PLACES for path in PLACES[client]])
def test_paths_are_the_clients_own(client: str, neutral: str) -> None:
    codec = loader.client(client)
    body = BODIES[client] | {"model": "m", "max_tokens": 9, "max_completion_tokens": 9}
    request = codec.read_request(body).request
    assert codec.field_of(neutral, body, request) == PLACES[client][neutral]


@pytest.mark.parametrize(
    "path", ["messages.9", "messages.0.content.7", "messages.x", "tools.5", "temperature", "tools"]
)
def test_paths_outside_the_conversation_have_no_location(path: str) -> None:
    request = Request((Message("user", (Text("x"),)),), tools=(Tool("f"),))
    assert location_of(path, request) is None


def test_parts_that_differ_only_in_location_are_equal() -> None:
    assert Text("x", at="a") == Text("x", at="b") and hash(Text("x", at="a")) == hash(Text("x"))
    assert ToolResult("c", at="a") == ToolResult("c")


def test_the_message_names_the_clients_field_too() -> None:
    said = InvalidRequest("messages.3.content.1: no audio", param="messages.3.content.1")
    said.name_field("input.5.content.1")
    assert (said.message, said.param) == ("input.5.content.1: no audio", "input.5.content.1")
    silent = InvalidRequest("no audio", param="messages.3")
    silent.name_field("messages.4")
    assert (silent.message, silent.param) == ("messages.4: no audio", "messages.4")
