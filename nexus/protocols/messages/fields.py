"""What happens to every field of a messages request, in both directions: stable, beta, token counting, and what older
clients still send. Source: anthropic.types(.beta).message_create_params of the Python SDK 2.12.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

NO_THREADS = "conversations are not stored; send the whole history"

READS: Mapping[str, Disposition] = {
    "model": converted("", "set by the route"),
    "messages": carried(
        "messages",
        "search results become text documents; calls and results of Anthropic's server tools become those of "
        "functions, with the readable part of the results, and everything before a compaction becomes its "
        "summary, all reported; "
        "`fallback` blocks and tool searches are left out and reported; files, requested citations and unknown blocks "
        "are refused",
    ),
    "system": converted("system", "without Claude Code's `x-anthropic-billing-header` block, which is not content"),
    "max_tokens": carried(
        "max_tokens",
        "optional here, because token counting has none; 0, which only warms the cache, is sent as the "
        "vendor's minimum and reported, and the answer is empty",
    ),
    "stream": carried("stream"),
    "stop_sequences": carried("stop"),
    "temperature": carried("temperature", "0 to 1"),
    "top_p": carried("top_p"),
    "top_k": carried("top_k"),
    "tools": carried(
        "tools",
        "custom tools; `bash`, `text_editor`, `memory` and `computer`, which the client runs, become "
        "functions with their schemas; those with `defer_loading` are sent once the history has found "
        "or called them, or immediately if Anthropic's tool search was to find them; that search "
        "itself is dropped; `web_search` becomes the vendor's own search if the model has `web_search "
        "= true`, else it is refused; other tools that Anthropic defines or runs are dropped by "
        "their type",
    ),
    "tool_choice": converted("tool_choice", "`disable_parallel_tool_use` becomes `parallel_tools`"),
    "thinking": converted(
        "thinking",
        "`between_tools`, and effort without `thinking`, count as off, except for Claude models that "
        "always think; `display: omitted` becomes not visible",
    ),
    "output_config": converted("output_format", "`effort` becomes `thinking.effort`; `task_budget` is dropped"),
    "output_format": converted("output_format", "the older name of `output_config.format`"),
    "metadata": converted("user", "`user_id`; other keys are dropped"),
    "service_tier": converted("service_tier", "`standard_only` becomes `default`"),
    "cache_control": converted("messages", "marks the last block, as in the API"),
    "anthropic_beta": dropped("betas only apply to Anthropic's API"),
    "anthropic_version": dropped("set by the route"),
    "betas": dropped("betas only apply to Anthropic's API"),
    "context_management": dropped("the client's whole history is sent"),
    "diagnostics": dropped("Anthropic's cache diagnostics"),
    "fallback_credit_token": dropped("a credit at Anthropic"),
    "fallbacks": dropped("fallbacks are configured in the gateway"),
    "speed": dropped("a tier of Anthropic's API"),
    "user_profile_id": dropped("an account at Anthropic"),
    "workspace_id": dropped("an account at Anthropic"),
    "billing_policy": refused("the gateway cannot bill another account; leave the field out"),
    "compaction": refused("compaction requests cannot be translated; leave the field out"),
    "container": refused("containers are only available at Anthropic; leave the field out"),
    "inference_geo": refused(
        "the gateway cannot guarantee a region at another vendor; choose a model of a provider in that region"
    ),
    "mcp_servers": refused("other vendors do not connect to MCP servers; connect in the client and send tools"),
    "thread": refused(NO_THREADS),
}

PATHS: Mapping[str, str] = {
    "tools.parameters": "tools.input_schema",
    "thinking.effort": "output_config.effort",
    "thinking.budget": "thinking.budget_tokens",
}

HEADERS = frozenset({"anthropic-beta"})

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "consecutive turns of one role are merged; blocks without text are left out; reasoning is "
        "sent back only if this protocol signed it; tool results come first in their turn; system "
        "messages keep their place if the model accepts the role and the API allows it there, "
        "otherwise they become user text in `<system>` tags; if the history begins with the "
        "assistant, a user turn of one line is put before it; images and documents of a failed tool "
        "follow its result, and a failure without text gets one; URLs of images and documents are "
        "refused on Bedrock and Vertex AI; a cache breakpoint of an hour after one of five minutes is shortened",
    ),
    "system": carried(""),
    "tools": converted(
        "",
        "`strict` only if the model supports it, and only up to 20 strict tools, 24 optional "
        "properties and 16 unions: beyond that it is turned off, from the last tool on, and reported; "
        "a strict schema is closed like that of a format; unions at the root are merged, noted in the "
        "description and reported; names and property keys that Claude does not allow are replaced "
        "and mapped back; a history with calls but no tools gets placeholder tools; a search is "
        "Anthropic's own",
    ),
    "tool_choice": converted(
        "",
        "`required` becomes `any`; if the model cannot be forced, the one tool that must be called "
        "becomes an output format with its schema, and the answer its call (without such a format: an "
        "instruction, reported); forcing one of several tools is refused",
    ),
    "parallel_tools": converted("", "`disable_parallel_tool_use` of `tool_choice`"),
    "thinking": converted(
        "",
        "adaptive with effort, or a budget (minimal 1024, low 4096, medium 10240, high 20480, xhigh "
        "24576, max 27648) that stays below `max_tokens`; a smaller one becomes 1024, which is reported; "
        "on adaptive models budgets become effort (below 4096 low, below 16384 medium, otherwise high); "
        "an effort that the model lacks becomes the nearest, which is reported; left out if a forced tool, "
        "a prefill or unsigned history rules out a budget, or if the model rejects off",
    ),
    "output_format": converted(
        "",
        "`output_config.format`, with the schema closed as Anthropic's SDK does it (constraints move "
        "into descriptions, reported); a schema that cannot be closed, and any-object mode, become a "
        "forced tool, or are refused with strict; models without structured output get a forced tool, "
        "and strict is reported; if no tool can be forced, an instruction after the system text, "
        "reported",
    ),
    "max_tokens": converted("", "always sent: the request's own, else the model's setting plus room for thinking"),
    "temperature": converted("", "0 to 1; above 1 is refused; dropped if the model or its thinking rules it out"),
    "top_p": converted("", "dropped if the model, its thinking or `temperature` rules it out"),
    "top_k": converted("", "dropped if the model or its thinking rules it out"),
    "stop": converted("", "Nexus cuts the answer at those with only whitespace, which Claude rejects"),
    "user": converted("", "`metadata.user_id`"),
    "service_tier": converted("", "`auto`; `default` becomes `standard_only`; other tiers are dropped"),
    "stream": carried(""),
    "include_usage": converted("", "usage is always sent"),
    **dict.fromkeys(
        ("presence_penalty", "frequency_penalty", "seed", "logprobs", "top_logprobs", "logit_bias"),
        dropped("no equivalent"),
    ),
    "metadata": dropped("only a user id is accepted"),
    "safety_identifier": dropped("only a user id is accepted"),
    "image_output": dropped("Claude does not make images"),
    "prompt_cache_key": dropped("breakpoints on content blocks are kept"),
    "cached_content": refused("the content is only available at Google; send it as messages"),
    "safety_settings": dropped("thresholds of Google's filters"),
    "verbosity": dropped("no equivalent"),
}
