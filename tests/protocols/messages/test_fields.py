"""The disposition tables are exact: each field is sent and looked for."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from nexus.conversation.parts import (
    Message,
    OutputFormat,
    Request,
    Text,
    Thinking,
    Tool,
    ToolChoice,
)
from nexus.errors import UnsupportedFeature
from nexus.models.claude import profile
from nexus.protocols.codec import Target
from nexus.protocols.messages.fields import READS, WRITES
from nexus.protocols.messages.read_request import read_request
from nexus.protocols.messages.write_request import write_request

PLAIN_BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PLAIN = Request(messages=(Message("user", (Text("hi"),)),), tools=(Tool("f"),))

SENT: dict[str, Any] = {
    "model": "x",
    "messages": [{"role": "user", "content": "other"}],
    "system": "s",
    "max_tokens": 5,
    "stream": True,
    "stop_sequences": ["x"],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "tools": [{"name": "f", "input_schema": {}}],
    "tool_choice": {"type": "none"},
    "thinking": {"type": "adaptive"},
    "output_config": {"format": {"type": "json_schema", "schema": {}}},
    "output_format": {"type": "json_schema", "schema": {}},
    "metadata": {"user_id": "u"},
    "service_tier": "standard_only",
    "cache_control": {"type": "ephemeral"},
}


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
    read = read_request(body)
    assert read.dropped == ((name,) if disposition.kind == "dropped" else ())
    plain = read_request(PLAIN_BODY).request
    changed = {
        field.name for field in fields(Request) if getattr(plain, field.name) != getattr(read.request, field.name)
    }
    assert changed - {"include_usage"} == ({disposition.field} if disposition.field else set())


ASKED: dict[str, Any] = {
    "messages": (Message("user", (Text("other"),)),),
    "system": (Text("s"),),
    "tools": (Tool("f", strict=True),),
    "tool_choice": ToolChoice("required"),
    "parallel_tools": False,
    "thinking": Thinking(False),
    "output_format": OutputFormat({"type": "object"}),
    "max_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "stop": ("x",),
    "user": "u",
    "service_tier": "default",
    "stream": True,
    "include_usage": True,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 0,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 1.0},
    "metadata": {"a": "b"},
    "safety_identifier": "s",
    "image_output": True,
    "prompt_cache_key": "k",
    "verbosity": "low",
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_is_exact(name: str) -> None:
    target = Target("claude-sonnet-4-5", claude=profile("claude-sonnet-4-5"))
    plain = write_request(PLAIN, target)
    written = write_request(replace(PLAIN, **{name: ASKED[name]}), target)
    dropped = WRITES[name].kind == "dropped"
    assert written.dropped == ((name,) if dropped else ())
    assert (written.body == plain.body) == (dropped or name == "include_usage")


@pytest.mark.parametrize(
    "name", ["presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "metadata"]
)
def test_a_default_of_a_dropped_knob_is_not_reported(name: str) -> None:
    nothing: dict[str, Any] = {"logprobs": False, "logit_bias": {}, "metadata": {}}
    request = replace(PLAIN, **{name: nothing.get(name, 0)})
    assert write_request(request, Target("m")).dropped == ()


@pytest.mark.parametrize(("tier", "sent"), [("auto", "auto"), ("default", "standard_only"), ("flex", None)])
def test_service_tier(tier: str, sent: str | None) -> None:
    written = write_request(replace(PLAIN, service_tier=tier), Target("m"))
    assert written.body.get("service_tier") == sent
    assert written.dropped == (() if sent else ("service_tier",))
