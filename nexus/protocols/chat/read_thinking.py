"""Whether and how much a chat client wants the model to think.

OpenAI's field is ``reasoning_effort``. Two fields of compatible servers are read in addition: OpenRouter's
``reasoning``, and ``thinking`` of Anthropic's own chat endpoint, DeepSeek, Kimi, GLM and LiteLLM; Google's
``thinking_config`` comes last. A field that contradicts an earlier one is reported as dropped. Sources: openrouter.ai,
"Reasoning tokens"; platform.claude.com, "OpenAI SDK compatibility"; api-docs.deepseek.com.
"""

from __future__ import annotations

from nexus.conversation.parts import Thinking
from nexus.dataclasses import replace
from nexus.protocols.chat.read_google import read_google_thinking
from nexus.protocols.checks import Body, Drops, asks_for, maybe_bool, maybe_whole
from nexus.protocols.openai_request import read_effort


def read_thinking(body: Body, google: Body | None, drops: Drops) -> Thinking | None:
    """``google`` is Google's ``thinking_config``. Raises InvalidRequest."""
    asked = read_effort(body.get("reasoning_effort"), "reasoning_effort")
    for name, read in (("reasoning", _read_reasoning), ("thinking", _read_switch)):
        wire = body.get(name)
        more = read(wire, drops) if isinstance(wire, dict) else None
        if more is not None:
            asked = more if asked is None else _joined(asked, more, name, drops)
        elif asks_for(name, wire):
            drops.add(name)
    if google is None:
        return asked
    more = read_google_thinking(google, asked, drops)
    return more if asked is None or more is None else _joined(asked, more, "extra_body.google.thinking_config", drops)


def _joined(asked: Thinking, other: Thinking, name: str, drops: Drops) -> Thinking:
    """``asked`` completed by ``other``; ``name`` is reported where they disagree."""
    if asked.enabled != other.enabled:
        drops.add(name)
    if not (asked.enabled and other.enabled):
        return asked
    effort, budget = asked.effort or other.effort, other.budget if asked.budget is None else asked.budget
    if other.effort not in (None, effort):
        drops.add(f"{name}.effort")
    return replace(asked, effort=effort, budget=budget, visible=asked.visible and other.visible)


def _read_reasoning(wire: Body, drops: Drops) -> Thinking | None:
    drops.unknown(wire, ("effort", "max_tokens", "enabled", "exclude"), "reasoning")
    wanted, budget = maybe_bool(wire, "enabled", "reasoning"), maybe_whole(wire, "max_tokens", 0, path="reasoning")
    visible = not maybe_bool(wire, "exclude", "reasoning")
    effort = read_effort(wire.get("effort"), "reasoning.effort", visible=visible)
    if wanted is False or budget == 0:
        return Thinking(False)
    if effort is not None:
        return replace(effort, budget=budget) if effort.enabled else effort
    return Thinking(True, budget=budget, visible=visible) if wanted or budget else None


def _read_switch(wire: Body, drops: Drops) -> Thinking | None:
    drops.unknown(wire, ("type", "budget_tokens", "display"), "thinking")
    budget = maybe_whole(wire, "budget_tokens", 0, path="thinking")
    match wire.get("type"):
        case "disabled":
            return Thinking(False)
        case "enabled" | "adaptive":
            return Thinking(budget != 0, budget=budget or None, visible=wire.get("display") != "omitted")
        case _:
            return None
