"""Servers compatible with Anthropic that reject an earlier call without its thinking, which another vendor's turn has
not, and clients leave out, a forced tool while they think, and an effort while they do not, as Claude Code's subagents
send it (DeepSeek: CSSwitch #73, hermes-agent #15712, awesome-deepseek-integration #606, DeepSeek-V3 #1397)."""

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


FORCED = {"type": "tool", "name": "f"}
EFFORT: dict[str, Any] = {"output_config": {"effort": "max"}}
REJECTED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a forced tool": ("Thinking mode does not support this tool_choice", {"tool_choice": FORCED}, "thinking"),
    "a forced tool and an effort, Kimi": (
        "tool_choice 'specified' is incompatible with thinking enabled",
        {"tool_choice": FORCED, "thinking": {"type": "adaptive"}, **EFFORT},
        "thinking, output_config.effort",
    ),
    "an effort without thinking": (
        "thinking options type cannot be disabled when reasoning_effort is set",
        {"thinking": OFF, **EFFORT},
        "output_config.effort",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_forced_tools_are_without_thinking_and_thinking_off_without_an_effort(
    case: str, nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    words, more, dropped = REJECTED[case]
    anthropic_upstream.next(Behaviour(status=400, message=words))
    replies = [nexus.messages(asked(THOUGHT, CALL, **more)) for _ in range(2)]
    assert [reply.headers.get("x-nexus-dropped") for reply in replies] == [dropped, dropped]
    for request in anthropic_upstream.requests[1:]:
        assert (request.json["thinking"], request.json.get("output_config")) == (OFF, None)
    assert len(anthropic_upstream.requests) == 3


NEEDED = Behaviour(status=400, message="invalid thinking: only type=enabled is allowed for this model")
ON = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize("thinking", [OFF, None, {"type": "adaptive"}], ids=["off", "left out", "adaptive"])
def test_a_model_that_always_thinks_is_asked_to(
    thinking: dict[str, Any] | None, nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    more = {} if thinking is None else {"thinking": thinking}
    body = {"model": "house/deepseek-v4-pro", "messages": [{"role": "user", "content": "Hi"}]}
    anthropic_upstream.next(NEEDED)
    replies = [nexus.messages(body | {"max_tokens": 2048, **more}) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert [reply.headers.get("x-nexus-dropped") for reply in replies] == ["thinking" if thinking == OFF else None] * 2
    large = {**ON, "budget_tokens": 2000}
    assert nexus.messages(body | {"max_tokens": 2048, "thinking": large}).status == 200
    assert nexus.chat(body).status == 200
    assert [request.json.get("thinking") for request in anthropic_upstream.requests] == [thinking, ON, ON, large, ON]


ALIBABAS = "Only 'enabled' and 'disabled' are supported for thinking; 'adaptive' is not supported."
SENSENOVAS = '\'type\' must be in ["enabled", "disabled", "auto"]'


@pytest.mark.parametrize(
    ("words", "effort", "budget"),
    [(ALIBABAS, "low", 4096), (SENSENOVAS, "max", 27648), (ALIBABAS, None, 20480)],
    ids=["low", "max", "left out"],
)
def test_adaptive_thinking_becomes_a_budget(
    words: str, effort: str | None, budget: int, nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    anthropic_upstream.next(Behaviour(status=400, message=words))
    more = {} if effort is None else {"output_config": {"effort": effort}}
    hi = [{"role": "user", "content": "Hi"}]
    body = {"model": "house/deepseek-v4-pro", "max_tokens": 32000, "messages": hi, **more}
    replies = [nexus.messages(body | {"thinking": {"type": "adaptive"}}) for _ in range(2)]
    replies += [nexus.messages(body), nexus.messages(body | {"max_tokens": 99, "thinking": {"type": "adaptive"}})]
    assert [reply.status for reply in replies] == [200] * 4
    asked = {"type": "enabled", "budget_tokens": budget}
    sent = [request.json.get("thinking") for request in anthropic_upstream.requests]
    assert sent == [{"type": "adaptive"}, asked, asked, None, OFF]


def test_a_translated_forced_tool_is_without_thinking(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    hi = [{"role": "user", "content": "Hi"}]
    anthropic_upstream.next(Behaviour(status=400, message="Thinking mode does not support this tool_choice"))
    assert (
        nexus.chat({"model": "house/deepseek-v4-pro", "messages": hi, "tools": tools, "tool_choice": "required"}).status
        == 200
    )
    assert [request.json.get("thinking") for request in anthropic_upstream.requests] == [None, OFF]


def test_a_translated_history_has_none(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "done"}]
    body = {"model": "house/deepseek-v4-pro", "messages": [{"role": "user", "content": "Hi"}, *turns]}
    anthropic_upstream.next(REFUSAL)
    assert nexus.chat(body).status == 200
    assert [request.json.get("thinking") for request in anthropic_upstream.requests] == [None, OFF]


PATH = {"type": "string", "pattern": r"^[^\0]*$", "maxLength": 2000}
IN_WORDS = {"type": "string", "description": r"{pattern: ^[^\0]*$, maxLength: 2000}"}
UPLOAD, PLAIN = ({"type": "object", "properties": {"path": one}} for one in (PATH, IN_WORDS))
BAD_RULES = {
    "DeepSeek": 'Invalid schema for function "Artifact": "^[^\\0]*$" is not a "regex"',
    "llama.cpp": "Failed to initialize samplers: failed to parse grammar",
}
BAD_RULE = Behaviour(status=400, message=BAD_RULES["DeepSeek"])


@pytest.mark.parametrize("server", BAD_RULES)
def test_rules_that_the_server_does_not_compile_become_text(
    server: str, nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    """As those of Claude Code's tool for artifacts."""
    anthropic_upstream.next(Behaviour(status=400, message=BAD_RULES[server]))
    tools = [{"name": "f", "input_schema": UPLOAD}, {"name": "g", "input_schema": {"type": "object"}}]
    replies = [nexus.messages(asked(THOUGHT, CALL, tools=tools)) for _ in range(2)]
    chat = {"type": "function", "function": {"name": "f", "parameters": UPLOAD}}
    hi = [{"role": "user", "content": "Hi"}]
    replies.append(nexus.chat({"model": "house/deepseek-v4-pro", "messages": hi, "tools": [chat]}))
    lost = [reply.headers["x-nexus-dropped"] for reply in replies]
    path = "tools.0.function.parameters.properties.path"
    assert lost == [*["tools.input_schema"] * 2, f"{path}.pattern, {path}.maxLength"]
    sent = [request.json["tools"][0]["input_schema"] for request in anthropic_upstream.requests]
    assert sent == [UPLOAD, PLAIN, PLAIN, PLAIN]


@pytest.mark.parametrize("refusals", [(REFUSAL, BAD_RULE), (BAD_RULE, REFUSAL)], ids=["thinking", "rule"])
@pytest.mark.parametrize("calls", [1, 2], ids=["of one call", "of two calls"])
def test_all_that_a_server_refuses_is_left_out_together(
    calls: int, refusals: tuple[Behaviour, Behaviour], nexus: Nexus, anthropic_upstream: FakeUpstream
) -> None:
    """As DeepSeek's does with Claude Code's tool for artifacts: each refusal shows only after the one before it."""
    tools = {"tools": [{"name": "f", "input_schema": UPLOAD}]}
    for number in range(calls):
        anthropic_upstream.next(*(refusals if calls == 1 else refusals[number : number + 1]))
        assert nexus.messages(asked(CALL, **tools)).status == 200
        last = anthropic_upstream.requests[-1].json
    assert (last["thinking"], last["tools"][0]["input_schema"]) == (OFF, PLAIN)
