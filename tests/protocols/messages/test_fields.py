"""The field tables are exact: each field is sent, and checked to be read."""

from dataclasses import replace
from typing import Any

import pytest

from nexus.conversation.parts import Message, Request, Text, Tool
from nexus.protocols.codec import Target
from nexus.protocols.messages.write_request import write_request

PLAIN = Request(messages=(Message("user", (Text("hi"),)),), tools=(Tool("f"),))


@pytest.mark.parametrize(
    "name", ["presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias", "metadata"]
)
def test_default_values_of_dropped_options_are_not_reported(name: str) -> None:
    nothing: dict[str, Any] = {"logprobs": False, "logit_bias": {}, "metadata": {}}
    request = replace(PLAIN, **{name: nothing.get(name, 0)})
    assert write_request(request, Target("m")).dropped == ()


@pytest.mark.parametrize(("tier", "sent"), [("auto", "auto"), ("default", "standard_only"), ("flex", None)])
def test_a_service_tier_is_written(tier: str, sent: str | None) -> None:
    written = write_request(replace(PLAIN, service_tier=tier), Target("m"))
    assert written.body.get("service_tier") == sent
    assert written.dropped == (() if sent else ("service_tier",))
