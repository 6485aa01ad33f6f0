"""Servers compatible with Anthropic that reject an earlier call without its thinking, which another vendor's turn has
not, and clients leave out (DeepSeek: CSSwitch #73, hermes-agent #15712)."""

from typing import Any

import pytest

from tests.conftest import Serve
from tests.serving import KEY, Nexus
from tools.fake_upstream import Behaviour, FakeUpstream

CONFIG = """
[llm.providers.house]
type = "anthropic"
api_key = "{key}"
base_url = "{url}"
models = ["deepseek-v4-pro"]
"""
REFUSAL = Behaviour(status=400, message="The `content[].thinking` in the thinking mode must be passed back to the API.")
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "s"}
OFF = {"type": "disabled"}


def asked(*blocks: Any, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [*blocks]}]
    return {
        "model": "house/deepseek-v4-pro",
        "max_tokens": 2048,
        "messages": [*turns, {"role": "user", "content": [RESULT]}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        **more,
    }


@pytest.fixture
def nexus(serve: Serve, anthropic_upstream: FakeUpstream) -> Nexus:
    return serve(CONFIG.format(key=KEY, url=anthropic_upstream.base_url))


@pytest.mark.parametrize("thinking", [{"thinking": {"type": "adaptive"}}, {}], ids=["asked for", "by default"])
def test_thinking_is_switched_off_where_it_is_missing(
    thinking: dict[str, Any], nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    anthropic_upstream.next(REFUSAL)
    replies = [nexus.messages(asked(CALL, **thinking)) for _ in range(2)]
    replies.append(nexus.messages(asked(THOUGHT, CALL, **thinking)))
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert [reply.headers.get("x-nexus-dropped") for reply in replies] == ["thinking", "thinking", None]
    first = thinking.get("thinking")
    assert [request.json.get("thinking") for request in anthropic_upstream.requests] == [first, OFF, OFF, first]


def test_a_translated_history_has_none(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "done"}]
    body = {"model": "house/deepseek-v4-pro", "messages": [{"role": "user", "content": "Hi"}, *turns]}
    anthropic_upstream.next(REFUSAL)
    assert nexus.chat(body).status == 200
    assert [request.json.get("thinking") for request in anthropic_upstream.requests] == [None, OFF]


def test_other_refusals_are_the_clients(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.next(Behaviour(status=400, message="thinking is wonderful"))
    assert nexus.messages(asked(CALL)).status == 400
