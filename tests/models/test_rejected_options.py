"""Detects request fields meant for other models, when several models may answer the request."""

from typing import Any

import pytest

from nexus.models.claude import profile
from nexus.models.gpt import known
from nexus.protocols.codec import Target
from nexus.protocols.loader import DIALECTS

HELLO = [{"role": "user", "content": "Hello!"}]
PREFILL = [*HELLO, {"role": "assistant", "content": "{"}]
SYSTEM = [*HELLO, {"role": "system", "content": "Be brief."}]
ADAPTIVE = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2000}}

CLAUDE: dict[str, tuple[str, dict[str, Any], bool]] = {
    "adaptive thinking on an older model": ("claude-haiku-4-5", ADAPTIVE, True),
    "adaptive thinking": ("claude-sonnet-5-5", ADAPTIVE, False),
    "a budget on an adaptive-only model": ("claude-sonnet-5-5", BUDGET, True),
    "a budget": ("claude-haiku-4-5", BUDGET, False),
    "a budget on a model with both": ("claude-opus-4-6", BUDGET, False),
    "thinking off on a model that always thinks": ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, True),
    "thinking off, as other models accept it": ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, True),
    "thinking off, as only this model accepts it": (
        "claude-sonnet-5-5",
        {"thinking": {"type": "between_tools"}},
        False,
    ),
    "thinking off, as another model accepts it": ("claude-opus-5", {"thinking": {"type": "between_tools"}}, True),
    "thinking off with too high an effort": (
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}},
        True,
    ),
    "thinking off with an effort": (
        "claude-opus-5",
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}},
        False,
    ),
    "an unsupported effort": ("claude-opus-4-6", {"output_config": {"effort": "xhigh"}}, True),
    "unsupported sampling": ("claude-sonnet-5-5", {"temperature": 0.2}, True),
    "sampling at its default": ("claude-sonnet-5-5", {"temperature": 1}, False),
    "temperature and top_p": ("claude-sonnet-4-5", {"temperature": 0.2, "top_p": 0.5}, True),
    "temperature alone": ("claude-sonnet-4-5", {"temperature": 0.2}, False),
    "a forced tool": ("claude-sonnet-5-5", {"tool_choice": {"type": "any"}}, True),
    "a prefill on a model that rejects it": ("claude-sonnet-5-5", {"messages": PREFILL}, True),
    "a prefill on a model that accepts it": ("claude-sonnet-4-5", {"messages": PREFILL}, False),
    "a system message in the middle": ("claude-haiku-4-5", {"messages": SYSTEM}, True),
    "an unknown model": ("some-model", ADAPTIVE, False),
    "none of these fields": ("claude-haiku-4-5", {"max_tokens": 64}, False),
}

GPT: dict[str, tuple[str, dict[str, Any], bool]] = {
    "the old name of the limit, which passthrough replaces": ("gpt-5.5", {"max_tokens": 64}, False),
    "max_completion_tokens and a default temperature": (
        "gpt-5.5",
        {"max_completion_tokens": 64, "temperature": 1},
        False,
    ),
    "sampling with thinking": ("gpt-5.5", {"temperature": 0.2}, True),
    "sampling without thinking": ("gpt-5.5", {"temperature": 0.2, "reasoning_effort": "none"}, False),
    "OpenRouter's thinking": ("gpt-5.5", {"reasoning": {"effort": "high"}}, True),
    "another server's thinking field": ("gpt-4.1", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, True),
    "an effort on a model without thinking": ("gpt-4.1", {"reasoning_effort": "high"}, True),
    "a verbosity on a model without it": ("gpt-4.1", {"verbosity": "low"}, True),
    "an effort that may exist on a later model": ("gpt-7", {"reasoning_effort": "max"}, False),
    "a model that does not think": ("gpt-4.1", {"max_tokens": 64, "temperature": 0.2}, False),
    "another server's model": ("llama", {"max_tokens": 64, "temperature": 0.2}, False),
}


SEALED = {"include": ["reasoning.encrypted_content"]}
RESPONSES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "encrypted thinking": ("gpt-5.5", SEALED, False),
    "encrypted thinking on a model without thinking": ("gpt-4.1", SEALED, True),
    "encrypted thinking on an unknown model": ("gpt-7", SEALED, False),
    "an effort": ("gpt-5.5", {"reasoning": {"effort": "xhigh"}}, False),
    "an unsupported effort": ("gpt-5", {"reasoning": {"effort": "xhigh"}}, True),
    "a verbosity": ("gpt-5.5", {"text": {"verbosity": "low"}}, False),
    "a verbosity on a model without it": ("gpt-4.1", {"text": {"verbosity": "low"}}, True),
    "sampling with thinking": ("gpt-5.5", {"temperature": 0.2}, True),
}


@pytest.mark.parametrize(("model", "document", "others"), CLAUDE.values(), ids=CLAUDE.keys())
def test_fields_of_other_claude_models_are_detected(model: str, document: dict[str, Any], others: bool) -> None:
    target = Target(model, claude=profile(model))
    assert DIALECTS["messages"].uses_rejected_options({"messages": HELLO, **document}, target) == others


@pytest.mark.parametrize(
    ("dialect", "model", "document", "others"),
    [*(("chat", *row) for row in GPT.values()), *(("responses", *row) for row in RESPONSES.values())],
    ids=[*GPT, *(f"responses: {name}" for name in RESPONSES)],
)
def test_fields_of_other_gpt_models_are_detected(
    dialect: str, model: str, document: dict[str, Any], others: bool
) -> None:
    assert DIALECTS[dialect].uses_rejected_options(document, Target(model, gpt=known(model))) == others
