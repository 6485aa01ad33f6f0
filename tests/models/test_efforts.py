"""One table maps efforts to budgets: a model gets the same request whichever dialect stated them."""

from typing import Any

import pytest

from nexus.conversation.parts import Effort, Message, Request, Text, Thinking
from nexus.models import bedrock, claude, gemini, gpt
from nexus.models.efforts import COMMON, GOOGLE, claude_budget
from nexus.protocols.codec import Target
from tests.laws.kit import write

HI = (Message("user", (Text("Hi"),)),)
SOL, SONNET = "openai.gpt-5.6-sol", "anthropic.claude-sonnet-4-5"


def said(vendor: str, thinking: Thinking, target: Target, **more: Any) -> Any:
    body = write(vendor, Request(HI, thinking=thinking, **more), target).body
    config = body.get("generationConfig", {}).get("thinkingConfig", {}) | body.get("additionalModelRequestFields", {})
    asked = config | body
    effort = asked.get("reasoning", {}).get("effort") or asked.get("output_config", {}).get("effort")
    return effort or asked.get("reasoning_effort") or asked.get("thinkingLevel", "").lower() or asked.get("thinking")


FACTS = gpt.known(SOL)
EFFORTS: dict[str, tuple[str, Target]] = {
    "GPT on chat": ("chat", Target(SOL, gpt=FACTS)),
    "GPT on Responses": ("responses", Target(SOL, gpt=FACTS)),
    "GPT on Bedrock": ("converse", Target(SOL, converse=bedrock.profile(SOL))),
    "gpt-oss on Bedrock": ("converse", Target("o", converse=bedrock.profile("openai.gpt-oss-20b-1:0"))),
    "a compatible server": ("chat", Target("local")),
    "Claude": ("messages", Target("c", claude=claude.profile("claude-opus-5"))),
}
OF_BUDGET: dict[int, Effort] = {
    1024: "low",
    4095: "low",
    4096: "medium",
    10000: "medium",
    16383: "medium",
    16384: "high",
    31999: "high",
}


@pytest.mark.parametrize("to", EFFORTS)
@pytest.mark.parametrize("budget", OF_BUDGET)
def test_a_budget_is_the_same_effort_at_every_vendor(to: str, budget: int) -> None:
    vendor, target = EFFORTS[to]
    assert said(vendor, Thinking(True, budget=budget), target) == OF_BUDGET[budget]


@pytest.mark.parametrize(("budget", "level"), [(1024, "low"), (1025, "medium"), (8192, "medium"), (8193, "high")])
def test_google_has_its_own_table(budget: int, level: str) -> None:
    assert (
        said("gemini", Thinking(True, budget=budget), Target("g", gemini=gemini.profile("gemini-3.8-flash"))) == level
    )


@pytest.mark.parametrize("ladder", [COMMON, GOOGLE])
def test_higher_efforts_never_have_smaller_budgets(ladder: Any) -> None:
    budgets = [1 << 30 if budget is None else budget for budget in ladder.budgets.values()]
    assert budgets == sorted(budgets)


def test_a_budget_of_claude_is_below_the_limit_of_the_answer() -> None:
    assert [claude_budget("high", limit) for limit in (20481, 20480)] == [20480, 10240]
