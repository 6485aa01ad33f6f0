"""Thinking is fitted to the model that answers, whichever model the client expects."""

import json
from typing import Any

import pytest

from nexus.models.claude import profile
from nexus.protocols.messages.hosted_thinking import fit_thinking

HI = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}
ADAPTIVE, DISABLED = {"type": "adaptive"}, {"type": "disabled"}
HAIKU, SONNET_4_5, OPUS_4_5 = "claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-5"
OPUS_4_6, OPUS_4_7, OPUS_5_5, SONNET_5_5 = "claude-opus-4-6", "claude-opus-4-7", "claude-opus-5-5", "claude-sonnet-5-5"


def budget(tokens: int, **more: Any) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": tokens, **more}


def turn(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def thinks(how: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"thinking": how, **more}


def effort(word: str) -> dict[str, Any]:
    return {"output_config": {"effort": word}}


KIND, LEVEL, BUDGET = "thinking.type", "output_config.effort", "thinking.budget_tokens"
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    # name: model, what the client sends, what the host gets, what is reported
    "adaptive": (SONNET_4_5, thinks(ADAPTIVE), thinks(budget(20480)), (KIND,)),
    "as Claude Code sends it": (
        SONNET_4_5,
        thinks(ADAPTIVE | {"display": "omitted"}, **effort("low")),
        thinks(budget(4096, display="omitted")),
        (KIND, LEVEL),
    ),
    "with a small max_tokens": (SONNET_4_5, thinks(ADAPTIVE, max_tokens=4000), thinks(budget(2000)), (KIND,)),
    "with a max_tokens below the smallest budget": (SONNET_4_5, thinks(ADAPTIVE, max_tokens=1500), {}, (KIND,)),
    "with a forced tool": (SONNET_4_5, {"thinking": ADAPTIVE, "tool_choice": {"type": "any"}}, {}, (KIND,)),
    "before a prefill": (SONNET_4_5, thinks(ADAPTIVE, messages=[HI, turn()]), {}, (KIND,)),
    "in a turn that began without thinking": (
        SONNET_4_5,
        thinks(ADAPTIVE, messages=[HI, turn(CALL), RESULT]),
        {},
        (KIND,),
    ),
    "in a turn that began with thinking": (
        SONNET_4_5,
        thinks(ADAPTIVE, messages=[HI, turn(THOUGHT, CALL), RESULT]),
        thinks(budget(20480)),
        (KIND,),
    ),
    "on a model without thinking": (HAIKU, thinks(ADAPTIVE), {}, (KIND,)),
    "adaptive on a model that supports it": (OPUS_4_6, thinks(ADAPTIVE), thinks(ADAPTIVE), ()),
    "a budget on a model that supports it": (OPUS_4_6, thinks(budget(2000)), thinks(budget(2000)), ()),
    "a budget on an adaptive-only model": (
        OPUS_4_7,
        thinks(budget(2000)),
        thinks(ADAPTIVE, **effort("low")),
        (BUDGET,),
    ),
    "a budget and an effort": (
        OPUS_5_5,
        thinks(budget(2000), **effort("max")),
        thinks(ADAPTIVE, **effort("max")),
        (BUDGET,),
    ),
    "off on a model that always thinks": (OPUS_5_5, thinks(DISABLED), {}, (KIND,)),
    "off becomes between_tools": (SONNET_5_5, thinks(DISABLED), thinks({"type": "between_tools"}), (KIND,)),
    "between_tools becomes off": (OPUS_4_6, thinks({"type": "between_tools"}), thinks(DISABLED), (KIND,)),
    "off": (OPUS_4_6, thinks(DISABLED), thinks(DISABLED), ()),
    "a level too high": (OPUS_4_6, effort("xhigh"), effort("high"), (LEVEL,)),
    "the highest level": (OPUS_4_6, effort("max"), effort("max"), ()),
    "a level that the beta lacks": (OPUS_4_5, effort("max"), effort("high"), (LEVEL,)),
    "no levels at all": (SONNET_4_5, effort("low"), {}, (LEVEL,)),
    "an unknown model": (
        "claude-something",
        thinks(ADAPTIVE, **effort("xhigh")),
        thinks(ADAPTIVE, **effort("xhigh")),
        (),
    ),
    "no thinking field": (OPUS_5_5, {}, {}, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_thinking_is_fitted_to_the_model(case: str) -> None:
    model, said, left, named = CASES[case]
    document = {"max_tokens": 32000, "messages": [HI]} | said
    raw = json.dumps(document).encode()
    body, dropped = fit_thinking(raw, profile(model))
    beside = {name: value for name, value in document.items() if name not in ("thinking", "output_config")}
    assert json.loads(body) == beside | left
    assert dropped == named
    assert body == raw or dropped
