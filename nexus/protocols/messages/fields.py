"""Dispositions of the messages dialect as data: what becomes of every field, in both directions.

Complete and exact. ``READS`` has every top-level field of the published request types (stable, beta, token
counting, and what older clients still send), ``WRITES`` every field of the neutral Request; the reader is driven by
``READS`` where a field is dropped or refused whole, and a test sends each field and looks. Source:
anthropic.types(.beta).message_create_params of the Python SDK 2.12.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

NO_THREADS = "conversations are not stored; send the whole history"

READS: Mapping[str, Disposition] = {
    "model": converted("", "chosen by the route"),
    "messages": carried(
        "messages",
        "search results become text documents; server tools' blocks, files, citations and unknown blocks are refused",
    ),
    "system": converted("system", "less Claude Code's x-anthropic-billing-header block, which is no content"),
    "max_tokens": carried("max_tokens", "not demanded here: token counting has none"),
    "stream": carried("stream"),
    "stop_sequences": carried("stop"),
    "temperature": carried("temperature", "0 to 1"),
    "top_p": carried("top_p"),
    "top_k": carried("top_k"),
    "tools": carried(
        "tools",
        "custom tools; bash, text_editor, memory and computer, which the client runs, as functions with their schemas; "
        "those with defer_loading once the history has found or called them, at once where Anthropic's tool search was "
        "to find them, which is dropped; web_search is the vendor's own where the model's web_search setting is on; "
        "other tools that Anthropic defines or runs, and that one elsewhere, are refused by their type",
    ),
    "tool_choice": converted("tool_choice", "disable_parallel_tool_use becomes `parallel_tools`"),
    "thinking": converted(
        "thinking",
        "between_tools counts as off, and so does effort without `thinking`, but for a Claude that always thinks; "
        "display omitted as not visible",
    ),
    "output_config": converted("output_format", "effort becomes `thinking.effort`; task_budget is dropped"),
    "output_format": converted("output_format", "the older place of output_config.format"),
    "metadata": converted("user", "user_id; other keys are dropped"),
    "service_tier": converted("service_tier", "standard_only becomes default"),
    "cache_control": converted("messages", "marks the last block, as the API does"),
    "anthropic_beta": dropped("betas are an agreement with Anthropic's own servers"),
    "anthropic_version": dropped("the version is the route's"),
    "betas": dropped("betas are an agreement with Anthropic's own servers"),
    "context_management": dropped("the history is sent whole"),
    "diagnostics": dropped("Anthropic's cache diagnosis"),
    "fallback_credit_token": dropped("a credit at Anthropic"),
    "fallbacks": dropped("fallbacks are configured in the gateway"),
    "speed": dropped("a tier of Anthropic's own servers"),
    "user_profile_id": dropped("an account at Anthropic"),
    "workspace_id": dropped("an account at Anthropic"),
    "billing_policy": refused("nobody else can be billed through the gateway; leave the field out"),
    "compaction": refused("a compaction request has no counterpart at other vendors; leave the field out"),
    "container": refused("containers live at Anthropic; leave the field out"),
    "inference_geo": refused("the gateway cannot promise a region at another vendor; choose the model's route instead"),
    "mcp_servers": refused("other vendors do not connect to MCP servers; connect in the client and send tools"),
    "thread": refused(NO_THREADS),
}
"""Of a client's request. A refused field is refused when it holds something; null, {} and [] ask for nothing."""

PATHS: Mapping[str, str] = {
    "tools.parameters": "tools.input_schema",
    "thinking.effort": "output_config.effort",
    "thinking.budget": "thinking.budget_tokens",
}
"""What a client calls parts of neutral fields that it has elsewhere than the whole."""

HEADERS = frozenset({"anthropic-beta"})
"""Headers that ask for something; where the request is translated they are dropped like a field."""

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "consecutive turns of one role are merged; blocks without text are left out; reasoning goes back only when it "
        "was sealed by this dialect; tool results come first in their turn; system messages keep their place where the "
        "model takes the role and the API allows it there, otherwise they become <system> text of the user; a history "
        "that begins with the assistant gets a user turn of one line before it; a failed tool's images and documents "
        "follow its result, and a failure without words gets some",
    ),
    "system": carried(""),
    "tools": converted(
        "",
        "strict only where the model has it, as long as 20 strict tools, 24 optional properties and 16 unions are not "
        "passed, then off from the last tool on, named; a strict schema is closed as a format's is; unions at the root "
        "are merged, told in the description and named; names and property keys outside Claude's letters are replaced "
        "and mapped back; a history with calls but no tools gets stubs; a search is Anthropic's own",
    ),
    "tool_choice": converted(
        "",
        "required is any; where the model cannot be forced the one tool that must be called becomes a format with its "
        "schema, and the answer its call (without such a format an instruction, named); one of several is refused",
    ),
    "parallel_tools": converted("", "disable_parallel_tool_use of tool_choice"),
    "thinking": converted(
        "",
        "adaptive with effort, or a budget (minimal 1024, low 4096, medium 10240, high 20480, xhigh 24576, max 27648) "
        "that stays below max_tokens; budgets on adaptive models become effort (under 4096 low, under 16384 medium, "
        "else high); an effort that the model lacks becomes the nearest, named; left out where a forced tool, "
        "a prefill or unsigned history forbids a budget, or off is refused",
    ),
    "output_format": converted(
        "",
        "output_config.format with the schema closed as Anthropic's SDK does it (bounds become words of descriptions, "
        "named); a schema that cannot be, and any-object mode, is a forced tool, or refused with strict; where no tool "
        "can be forced it is an instruction after the system text, named",
    ),
    "max_tokens": converted("", "always sent: the request's own, else the model's setting and room for thinking"),
    "temperature": converted("", "0 to 1; above 1 is refused; dropped where the model or its thinking forbids it"),
    "top_p": converted("", "dropped where the model, its thinking or temperature forbids it"),
    "top_k": converted("", "dropped where the model or its thinking forbids it"),
    "stop": converted("", "empty ones are left out; ones of white space alone are refused"),
    "user": converted("", "metadata.user_id"),
    "service_tier": converted("", "auto; default becomes standard_only; other tiers are dropped"),
    "stream": carried(""),
    "include_usage": converted("", "usage is always sent"),
    "presence_penalty": dropped("no counterpart"),
    "frequency_penalty": dropped("no counterpart"),
    "seed": dropped("no counterpart"),
    "logprobs": dropped("no counterpart"),
    "top_logprobs": dropped("no counterpart"),
    "logit_bias": dropped("no counterpart"),
    "metadata": dropped("only a user id is taken"),
    "safety_identifier": dropped("only a user id is taken"),
    "image_output": dropped("Claude makes no images"),
    "prompt_cache_key": dropped("breakpoints on content blocks are kept"),
    "verbosity": dropped("no counterpart"),
}
"""Of a request to a vendor."""
