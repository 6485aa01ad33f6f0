"""Thinking is fitted to the model that answers, whichever model the client expects."""

from __future__ import annotations

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


def effort(word: str) -> dict[str, Any]:
    return {"output_config": {"effort": word}}


KIND, LEVEL, BUDGET = "thinking.type", "output_config.effort", "thinking.budget_tokens"
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    # name: model, what the client sends, what the host gets, what is reported
    "adaptive": (SONNET_4_5, {"thinking": ADAPTIVE}, {"thinking": budget(20480)}, (KIND,)),
    "as Claude Code says it": (
        SONNET_4_5,
        {"thinking": ADAPTIVE | {"display": "omitted"}, **effort("low")},
        {"thinking": budget(4096, display="omitted")},
        (KIND, LEVEL),
    ),
    "in a short answer": (SONNET_4_5, {"thinking": ADAPTIVE, "max_tokens": 4000}, {"thinking": budget(2000)}, (KIND,)),
    "in a shorter one": (SONNET_4_5, {"thinking": ADAPTIVE, "max_tokens": 1500}, {}, (KIND,)),
    "beside a forced tool": (SONNET_4_5, {"thinking": ADAPTIVE, "tool_choice": {"type": "any"}}, {}, (KIND,)),
    "before a prefill": (SONNET_4_5, {"thinking": ADAPTIVE, "messages": [HI, turn()]}, {}, (KIND,)),
    "in a turn that began without": (
        SONNET_4_5,
        {"thinking": ADAPTIVE, "messages": [HI, turn(CALL), RESULT]},
        {},
        (KIND,),
    ),
    "in a turn that began with it": (
        SONNET_4_5,
        {"thinking": ADAPTIVE, "messages": [HI, turn(THOUGHT, CALL), RESULT]},
        {"thinking": budget(20480)},
        (KIND,),
    ),
    "of a model that never thinks": (HAIKU, {"thinking": ADAPTIVE}, {}, (KIND,)),
    "adaptive where it is known": (OPUS_4_6, {"thinking": ADAPTIVE}, {"thinking": ADAPTIVE}, ()),
    "a budget where it is known": (OPUS_4_6, {"thinking": budget(2000)}, {"thinking": budget(2000)}, ()),
    "a budget where it is not": (
        OPUS_4_7,
        {"thinking": budget(2000)},
        {"thinking": ADAPTIVE, **effort("low")},
        (BUDGET,),
    ),
    "a budget and an effort": (
        OPUS_5_5,
        {"thinking": budget(2000), **effort("max")},
        {"thinking": ADAPTIVE, **effort("max")},
        (BUDGET,),
    ),
    "off where it cannot be": (OPUS_5_5, {"thinking": DISABLED}, {}, (KIND,)),
    "off by its other name": (SONNET_5_5, {"thinking": DISABLED}, {"thinking": {"type": "between_tools"}}, (KIND,)),
    "the other name where there is one": (
        OPUS_4_6,
        {"thinking": {"type": "between_tools"}},
        {"thinking": DISABLED},
        (KIND,),
    ),
    "off": (OPUS_4_6, {"thinking": DISABLED}, {"thinking": DISABLED}, ()),
    "a level too high": (OPUS_4_6, effort("xhigh"), effort("high"), (LEVEL,)),
    "the highest": (OPUS_4_6, effort("max"), effort("max"), ()),
    "too high for a beta": (OPUS_4_5, effort("max"), effort("high"), (LEVEL,)),
    "no levels at all": (SONNET_4_5, effort("low"), {}, (LEVEL,)),
    "a model that no name tells": (
        "claude-something",
        {"thinking": ADAPTIVE, **effort("xhigh")},
        {"thinking": ADAPTIVE, **effort("xhigh")},
        (),
    ),
    "nothing said": (OPUS_5_5, {}, {}, ()),
}


@pytest.mark.parametrize("case", CASES)
def test_thinking_is_fitted_to_the_model(case: str) -> None:
    model, said, left, named = CASES[case]
    document = {"max_tokens": 32000, "messages": [HI]} | said
    raw = json.dumps(document).encode()
    body, dropped = fit_thinking(raw, document, profile(model))
    beside = {name: value for name, value in document.items() if name not in ("thinking", "output_config")}
    assert json.loads(body) == beside | left
    assert dropped == named
    assert body == raw or dropped
