"""Dispositions of the responses dialect as data: what becomes of every field, in both directions.

Complete and exact. ``READS`` has every top-level field of the published request type and what Codex adds,
``WRITES`` every field of the neutral Request; the reader is driven by ``READS`` where a field is dropped or refused
whole, and a test sends each field and looks. What asks for nothing (null, false, [], {}, a default) is never reported.
Source: openai.types.responses.response_create_params of the Python SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

_STATELESS = (
    "nothing is stored on the way to another vendor (server.response_store is off); send `store: false`, and the whole "
    "conversation in `input`"
)
_CONVERSATION = "conversations live at OpenAI; send the whole conversation in `input`"

READS: Mapping[str, Disposition] = {
    "input": converted(
        "messages",
        "messages, reasoning, function and custom calls with their outputs, those of OpenAI's tools that the client "
        "runs (local shell, shell, apply patch, computer), searches for tools by the client; "
        "additional_tools and what such a search has found join `tools`; an image_generation_call with its image is "
        "one of the assistant's; "
        "web_search_call is dropped (its findings are in the text that followed); a compaction of our making is its "
        "words, one of OpenAI's is dropped; a compaction_trigger asks the model for a summary; an item_reference is "
        "the item of a translated answer while the response store has it, else refused; every other item is refused "
        "by name",
    ),
    "instructions": converted("system", "the first block; leading system and developer messages follow it"),
    "model": converted("", "chosen by the route"),
    "access_programs": dropped("an agreement with OpenAI"),
    "background": refused("an answer cannot be fetched later from another vendor; leave it out or stream"),
    "background_options": dropped("nothing runs in the background"),
    "client_metadata": dropped("Codex's notes for OpenAI's own servers"),
    "context_management": dropped("the history is sent whole"),
    "conversation": refused(_CONVERSATION),
    "image": dropped("compression of images inside OpenAI"),
    "frequency_penalty": carried("frequency_penalty", "-2 to 2; Open Responses has it, OpenAI has not"),
    "include": converted("", "reasoning.encrypted_content is always included; any other is dropped by its name"),
    "max_output_tokens": carried("max_tokens"),
    "max_tool_calls": dropped("limits OpenAI's built-in tools, of which there are none"),
    "metadata": carried("metadata"),
    "moderation": refused("moderation results have no place in a translated answer; leave the field out"),
    "parallel_tool_calls": carried("parallel_tools"),
    "previous_response_id": converted(
        "messages",
        "the conversation up to an answer that was translated, while the response store has it; else refused",
    ),
    "prompt": refused("a prompt stored at OpenAI cannot be used with another vendor; send its text"),
    "presence_penalty": carried("presence_penalty", "-2 to 2; Open Responses has it, OpenAI has not"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "prompt_cache_options": dropped("breakpoints on content parts are kept"),
    "prompt_cache_retention": dropped("breakpoints on content parts are kept"),
    "reasoning": converted("thinking", "effort none turns it off; `visible` when a summary is asked for"),
    "safety_identifier": carried("safety_identifier"),
    "service_tier": carried("service_tier"),
    "store": converted("", "false keeps nothing; else the answer is kept while the response store has room and time"),
    "stream": carried("stream"),
    "stream_options": converted("", "deltas are not obfuscated, usage is always told; what asks for more is named"),
    "temperature": carried("temperature", "0 to 2, never scaled: a writer with a smaller range refuses"),
    "text": converted("output_format", "format text says nothing; verbosity is carried by itself"),
    "tool_choice": converted("tool_choice", "allowed_tools becomes the shorter list of tools"),
    "tools": converted(
        "tools",
        "functions; custom tools as functions of one string; namespaces flattened to namespace__name; a tool_search "
        "that the client executes, local_shell, shell (but in a container of OpenAI's), apply_patch and computer as "
        "functions, whose calls come back as their own items; where the client searches for tools, those with "
        "defer_loading once they were found or called; web_search is the vendor's own search where the model's "
        "web_search setting is on, else dropped: it is an offer that the model need not take, and Codex makes it in "
        "every request; every other built-in tool is refused by its type",
    ),
    "top_logprobs": carried("top_logprobs", "the answer holds none after translation"),
    "top_p": carried("top_p"),
    "truncation": dropped("nothing is cut; a conversation that is too long is the vendor's error"),
    "user": carried("user"),
}

WITHOUT_STORE: Mapping[str, Disposition] = {
    **READS,
    **dict.fromkeys(("previous_response_id", "store"), refused(_STATELESS)),
}
"""The same where no answers are kept."""

PATHS: Mapping[str, str] = {"verbosity": "text.verbosity"}
"""What a client calls parts of neutral fields that it has elsewhere than the whole."""

HEADERS = frozenset({"openai-beta"})
"""Headers that ask for something; where the request is translated they are dropped like a field."""

WRITES: Mapping[str, Disposition] = {
    "messages": converted("input", "reasoning goes back only when it was sealed by this dialect"),
    "system": converted("input", "developer messages at the start, one for each block"),
    "tools": converted(
        "tools",
        "custom and namespaced tools of this dialect's own clients as they came; other schemas, names and strict as "
        "for chat",
    ),
    "tool_choice": converted("tool_choice", "left out when there are no tools"),
    "parallel_tools": converted("parallel_tool_calls", "left out when there are no tools"),
    "thinking": converted(
        "reasoning",
        "off is none, else the model's least level, named; a budget below 4096 is low, below 16384 medium, any other "
        "high; the nearest level that the model has, named when it differs from the effort asked for; the summary by "
        "the provider's setting reasoning_summary",
    ),
    "output_format": converted("text", "text.format"),
    "max_tokens": converted(
        "max_output_tokens", "below the API's least, 16, it is raised and named, and the answer is cut on its way back"
    ),
    "temperature": carried("temperature", "dropped where the model reasons and refuses it"),
    "top_p": carried("top_p", "dropped where the model reasons and refuses it"),
    "top_k": dropped("no counterpart"),
    "presence_penalty": dropped("no counterpart"),
    "frequency_penalty": dropped("no counterpart"),
    "seed": dropped("no counterpart"),
    "stop": converted("", "the answer is cut before the first of them on its way back"),
    "logprobs": dropped("a translated answer has no place for them"),
    "top_logprobs": dropped("a translated answer has no place for them"),
    "logit_bias": dropped("no counterpart"),
    "user": converted("user", "longer than 64 characters: its SHA-256, which is as stable"),
    "metadata": carried("metadata"),
    "service_tier": converted("service_tier", "standard_only becomes default; words unknown to OpenAI are dropped"),
    "safety_identifier": carried("safety_identifier"),
    "image_output": dropped("OpenAI's models make images by a tool of its own"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "verbosity": converted("text", "text.verbosity; dropped where a model of OpenAI's does not take it"),
    "stream": carried("stream"),
    "include_usage": converted("", "usage is always sent"),
}
