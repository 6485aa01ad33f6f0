"""Servers compatible with Anthropic that reject the system messages inside Claude Code's conversations.

Sources: llama.cpp #27367, vLLM #41114 and #48874, QwenLM/Qwen #2244, claude-code #63469, kiro-gateway #197.
"""

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
models = ["qwen", "other"]
"""
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}
ASKED: dict[str, Any] = {
    "model": "house/qwen",
    "max_tokens": 64,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Be kind."},
        CALL,
        {"role": "user", "content": [RESULT]},
        {"role": "system", "content": [{"type": "text", "text": "Be quick."}]},
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
}
SENT = [
    {
        "role": "user",
        "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "<system>\nBe kind.\n</system>"}],
    },
    CALL,
    {"role": "user", "content": [RESULT, {"type": "text", "text": "<system>\nBe quick.\n</system>"}]},
]
REFUSALS = {
    "llama.cpp": (500, "Jinja Exception: System message must be at the beginning."),
    "ministral": (500, "Jinja Exception: Only user, assistant and tool roles are supported, got system."),
    "vllm": (400, "System message must be at the beginning."),
    "pydantic": (422, "messages.1.role: Input should be 'user' or 'assistant'"),
    "vllm, tools": (
        400,
        "[{'type': 'literal_error', 'loc': ('body', 'messages', 1, 'content', 1, 'type'), "
        "'msg': \"Input should be 'text', 'image' or 'tool_use'\", 'input': 'tool_addition'}]",
    ),
    "qwen": (400, "messages[1].role: unknown variant `system`, expected `user` or `assistant`"),
    "minimax": (400, "invalid params, chat content has invalid message role: system (2013)"),
    "deepseek": (400, "messages[1].role must be either 'user' or 'assistant', but got 'system'"),
}


@pytest.fixture
def nexus(serve: Serve, anthropic_upstream: FakeUpstream) -> Nexus:
    return serve(CONFIG.format(key=KEY, url=anthropic_upstream.base_url))


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_they_become_user_text_from_then_on(
    refusal: str, stream: bool, nexus: Nexus, anthropic_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    status, words = REFUSALS[refusal]
    anthropic_upstream.next(Behaviour(status=status, message=words))
    first, second = nexus.messages(ASKED | {"stream": stream}), nexus.messages(ASKED)
    assert (first.status, second.status) == (200, 200)
    sent = [request.json["messages"] for request in anthropic_upstream.requests]
    assert sent == [ASKED["messages"], SENT, SENT]
    assert first.headers["x-nexus-dropped"] == second.headers["x-nexus-dropped"] == "messages.role"
    assert anthropic_upstream.violations == []
    found = [record for record in caplog.records if "are refused" in record.getMessage()]
    assert [record.fields["model"] for record in found] == ["qwen"]  # type: ignore[attr-defined]


def test_other_models_of_the_server_still_get_them(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.next(Behaviour(status=400, message=REFUSALS["qwen"][1]))
    assert nexus.messages(ASKED).status == nexus.messages(ASKED | {"model": "house/other"}).status == 200
    assert anthropic_upstream.requests[-1].json["messages"] == ASKED["messages"]


def test_tokens_are_counted_as_the_request_is_sent(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.next(Behaviour(status=400, message=REFUSALS["qwen"][1]))
    assert nexus.messages(ASKED).status == 200
    counted = {name: value for name, value in ASKED.items() if name != "max_tokens"}
    assert nexus.post("/llm/anthropic/v1/messages/count_tokens", counted).status == 200
    assert anthropic_upstream.requests[-1].json["messages"] == SENT


@pytest.mark.parametrize("asked", [ASKED | {"messages": [{"role": "user", "content": "Hi"}]}, ASKED])
def test_any_other_refusal_is_returned_to_the_client(
    asked: dict[str, Any], nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    has_system = len(asked["messages"]) > 1
    words = "the system message is too long" if has_system else REFUSALS["qwen"][1]
    anthropic_upstream.next(Behaviour(status=400, message=words))
    assert nexus.messages(asked).json["error"]["message"] == words
    assert len(anthropic_upstream.requests) == 1
