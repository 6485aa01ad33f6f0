"""Dispositions of the chat dialect as data: what becomes of every field, in both directions.

Complete and exact. ``READS`` has every top-level field of the published request type, ``WRITES`` every field of
the neutral Request; the readers and writers are driven by these tables where a field is dropped or refused whole, and a
test sends each field and looks. Source: openai.types.chat.completion_create_params of the Python SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "messages": converted(
        "messages",
        "leading system and developer messages become `system`; `images` of an answer are the assistant's, "
        "thinking_blocks its thinking; annotations are dropped",
    ),
    "model": converted("", "chosen by the route"),
    "audio": refused("spoken answers cannot be translated; ask for text"),
    "frequency_penalty": carried("frequency_penalty", "-2 to 2"),
    "function_call": refused("the old function calling cannot be answered in its own form; use tool_choice"),
    "functions": refused("the old function calling cannot be answered in its own form; use tools"),
    "logit_bias": carried("logit_bias", "token ids mean something to OpenAI's tokenizers only"),
    "logprobs": carried("logprobs", "the answer holds none after translation"),
    "max_completion_tokens": carried("max_tokens"),
    "max_tokens": carried("max_tokens", "max_completion_tokens wins where both are given"),
    "metadata": carried("metadata"),
    "modalities": converted("image_output", '"image" asks for images; "text" says nothing; audio is refused'),
    "moderation": refused("moderation results have no place in a translated answer; leave the field out"),
    "n": converted("", "1 says nothing; more choices than one are refused"),
    "parallel_tool_calls": carried("parallel_tools"),
    "prediction": dropped("a hint for speed only"),
    "presence_penalty": carried("presence_penalty", "-2 to 2"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "prompt_cache_options": dropped("breakpoints on content parts are kept"),
    "prompt_cache_retention": dropped("breakpoints on content parts are kept"),
    "reasoning_effort": converted("thinking", "none turns thinking off, every other word is the effort"),
    "response_format": converted("output_format", "text says nothing"),
    "safety_identifier": carried("safety_identifier"),
    "seed": carried("seed"),
    "service_tier": carried("service_tier"),
    "stop": converted("stop", "one string becomes a list of one"),
    "store": dropped("nothing is stored on the way through a translation"),
    "stream": carried("stream"),
    "stream_options": converted("include_usage", "include_obfuscation is dropped"),
    "temperature": carried("temperature", "0 to 2, never scaled: a writer with a smaller range refuses"),
    "tool_choice": converted("tool_choice", "allowed_tools becomes the shorter list of tools"),
    "tools": converted("tools", "functions; custom tools as functions of one string, called in their own form"),
    "top_k": carried("top_k", "an extension of compatible servers"),
    "top_logprobs": carried("top_logprobs", "the answer holds none after translation"),
    "top_p": carried("top_p"),
    "user": carried("user"),
    "verbosity": carried("verbosity"),
    "web_search_options": refused("web search by the vendor cannot be translated; leave the field out"),
}

PATHS: Mapping[str, str] = {
    "tools.parameters": "tools.function.parameters",
    "tools.name": "tools.function.name",
    "thinking.effort": "reasoning_effort",
}
"""What a client calls parts of neutral fields that it has elsewhere than the whole."""

HEADERS = frozenset({"openai-beta"})
"""Headers that ask for something; where the request is translated they are dropped like a field."""

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "messages",
        "tool results become tool messages, images in them a following user message; an image of the assistant's is "
        "words in its place and named, but with the quirk output_images",
    ),
    "system": converted("messages", "one leading system message, a list of text parts when there are several blocks"),
    "tools": converted(
        "tools",
        "as functions; objects get properties, arrays items; unions at the root are merged, told in the description "
        "and named; strict is off, named, where a property is not required; names outside OpenAI's are mapped back",
    ),
    "tool_choice": converted("tool_choice", "left out when there are no tools"),
    "parallel_tools": converted("parallel_tool_calls", "left out when there are no tools"),
    "thinking": converted(
        "reasoning_effort",
        "off is none, else the model's least level, named; a budget below 4096 is low, below 16384 medium, any other "
        "high; neither: the model decides; models of OpenAI's get the nearest level that they have, named when it "
        "differs; `visible` has no counterpart. Dropped with the quirk no_reasoning_effort, "
        "and once the server has refused it",
    ),
    "output_format": converted(
        "response_format",
        "schemas as those of tools; with the quirk no_json_schema a schema becomes a tool that the model must call",
    ),
    "max_tokens": converted("max_tokens", "spelled max_completion_tokens with the quirk of that name"),
    "temperature": carried("temperature", "0 to 2, else refused; dropped with the quirk no_sampling"),
    "top_p": carried("top_p", "dropped with the quirk no_sampling"),
    "top_k": dropped("no counterpart"),
    "presence_penalty": carried("presence_penalty", "dropped with the quirk no_sampling"),
    "frequency_penalty": carried("frequency_penalty", "dropped with the quirk no_sampling"),
    "seed": carried("seed"),
    "stop": carried(
        "stop",
        "as a list; models of OpenAI's that refuse it, or so many: the answer is cut before the first of them on its "
        "way back",
    ),
    "logprobs": dropped("a translated answer has no place for them"),
    "top_logprobs": dropped("a translated answer has no place for them"),
    "logit_bias": carried("logit_bias", "dropped with the quirk no_sampling"),
    "user": converted("user", "longer than 64 characters: its SHA-256, which is as stable"),
    "metadata": carried("metadata", "dropped with the quirk no_metadata"),
    "service_tier": converted("service_tier", "standard_only becomes default; words unknown to OpenAI are dropped"),
    "safety_identifier": dropped("`user` is carried"),
    "image_output": dropped("clients who can ask for it speak this dialect, and their bytes pass"),
    "prompt_cache_key": dropped("routing inside OpenAI"),
    "verbosity": dropped("carried to models of OpenAI's that take it"),
    "stream": carried("stream"),
    "include_usage": converted("stream_options", "always asked for on streams, unless the quirk no_stream_usage"),
}
