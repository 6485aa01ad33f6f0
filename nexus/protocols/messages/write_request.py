"""A neutral request, written as the body of ``POST /v1/messages`` for a Messages vendor.

The same request gives the same bytes, so that prompt caches are hit. What a model supports is in ``target.claude``,
never derived from its name. Source: anthropic.types.message_create_params.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import dropwhile

from nexus.conversation.parts import Request
from nexus.errors import UnsupportedFeature
from nexus.models.claude import PROPERTY_KEYS, Claude
from nexus.protocols.checks import Drops
from nexus.protocols.codec import Target, VendorRequest
from nexus.protocols.cutter import cut_for
from nexus.protocols.dispositions import left_out, tier_for
from nexus.protocols.messages.fields import WRITES
from nexus.protocols.messages.needed_thinking import OFF, ON, lacks_thinking, must_be_off
from nexus.protocols.messages.thinking import ThinkingPlan, plan_thinking
from nexus.protocols.messages.tools import write_tooling
from nexus.protocols.messages.turns import write_turns
from nexus.protocols.messages.write_parts import Block, write_text
from nexus.protocols.rejected import leave_out
from nexus.protocols.renaming import rename
from nexus.wire import Json, only

BREAKPOINTS = 4
"""Maximum number of cache breakpoints of the API; the last ones are kept."""

_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def write_request(request: Request, target: Target) -> VendorRequest:
    request, renaming = rename(request, target.claude.tool_names, PROPERTY_KEYS)
    drops = Drops(left_out(WRITES, request))
    system = [block for part in request.system if (block := write_text(part, drops)) is not None]
    turns = write_turns(system, request.messages, target.claude, drops)
    tooling = write_tooling(request, target, drops)
    form = tooling.form
    words = [{"type": "text", "text": form.instruction}] if form.instruction else []
    format = None if form.format is None else {"type": "json_schema", "schema": form.format.schema}
    plan = plan_thinking(request, target, allows_budget=turns.allows_budget and not tooling.forced)
    if plan.dropped:
        drops.add("thinking")
    if plan.lost:
        drops.add(plan.lost)
    # Arguments of calls are not searched for stop sequences; Claude refuses those of only white space.
    stops = () if form.call else request.stop
    cut = cut_for(request, tuple(stop for stop in stops if not stop.strip()), drops)
    members: dict[str, Json] = {
        "model": target.model,
        "max_tokens": plan.max_tokens,
        "system": [*turns.leading, *words] or None,
        "messages": turns.wire(),
        "tools": tooling.tools or None,
        "tool_choice": tooling.choice,
        "thinking": plan.config,
        "output_config": only({"effort": plan.effort, "format": format}) or None,
        "stop_sequences": [stop for stop in stops if stop.strip()] or None,
        "metadata": {"user_id": request.user} if request.user is not None else None,
        "service_tier": tier_for(request, _TIERS, drops),
        "stream": True if request.stream else None,
    }
    if target.claude.strict_thinking and must_be_off(members):
        members |= {"thinking": OFF, "output_config": only({"format": format}) or None}
        drops.add("thinking")
    if target.claude.needs_thinking and lacks_thinking(members):
        members["thinking"] = dict(ON)
        drops.add(*(("thinking",) if request.thinking is not None else ()))
    body = only(members) | _write_sampling(request, plan, target.claude, drops)
    _limit_breakpoints(body, drops)
    leave_out(body, target.rejected, drops)
    renaming = renaming.with_keys(tooling.answer_tool, tooling.answer_keys)
    return VendorRequest(
        body,
        drops.names,
        tooling.answer_tool,
        cut=cut,
        wants_thinking=plan.budgeted,
        renaming=renaming,
        answer_call=form.call,
    )


def _write_sampling(request: Request, plan: ThinkingPlan, claude: Claude, drops: Drops) -> dict[str, Json]:
    """Temperature, top_p and top_k, if the model and its thinking allow them."""
    if request.temperature is not None and not 0 <= request.temperature <= 1:
        raise UnsupportedFeature.about("temperature", "Claude accepts 0 to 1")
    wire: dict[str, Json] = {}
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(request, name)
        if value is None:
            continue
        taken = name == "top_p" and claude.sampling == "one" and "temperature" in wire
        if taken or claude.sampling == "none" or (plan.on and not _allowed_with_thinking(name, value)):
            drops.add(name)
        else:
            wire[name] = value
    return wire


def _allowed_with_thinking(name: str, value: float) -> bool:
    return (name == "temperature" and value == 1) or (name == "top_p" and 0.95 <= value <= 1)


def _limit_breakpoints(body: Block, drops: Drops) -> None:
    """The API rejects more than four breakpoints, and one of an hour after one of five minutes, unlike OpenAI's."""
    marked = list(_marked(body))
    surplus = max(0, len(marked) - BREAKPOINTS)
    for block in marked[:surplus]:
        del block["cache_control"]
        drops.add("cache")
    hinted = (block["cache_control"] for block in marked[surplus:])
    for hint in dropwhile(lambda hint: "ttl" in hint, hinted):
        if hint.pop("ttl", None) is not None:
            drops.add("cache_ttl")


def _marked(body: Block) -> Iterator[Block]:
    """The blocks with a breakpoint, in the order in which the API builds the prompt."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    for message in body["messages"]:
        for block in message["content"]:
            if block["type"] == "tool_result":
                blocks += block.get("content", ())
            blocks.append(block)
    return (block for block in blocks if "cache_control" in block)


_COUNTED = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config")
"""Fields of ``POST /v1/messages/count_tokens``. Source: anthropic.types.message_count_tokens_params."""


def write_count(request: Request, target: Target) -> dict[str, Json]:
    """The body of a count: the same prompt, without everything that only affects the answer."""
    body = write_request(request, target).body
    return {name: body[name] for name in _COUNTED if name in body}
