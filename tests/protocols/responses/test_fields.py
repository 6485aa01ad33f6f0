"""The field tables are exact: each field is sent, and checked to be read."""

from dataclasses import replace
from typing import Any

import pytest

from nexus.conversation.parts import Message, OutputFormat, Reasoning, Request, Signature, Text, Thinking, Tool
from nexus.errors import InvalidRequest
from nexus.models import gpt
from nexus.protocols.codec import Target
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_request import write_request

TOOLS = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}]
PLAIN_BODY: dict[str, Any] = {"model": "m", "input": "hi", "tools": TOOLS}
PLAIN = Request(messages=(Message("user", (Text("hi"),)),), tools=(Tool("f", strict=False),))


def test_unknown_fields_and_includes_are_reported_as_dropped() -> None:
    read = read_request(PLAIN_BODY | {"x_future": 1, "include": ["message.output_text.logprobs"]})
    assert read.dropped == ("x_future", "include.message.output_text.logprobs")


@pytest.mark.parametrize(
    ("wire", "expected", "dropped"),
    [
        pytest.param({"summary": "auto"}, Thinking(True), (), id="Codex"),
        pytest.param({"effort": "none"}, Thinking(False), (), id="off"),
        pytest.param({"effort": "xhigh"}, Thinking(True, effort="xhigh", visible=False), (), id="no summary asked"),
        pytest.param({"effort": None}, None, (), id="null"),
        pytest.param(
            {"effort": "low", "generate_summary": "concise", "context": "auto"},
            Thinking(True, effort="low"),
            ("reasoning.context",),
            id="more",
        ),
    ],
)
def test_thinking_is_read(wire: dict[str, Any], expected: Thinking | None, dropped: tuple[str, ...]) -> None:
    read = read_request(PLAIN_BODY | {"reasoning": wire})
    assert (read.request.thinking, read.dropped) == (expected, dropped)


def test_text_options_are_read() -> None:
    format = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    read = read_request(PLAIN_BODY | {"text": {"format": format, "verbosity": "low"}})
    assert read.request.output_format == OutputFormat({"type": "object"}, "n", None, True)
    assert (read.request.verbosity, read.dropped) == ("low", ())


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input.0"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input.0.role"),
        ({"input": [{"role": "user", "content": 5}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content.0.text"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input.0.call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input.0.arguments"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": {"a": 1}}]}, "input.0.output"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "ftp://x"}]}]},
            "input.0.content.0.image_url",
        ),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": 5}]}, "tools.0.parameters"),
        ({"tools": [*TOOLS, {"type": "custom", "name": "f"}]}, "tools.1.name"),
        ({"tools": [{"type": "custom", "name": "f", "format": {"type": "x"}}]}, "tools.0.format.type"),
        ({"tool_choice": {"type": "function", "name": "nobody"}}, "tool_choice"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "x", "tools": []}}, "tool_choice.mode"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"metadata": {"a": 5}}, "metadata.a"),
        ({"instructions": ["x"]}, "instructions"),
    ],
)
def test_invalid_values_are_rejected_with_their_path(wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_request(PLAIN_BODY | wrong)
    assert error.value.param == param


def test_unsupported_values_are_dropped_or_shortened() -> None:
    written = write_request(replace(PLAIN, service_tier="batch", user="u" * 65), Target("m"))
    assert written.dropped == ("service_tier",)
    assert len(written.body["user"]) == 64


@pytest.mark.parametrize(
    ("format", "written"),
    [
        pytest.param(OutputFormat(), {"type": "json_object"}, id="any object"),
        pytest.param(
            OutputFormat({"type": "array"}, "n"),
            {"type": "json_schema", "name": "n", "schema": {"type": "array", "items": {}}},
            id="no object, which the vendor explains best",
        ),
    ],
)
def test_a_format_is_written(format: OutputFormat, written: dict[str, Any]) -> None:
    text = write_request(replace(PLAIN, output_format=format), Target("m")).body["text"]
    assert text["format"] | {"strict": None} == written | {"strict": None}


def test_verbosity_that_the_model_rejects_is_dropped() -> None:
    written = write_request(replace(PLAIN, verbosity="low"), Target("gpt-4.1", gpt=gpt.known("gpt-4.1")))
    assert ("text" in written.body, written.dropped) == (False, ("verbosity",))


def test_reasoning_without_the_answer_that_followed_is_left_out() -> None:
    """The vendor rejects it."""
    lonely = Message("assistant", (Reasoning("hm", Signature("responses", "gAAAA")),))
    written = write_request(replace(PLAIN, messages=(*PLAIN.messages, lonely)), Target("m"))
    assert written.body["input"] == write_request(PLAIN, Target("m")).body["input"]
