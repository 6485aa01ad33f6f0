"""Disabled thinking does not become maximum thinking: a Messages client's effort without ``thinking``.

Claude Code with ``MAX_THINKING_TOKENS=0`` sends exactly that. In the Messages API an effort does not enable thinking.
"""

from typing import Any

import pytest

from nexus.models import bedrock, claude, gemini, gpt
from nexus.models.chat_server import ChatServer
from nexus.protocols import loader
from nexus.protocols.codec import Target
from nexus.relay.lanes import fitted

OFF: dict[str, Any] = {
    "effort alone": {"output_config": {"effort": "high"}},
    "disabled": {"thinking": {"type": "disabled"}},
    "disabled, with an effort": {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
}


def of_gpt(model: str) -> Target:
    facts = gpt.known(model)
    assert facts is not None
    return Target(model, chat=gpt.on_chat(facts), gpt=facts)


def of_gemini(model: str) -> Target:
    return Target(model, gemini=gemini.profile(model))


def of_bedrock(model: str) -> Target:
    return Target(model, converse=bedrock.profile(model))


def of_claude(model: str) -> Target:
    return Target(model, claude=claude.profile(model))


ALWAYS, ELSEWHERE = "claude that always thinks", "claude that always thinks, at a compatible server"
SWITCH = ChatServer(thinking_type=True, no_effort_none=True)
LEVEL, BUDGET = "thinkingLevel", "thinkingBudget"
VENDORS: dict[str, tuple[str, Target, Any, bool]] = {
    "gpt-5.5": ("responses", of_gpt("gpt-5.5"), {"reasoning": {"effort": "none"}}, False),
    "gpt-5.5 on chat": ("chat", of_gpt("gpt-5.5"), {"reasoning_effort": "none"}, False),
    "gpt-6-astra": ("responses", of_gpt("gpt-6-astra"), {"reasoning": {"effort": "low"}}, True),
    "gpt-5": ("chat", of_gpt("gpt-5"), {"reasoning_effort": "minimal"}, True),
    "o3": ("responses", of_gpt("o3"), {"reasoning": {"effort": "low"}}, True),
    "gpt-4.1": ("responses", of_gpt("gpt-4.1"), {}, False),
    "a compatible server": ("chat", Target("local"), {"reasoning_effort": "none"}, False),
    "a model without effort none": (
        "chat",
        Target("local", chat=ChatServer(no_effort_none=True)),
        {"reasoning_effort": "low"},
        True,
    ),
    ELSEWHERE: ("chat", of_claude("claude-fable-5"), {"reasoning_effort": "low"}, True),
    "a server with a switch": ("chat", Target("local", chat=SWITCH), {"thinking": {"type": "disabled"}}, False),
    "a server with a switch that does not work": (
        "chat",
        Target("kimi-k2.7-code", chat=ChatServer(thinking_type=True, always_thinks=True)),
        {"reasoning_effort": "low"},
        True,
    ),
    "Qwen at Alibaba": (
        "chat",
        Target("qwen3.8-max", chat=ChatServer(enable_thinking=True)),
        {"enable_thinking": False},
        False,
    ),
    "a Responses server with a switch": (
        "responses",
        Target("local", chat=SWITCH),
        {"reasoning": {"effort": "none"}},
        False,
    ),
    "a Responses server without effort none": (
        "responses",
        Target("local", chat=ChatServer(no_effort_none=True)),
        {"reasoning": {"effort": "low"}},
        True,
    ),
    "a Responses server without effort": (
        "responses",
        Target("local", chat=ChatServer(no_reasoning_effort=True)),
        {},
        True,
    ),
    "gemini 2.5 flash": ("gemini", of_gemini("gemini-2.5-flash"), {BUDGET: 0}, False),
    "gemini 2.5 pro": ("gemini", of_gemini("gemini-2.5-pro"), {BUDGET: 128}, True),
    "gemini 3 flash": ("gemini", of_gemini("gemini-3-flash-preview"), {LEVEL: "MINIMAL"}, True),
    "gemini 3.8 flash": ("gemini", of_gemini("gemini-3.8-flash"), {LEVEL: "LOW"}, True),
    "nova 2": ("converse", of_bedrock("amazon.nova-2-lite-v1:0"), {"reasoningConfig": {"type": "disabled"}}, False),
    "gpt-oss": ("converse", of_bedrock("openai.gpt-oss-120b-1:0"), {"reasoning_effort": "low"}, True),
    "gpt-5.6 on bedrock": ("converse", of_bedrock("openai.gpt-5.6-sol"), {"reasoning": {"effort": "none"}}, False),
    "gpt-6-astra on bedrock": ("converse", of_bedrock("openai.gpt-6-astra"), {"reasoning": {"effort": "low"}}, True),
    "claude": ("messages", of_claude("claude-opus-4-6"), {"thinking": {"type": "disabled"}}, False),
    ALWAYS: ("messages", of_claude("claude-fable-5"), {}, True),
}
FIELDS = ("reasoning", "reasoning_effort", "thinking", "enable_thinking", LEVEL, BUDGET, "reasoningConfig")


def written(vendor: str, target: Target, more: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the body says about thinking, and what was reported as dropped."""
    asked = {"model": "v/m", "max_tokens": 9999, "messages": [{"role": "user", "content": "Hi"}], **more}
    request, _ = fitted(loader.client("messages").read_request(asked).request, target, asked["model"])
    found = loader.vendor(vendor).write_request(request, target)
    config = found.body.get("generationConfig", {}).get("thinkingConfig", {})
    said = found.body | config | found.body.get("additionalModelRequestFields", {})
    return {name: said[name] for name in FIELDS if name in said}, found.dropped


PAIRS = [(case, off) for case in VENDORS for off in OFF if case not in (ALWAYS, ELSEWHERE) or off != "effort alone"]
"""The pair left out does not disable thinking; the last test covers it."""


@pytest.mark.parametrize(("case", "off"), PAIRS)
def test_off_becomes_the_vendors_off_or_its_lowest_level_and_is_reported(case: str, off: str) -> None:
    vendor, target, said, named = VENDORS[case]
    assert written(vendor, target, OFF[off]) == (said, ("thinking",) if named else ())


@pytest.mark.parametrize("case", VENDORS)
def test_requests_without_thinking_get_the_vendors_default(case: str) -> None:
    vendor, target, _, _ = VENDORS[case]
    assert written(vendor, target, {}) == ({}, ())


def test_a_claude_that_always_thinks_keeps_its_effort() -> None:
    asked = {"model": "v/claude-opus-5-5", **OFF["effort alone"]}
    said, named = written("responses", of_gpt("gpt-5.5"), asked)
    assert (said["reasoning"]["effort"], named) == ("high", ())
    claude_elsewhere = of_claude("anthropic/claude-opus-5.5")
    assert written("chat", claude_elsewhere, OFF["effort alone"]) == ({"reasoning_effort": "high"}, ())
    behind_an_alias = OFF["effort alone"] | {"model": "v/smart"}
    assert written("chat", claude_elsewhere, behind_an_alias) == ({"reasoning_effort": "high"}, ())
    assert written("chat", Target("local"), behind_an_alias) == ({"reasoning_effort": "none"}, ())
