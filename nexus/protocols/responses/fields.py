"""What happens to every field of a responses request, in both directions, including what Codex adds. Source:
openai.types.responses.response_create_params of the Python SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

_STATELESS = (
    "translated answers are not stored (server.response_store is off); send `store: false`, and the whole "
    "conversation in `input`"
)
_CONVERSATION = "conversations are only stored at OpenAI; send the whole conversation in `input`"

READS: Mapping[str, Disposition] = {
    "input": converted(
        "messages",
        "messages, reasoning, function and custom tool calls with their outputs, calls of OpenAI "
        "tools that the client runs (local shell, shell, apply patch, computer), and tool searches by "
        "the client; `additional_tools` and the tools found by such a search join `tools`; an "
        "`image_generation_call` with its image becomes an image of the assistant; MCP calls, code "
        "interpreter and file search calls become calls of functions with their results, and are "
        "reported, as are an approval request for an MCP call and the decision on it, and a program with its output; "
        "`web_search_call` is dropped (the following text has its findings), as is "
        "`mcp_list_tools`; a compaction made by Nexus becomes its "
        "text, one made by OpenAI is dropped; a `compaction_trigger` asks the model for a summary; the "
        "last `configuration_update` overrides the request's effort and format; an "
        "`item_reference` becomes the item of a translated answer while the response store has it, "
        "otherwise it is refused; every other item is refused by name",
    ),
    "instructions": converted("system", "the first block; leading system and developer messages follow it"),
    "model": converted("", "set by the route"),
    "access_programs": dropped("only applies to OpenAI's API"),
    "background": refused("background answers cannot be translated; leave the field out or stream"),
    "background_options": dropped("only applies to background answers"),
    "client_metadata": dropped("Codex's metadata for OpenAI's servers"),
    "context_management": dropped("the client's whole history is sent"),
    "conversation": refused(_CONVERSATION),
    "image": dropped("image compression inside OpenAI"),
    "frequency_penalty": carried("frequency_penalty", "-2 to 2; in Open Responses, not in OpenAI's API"),
    "include": converted("", "`reasoning.encrypted_content` is always included; any other value is dropped by name"),
    "max_output_tokens": carried("max_tokens"),
    "max_tool_calls": dropped("limits OpenAI's built-in tools, which do not run here"),
    "metadata": carried("metadata"),
    "moderation": refused("moderation results cannot be translated; leave the field out"),
    "parallel_tool_calls": carried("parallel_tools"),
    "previous_response_id": converted(
        "messages", "the conversation up to a translated answer, while the response store has it; otherwise refused"
    ),
    "prompt": refused("prompts stored at OpenAI cannot be used with another vendor; send the text of the prompt"),
    "presence_penalty": carried("presence_penalty", "-2 to 2; in Open Responses, not in OpenAI's API"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "prompt_cache_options": dropped("breakpoints on content parts are kept"),
    "prompt_cache_retention": dropped("breakpoints on content parts are kept"),
    "reasoning": converted("thinking", "effort `none` turns thinking off; asking for a summary sets `visible`"),
    "safety_identifier": carried("safety_identifier"),
    "service_tier": carried("service_tier"),
    "store": converted(
        "",
        "`false` stores nothing; otherwise the answer is stored until it expires or is evicted from the response store",
    ),
    "stream": carried("stream"),
    "stream_options": converted(
        "", "deltas are not obfuscated, and usage is always sent; options that ask for anything else are reported"
    ),
    "temperature": carried("temperature", "0 to 2, never scaled: refused if the vendor's range is smaller"),
    "text": converted("output_format", "format `text` is the default; `verbosity` becomes a field of its own"),
    "tool_choice": converted("tool_choice", "`allowed_tools` shortens the list of tools"),
    "tools": converted(
        "tools",
        "functions; custom tools become functions with one string argument; namespaces are flattened "
        "to `namespace__name`; a `tool_search` that the client runs, `local_shell`, `shell` (unless "
        "it runs in an OpenAI container), `apply_patch` and `computer` become functions, and their "
        "calls are returned as their own item types; if the client searches for tools, those with "
        "`defer_loading` are sent once they have been found or called; `web_search` becomes the "
        "vendor's own search if the model has `web_search = true`, else it is dropped: the model need "
        "not use it, and Codex offers it in every request; every other built-in tool is dropped by "
        "its type, and refused if `tool_choice` demands it",
    ),
    "top_logprobs": carried("top_logprobs", "translated answers contain none"),
    "top_p": carried("top_p"),
    "truncation": dropped("nothing is truncated; if the conversation is too long, the vendor returns an error"),
    "user": carried("user"),
}

WITHOUT_STORE: Mapping[str, Disposition] = {
    **READS,
    **dict.fromkeys(("previous_response_id", "store"), refused(_STATELESS)),
}
"""The same where answers are not stored."""

PATHS: Mapping[str, str] = {"verbosity": "text.verbosity"}

HEADERS = frozenset({"openai-beta"})

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "input",
        "reasoning is sent back only if this protocol encrypted it; from GPT-5.6 on, cache breakpoints are set on "
        "user and system messages and on results, others are dropped; from gpt-5.3-codex on, each text of the "
        "assistant says whether the model continued after it",
    ),
    "system": converted("input", "developer messages at the start, one per block"),
    "tools": converted(
        "tools",
        "custom and namespaced tools of Responses clients unchanged; other schemas, names and strict as for chat",
    ),
    "tool_choice": converted("tool_choice", "left out if there are no tools"),
    "parallel_tools": converted("parallel_tool_calls", "left out if there are no tools"),
    "thinking": converted(
        "reasoning",
        "off becomes `none`, or the model's lowest level, which is reported; a budget below 4096 "
        "becomes low, below 16384 medium, otherwise high; the nearest level that the model has, which "
        "is reported if it differs from the requested effort; the summary follows the provider's "
        "setting `reasoning_summary`",
    ),
    "output_format": converted("text", "`text.format`"),
    "max_tokens": converted(
        "max_output_tokens",
        "values below the API's minimum, 16, are raised to it and reported, and Nexus cuts the answer on its way back",
    ),
    "temperature": carried("temperature", "dropped if the model reasons and rejects it"),
    "top_p": carried("top_p", "dropped if the model reasons and rejects it"),
    **dict.fromkeys(("top_k", "presence_penalty", "frequency_penalty", "seed"), dropped("no equivalent")),
    "stop": converted("", "Nexus cuts the answer before the first one on its way back"),
    "logprobs": dropped("translated answers contain none"),
    "top_logprobs": dropped("translated answers contain none"),
    "logit_bias": dropped("no equivalent"),
    "user": converted(
        "user", "values longer than 64 characters are replaced by their SHA-256; dropped with the quirk `no_user`"
    ),
    "metadata": carried("metadata", "dropped with the quirk `no_metadata`"),
    "service_tier": converted("service_tier", "`standard_only` becomes `default`; tiers unknown to OpenAI are dropped"),
    "safety_identifier": carried("safety_identifier"),
    "image_output": dropped("OpenAI's models make images with a separate tool"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "cached_content": refused("the content is only available at Google; send it as messages"),
    "safety_settings": dropped("thresholds of Google's filters"),
    "verbosity": converted("text", "`text.verbosity`; dropped for OpenAI models that do not accept it"),
    "stream": carried("stream"),
    "include_usage": converted("", "usage is always sent"),
}
