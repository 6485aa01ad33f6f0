"""Thinking levels and stop sequences that a model family does not support."""

import pytest

from nexus.conversation.parts import Message, Request, Text, Thinking
from nexus.models.bedrock import profile
from nexus.protocols.codec import Cut, Target, VendorRequest
from nexus.protocols.converse.write_request import write_request

HI = Message("user", (Text("hi"),))
GPT_OSS, GPT, QWEN = "openai.gpt-oss-120b-1:0", "us.openai.gpt-5.6-sol", "qwen.qwen3-32b-v1:0"
GROK, K3 = "global.xai.grok-4.7", "us.moonshotai.kimi-k3"


def write(request: Request, model: str) -> VendorRequest:
    return write_request(request, Target(model, converse=profile(model)))


LESS = {
    "gpt-oss cannot stop": (GPT_OSS, Thinking(False), {"reasoning_effort": "low"}, "thinking"),
    "gpt-oss: no xhigh": (GPT_OSS, Thinking(True, effort="xhigh"), {"reasoning_effort": "high"}, "thinking.effort"),
    "gpt-5.6: no minimal": (GPT, Thinking(True, effort="minimal"), {"reasoning": {"effort": "low"}}, "thinking.effort"),
    "grok: no max": (GROK, Thinking(True, effort="max"), {"reasoning": {"effort": "xhigh"}}, "thinking.effort"),
    "qwen3: no low": (QWEN, Thinking(True, effort="low"), {"reasoning_config": "high"}, "thinking.effort"),
    "gpt-6-astra cannot stop": ("us.openai.gpt-6-astra", Thinking(False), {"reasoning": {"effort": "low"}}, "thinking"),
}


@pytest.mark.parametrize("case", LESS)
def test_an_unsupported_level_becomes_the_nearest_and_is_reported(case: str) -> None:
    model, thinking, extra, lost = LESS[case]
    written = write(Request((HI,), thinking=thinking), model)
    assert written.body["additionalModelRequestFields"] == extra
    assert written.dropped == (lost,)


SENT = {
    "max": (GPT, Thinking(True, effort="max"), {"reasoning": {"effort": "max"}}),
    "the model's choice": (QWEN, Thinking(True), {"reasoning_config": "high"}),
    "off is the default": (QWEN, Thinking(False), None),
}


@pytest.mark.parametrize("case", SENT)
def test_a_supported_level_is_sent(case: str) -> None:
    model, thinking, extra = SENT[case]
    written = write(Request((HI,), thinking=thinking), model)
    assert (written.body.get("additionalModelRequestFields"), written.dropped) == (extra, ())


def test_stop_sequences_that_a_family_rejects_are_cut_by_nexus() -> None:
    written = write(Request((HI,), stop=("x",)), GPT_OSS)
    assert written.cut == Cut(("x",)) and "inferenceConfig" not in written.body


@pytest.mark.parametrize(("model", "asked", "sent", "cut"), [(GROK, 1, 16, 1), (K3, 15, 16, 15), (K3, 16, 16, None)])
def test_a_limit_below_the_minimum_is_enforced_by_nexus(model: str, asked: int, sent: int, cut: int | None) -> None:
    """Claude Code asks every model that it switches to for one token."""
    written = write(Request((HI,), max_tokens=asked), model)
    assert written.body["inferenceConfig"] == {"maxTokens": sent}
    assert written.cut == Cut(max_tokens=cut)
    assert written.dropped == (("max_tokens",) if cut else ())
