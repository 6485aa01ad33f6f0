"""Unexpected values in requests and answers are rejected by name or passed through, never a 500 with a traceback."""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, PATHS, Nexus, anthropic_config, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "a tagged string for a message": ("chat", {**CHAT, "messages": ["nexus.x"]}),
    "a tagged string for an Anthropic message": ("messages", {**MESSAGES, "messages": ["nexus.x"]}),
    "a tagged string with a brace": ("messages", {**MESSAGES, "messages": ["nexus.{"]}),
    "an item whose type is an object": ("responses", {"model": "anthropic/claude", "input": [{"type": {}}]}),
    "one that has an id too": ("responses", {"model": "anthropic/claude", "input": [{"type": [], "call_id": []}]}),
    "a temperature beyond all bounds": ("chat", {**CHAT, "model": "anthropic/claude", "temperature": 10**400}),
    "and one of Anthropic's": ("messages", {**MESSAGES, "model": "openai/gpt-4", "temperature": -(10**400)}),
    "and one of Responses": ("responses", {"model": "anthropic/claude", "input": "x", "temperature": 10**400}),
    "a number of tokens": ("messages", {**MESSAGES, "model": "openai/gpt-4", "max_tokens": 10**400}),
    "a seed": ("chat", {**CHAT, "model": "anthropic/claude", "seed": 10**400}),
    "a reference to the nines": (
        "chat",
        {
            **CHAT,
            "model": "anthropic/claude",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"$ref": "#/" + "9" * 5000}}}],
        },
    ),
    "required, but not a name": (
        "chat",
        {
            **CHAT,
            "model": "anthropic/claude",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"anyOf": [{"required": [{}]}]}}}],
        },
    ),
}


@pytest.mark.parametrize(("client", "body"), BODIES.values(), ids=BODIES.keys())
def test_a_request_of_any_shape_gets_an_answer_or_a_400(
    nexus: Nexus, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream, client: str, body: dict[str, Any]
) -> None:
    for stream in (False, True):
        reply = nexus.post(PATHS[client], {**body, "stream": stream})
        assert reply.status in (200, 400), reply.body
    openai_upstream.violations.clear()
    anthropic_upstream.violations.clear()


LIMITS = """
[llm.providers.openai.rate_limits.per_user]
input_token_limit = 100000
interval = "60s"
[llm.providers.anthropic.rate_limits.per_user]
input_token_limit = 100000
interval = "60s"
"""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", ["chat", "messages"])
def test_absurd_usage_is_settled(
    serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream, client: str, stream: bool
) -> None:
    """With limits, on passthrough and translation."""
    nexus = serve(openai_config(openai_upstream.base_url) + anthropic_config(anthropic_upstream.base_url) + LIMITS)
    huge = Behaviour(input_tokens=10**400, output_tokens=10**400)
    openai_upstream.default = anthropic_upstream.default = huge
    for model in ("openai/gpt-4", "anthropic/claude"):
        body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        for _ in range(2):
            assert nexus.post(PATHS[client], body).status == 200
    wait_until(lambda: nexus.server.workers.busy == 0)


def test_an_event_whose_type_is_not_a_string_passes(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    odd = b'data: {"type":[]}\n\ndata: {"type":{}}\n\n'
    end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    stream = Behaviour(body=odd + end, headers=(("Content-Type", "text/event-stream"),))
    anthropic_upstream.default = stream
    reply = nexus.messages({**MESSAGES, "stream": True})
    assert (reply.status, reply.body) == (200, odd + end)
