"""The disposition tables are exact: each field is sent and looked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from nexus.conversation.parts import Message, OutputFormat, Request, Text, Thinking, Tool, ToolChoice
from nexus.errors import InvalidRequest, UnsupportedFeature
from nexus.protocols.codec import Target
from nexus.protocols.responses.fields import READS, WRITES
from nexus.protocols.responses.read_request import read_request
from nexus.protocols.responses.write_request import write_request

from .kit import check_request

TOOLS = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}]
PLAIN_BODY: dict[str, Any] = {"model": "m", "input": "hi", "tools": TOOLS}
PLAIN = Request(messages=(Message("user", (Text("hi"),)),), tools=(Tool("f", strict=False),))

SENT: dict[str, Any] = {
    "model": "x",
    "input": [{"role": "user", "content": "other"}],
    "instructions": "s",
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 50,
    "metadata": {"a": "b"},
    "parallel_tool_calls": True,
    "reasoning": {"effort": "high"},
    "service_tier": "flex",
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "temperature": 0.5,
    "text": {"format": {"type": "json_object"}},
    "tool_choice": "required",
    "tools": [{"type": "function", "name": "g", "parameters": {}, "strict": None}],
    "top_logprobs": 3,
    "top_p": 0.5,
    "truncation": "auto",
    "user": "u",
    "background": True,
    "store": True,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "previous_response_id": "resp_1",
}


def find(ids: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """An earlier answer."""
    return {id: {"answer": {"output": []}, "input": "Before", "previous": None} for id in ids}


@pytest.mark.parametrize("name", READS)
def test_reads_is_exact(name: str) -> None:
    disposition = READS[name]
    body = PLAIN_BODY | {name: SENT.get(name, {"a": 1})}
    if disposition.kind == "refused":
        with pytest.raises(UnsupportedFeature) as refusal:
            read_request(body)
        assert refusal.value.param == name
        assert read_request(PLAIN_BODY | {name: None}).dropped == ()
        return
    read = read_request(body, find)
    assert read.dropped == ((name,) if disposition.kind == "dropped" else ())
    plain = read_request(PLAIN_BODY).request
    changed = {
        field.name for field in fields(Request) if getattr(plain, field.name) != getattr(read.request, field.name)
    }
    assert changed - {"include_usage"} == ({disposition.field} if disposition.field else set())


@pytest.mark.parametrize(
    "harmless",
    [
        {"store": False, "background": False, "previous_response_id": None, "conversation": None},
        {"truncation": "disabled", "stream_options": None, "include": [], "metadata": {}},
        {"text": {"format": {"type": "text"}}, "reasoning": {}, "tool_choice": None},
    ],
)
def test_what_asks_for_nothing_is_not_reported(harmless: dict[str, Any]) -> None:
    assert read_request(PLAIN_BODY | harmless) == read_request(PLAIN_BODY)


def test_unknown_fields_and_includes_are_dropped_by_name() -> None:
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
def test_thinking(wire: dict[str, Any], expected: Thinking | None, dropped: tuple[str, ...]) -> None:
    read = read_request(PLAIN_BODY | {"reasoning": wire})
    assert (read.request.thinking, read.dropped) == (expected, dropped)


def test_text() -> None:
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
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
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
def test_mistakes_are_named_by_their_path(wrong: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_request(PLAIN_BODY | wrong)
    assert error.value.param == param


ASKED: dict[str, Any] = {
    "messages": (Message("user", (Text("other"),)),),
    "system": (Text("s"),),
    "tools": (Tool("f", strict=True),),
    "tool_choice": ToolChoice("tool", "f"),
    "parallel_tools": False,
    "thinking": Thinking(True, budget=5000),
    "output_format": OutputFormat({"type": "object"}),
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "stop": ("x",),
    "user": "u",
    "service_tier": "standard_only",
    "stream": True,
    "stream_options": {"include_obfuscation": False},
    "include_usage": True,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 1,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 1.0},
    "metadata": {"a": "b"},
    "image_output": True,
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "verbosity": "low",
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_is_exact(name: str) -> None:
    target = Target("gpt-5")
    plain = write_request(PLAIN, target)
    check_request(plain.body)
    written = write_request(replace(PLAIN, **{name: ASKED[name]}), target)
    check_request(written.body)
    dropped = WRITES[name].kind == "dropped"
    assert written.dropped == ((name,) if dropped else ())
    assert ((written.body, written.cut) == (plain.body, plain.cut)) == (dropped or name == "include_usage")


def test_odd_values_of_knobs() -> None:
    written = write_request(replace(PLAIN, service_tier="batch", user="u" * 65), Target("m"))
    assert written.dropped == ("service_tier",)
    assert len(written.body["user"]) == 64
