"""Dispositions of the messages dialect as data: what becomes of every field, in both directions.

Law: complete and exact. ``READS`` has every top-level field of the published request types (stable, beta, token
counting, and what older clients still send), ``WRITES`` every field of the neutral Request; the reader is driven by
``READS`` where a field is dropped or refused whole, and a test sends each field and looks. Source:
anthropic.types(.beta).message_create_params of the Python SDK 2.12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["carried", "converted", "dropped", "refused"]


@dataclass(frozen=True, slots=True)
class Disposition:
    """``field`` is the neutral Request field that a wire field becomes; None when there is none."""

    kind: Kind
    note: str = ""
    field: str | None = None


def _carried(field: str, note: str = "") -> Disposition:
    return Disposition("carried", note, field)


def _converted(field: str, note: str) -> Disposition:
    return Disposition("converted", note, field)


def _dropped(note: str) -> Disposition:
    return Disposition("dropped", note)


def _refused(note: str) -> Disposition:
    return Disposition("refused", note)


READS: Mapping[str, Disposition] = {
    "model": _converted("", "chosen by the route"),
    "messages": _carried(
        "messages",
        "search results become text documents; server tools' blocks, files, citations and unknown blocks are refused",
    ),
    "system": _carried("system"),
    "max_tokens": _carried("max_tokens", "not demanded here: token counting has none"),
    "stream": _carried("stream"),
    "stop_sequences": _carried("stop"),
    "temperature": _carried("temperature", "0 to 1"),
    "top_p": _carried("top_p"),
    "top_k": _carried("top_k"),
    "tools": _carried("tools", "custom tools; tools that Anthropic defines or runs are refused by their type"),
    "tool_choice": _converted("tool_choice", "disable_parallel_tool_use becomes `parallel_tools`"),
    "thinking": _converted("thinking", "between_tools counts as off; display omitted as not visible"),
    "output_config": _converted("output_format", "effort becomes `thinking.effort`; task_budget is dropped"),
    "output_format": _converted("output_format", "the older place of output_config.format"),
    "metadata": _converted("user", "user_id; other keys are dropped"),
    "service_tier": _converted("service_tier", "standard_only becomes default"),
    "cache_control": _converted("messages", "marks the last block, as the API does"),
    "anthropic_beta": _dropped("betas are an agreement with Anthropic's own servers"),
    "anthropic_version": _dropped("the version is the route's"),
    "betas": _dropped("betas are an agreement with Anthropic's own servers"),
    "context_management": _dropped("the history is sent whole"),
    "diagnostics": _dropped("Anthropic's cache diagnosis"),
    "fallback_credit_token": _dropped("a credit at Anthropic"),
    "fallbacks": _dropped("fallbacks are configured in the gateway"),
    "speed": _dropped("a tier of Anthropic's own servers"),
    "user_profile_id": _dropped("an account at Anthropic"),
    "workspace_id": _dropped("an account at Anthropic"),
    "billing_policy": _refused("nobody else can be billed through the gateway; leave the field out"),
    "compaction": _refused("a compaction request has no counterpart at other vendors; leave the field out"),
    "container": _refused("containers live at Anthropic; leave the field out"),
    "inference_geo": _refused(
        "the gateway cannot promise a region at another vendor; choose the model's route instead"
    ),
    "mcp_servers": _refused("other vendors do not connect to MCP servers; connect in the client and send tools"),
    "thread": _refused("conversations are not stored; send the whole history"),
}
"""Of a client's request. A refused field is refused when it holds something; null, {} and [] ask for nothing."""

WRITES: Mapping[str, Disposition] = {
    "messages": _converted(
        "",
        "consecutive turns of one role are merged; blocks without text are left out; reasoning goes back only when it "
        "was sealed by this dialect; tool results come first in their turn; system messages keep their place where the "
        "model takes the role and the API allows it there, otherwise they become <system> text of the user; a history "
        "that begins with the assistant gets a user turn of one line before it",
    ),
    "system": _carried(""),
    "tools": _converted("", "strict only where the model has it; a history with calls but no tools gets stubs"),
    "tool_choice": _converted("", "required is any; refused where the model cannot be forced"),
    "parallel_tools": _converted("", "disable_parallel_tool_use of tool_choice"),
    "thinking": _converted(
        "",
        "adaptive with effort, or a budget (minimal 1024, low 4096, medium 10240, high 20480, xhigh 24576, max 27648) "
        "that stays below max_tokens; budgets on adaptive models become effort (under 4096 low, under 16384 medium, "
        "else high); left out where a forced tool, a prefill or unsigned history forbids a budget, or off is refused",
    ),
    "output_format": _converted("", "output_config.format, or a forced tool; any-object mode is always the tool"),
    "max_tokens": _converted("", "always sent: the request's own, else the model's setting and room for thinking"),
    "temperature": _converted("", "0 to 1; above 1 is refused; dropped where the model or its thinking forbids it"),
    "top_p": _converted("", "dropped where the model, its thinking or temperature forbids it"),
    "top_k": _converted("", "dropped where the model or its thinking forbids it"),
    "stop": _converted("", "empty ones are left out; ones of white space alone are refused"),
    "user": _converted("", "metadata.user_id"),
    "service_tier": _converted("", "auto; default becomes standard_only; other tiers are dropped"),
    "stream": _carried(""),
    "include_usage": _converted("", "usage is always sent"),
    "presence_penalty": _dropped("no counterpart"),
    "frequency_penalty": _dropped("no counterpart"),
    "seed": _dropped("no counterpart"),
    "logprobs": _dropped("no counterpart"),
    "top_logprobs": _dropped("no counterpart"),
    "logit_bias": _dropped("no counterpart"),
    "metadata": _dropped("only a user id is taken"),
}
"""Of a request to a vendor."""
