"""What happens to every field of a chat request, in both directions. Source: openai.types.chat.completion_create_params
of the Python SDK 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "messages": converted(
        "messages",
        "leading system and developer messages become `system`; `images` of an assistant message "
        "become its images, `thinking_blocks` its thinking; annotations are dropped",
    ),
    "model": converted("", "set by the route"),
    "audio": refused("audio output cannot be translated; request text"),
    "extra_body": converted(
        "thinking",
        "in `google`, the `thinking_config` of Google's compatibility layer, in which `include_thoughts` is off by "
        "default (`reasoning_effort` wins), and a level together with a budget is refused, as at Google; "
        "`cached_content` and `safety_settings`, for Google only; everything else in it is dropped by name",
    ),
    "frequency_penalty": carried("frequency_penalty", "-2 to 2"),
    "function_call": refused("legacy function calling cannot be translated; use tool_choice"),
    "functions": refused("legacy function calling cannot be translated; use tools"),
    "google": converted("thinking", "the same as `extra_body.google`, from SDKs that merge it into the body"),
    "logit_bias": carried("logit_bias", "token ids are specific to OpenAI's tokenizers"),
    "logprobs": carried("logprobs", "translated answers contain none"),
    "max_completion_tokens": carried("max_tokens"),
    "max_tokens": carried("max_tokens", "`max_completion_tokens` takes precedence"),
    "metadata": carried("metadata"),
    "modalities": converted("image_output", '"image" requests images; "text" is the default; audio is refused'),
    "moderation": refused("moderation results cannot be translated; leave the field out"),
    "n": converted("", "1 is the default; more than one choice is refused"),
    "parallel_tool_calls": carried("parallel_tools"),
    "prediction": dropped("only affects speed"),
    "presence_penalty": carried("presence_penalty", "-2 to 2"),
    "prompt_cache_key": carried("prompt_cache_key"),
    "prompt_cache_options": dropped("breakpoints on content parts are kept"),
    "prompt_cache_retention": dropped("breakpoints on content parts are kept"),
    "reasoning": converted(
        "thinking", "OpenRouter's `effort`, `max_tokens`, `enabled` and `exclude`; `reasoning_effort` wins"
    ),
    "reasoning_effort": converted("thinking", "`none` turns thinking off; any other value is the effort"),
    "response_format": converted("output_format", "`text` is the default"),
    "safety_identifier": carried("safety_identifier"),
    "seed": carried("seed"),
    "service_tier": carried("service_tier"),
    "stop": converted("stop", "a single string becomes a list of one"),
    "store": dropped("translated chat completions are not stored"),
    "stream": carried("stream"),
    "stream_options": converted("include_usage", "`include_obfuscation` is dropped"),
    "temperature": carried("temperature", "0 to 2, never scaled: refused if the vendor's range is smaller"),
    "thinking": converted(
        "thinking", "`type`, `budget_tokens` and `display`, as in compatible servers; `reasoning_effort` wins"
    ),
    "tool_choice": converted("tool_choice", "`allowed_tools` shortens the list of tools"),
    "tools": converted(
        "tools",
        "functions; custom tools become functions with one string argument, and their calls are "
        "returned as custom tool calls",
    ),
    "top_k": carried("top_k", "an extension of compatible servers"),
    "top_logprobs": carried("top_logprobs", "translated answers contain none"),
    "top_p": carried("top_p"),
    "user": carried("user"),
    "verbosity": carried("verbosity"),
    "web_search_options": converted(
        "tools", "becomes the vendor's own search if the model has `web_search = true`, else it is refused"
    ),
}

PATHS: Mapping[str, str] = {
    "tools.parameters": "tools.function.parameters",
    "tools.name": "tools.function.name",
    "thinking.effort": "reasoning_effort",
    "cached_content": "extra_body.google.cached_content",
    "safety_settings": "extra_body.google.safety_settings",
}

HEADERS = frozenset({"openai-beta"})

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "messages",
        "tool results become tool messages, and images in them a following user message; an image "
        "made by the assistant is replaced by a text placeholder and reported, unless the quirk "
        "`output_images` is set",
    ),
    "system": converted(
        "messages", "one leading system message, with a list of text parts if there are several blocks"
    ),
    "tools": converted(
        "tools",
        "as functions; objects without `properties` and arrays without `items` get them; unions at "
        "the root are merged, noted in the description and reported; `strict` is turned off and "
        "reported if a property is not required, and dropped with the quirk `no_strict`; with the quirk "
        "`typed_schemas` (Kimi) references are inlined, each part gets one type, and what that loses is "
        "reported, with `plain_tools` (llama.cpp) patterns and lengths become text; names that OpenAI "
        "does not allow are replaced and mapped back",
    ),
    "tool_choice": converted("tool_choice", "left out if there are no tools"),
    "parallel_tools": converted("parallel_tool_calls", "left out if there are no tools"),
    "thinking": converted(
        "reasoning_effort",
        "off becomes `none`, or the model's lowest level, which is reported; a budget below 4096 "
        "becomes low, below 16384 medium, otherwise high; with neither effort nor budget the model "
        "decides; OpenAI models get the nearest level that they have, which is reported if it "
        "differs; `visible` has no equivalent. Dropped with the quirk `no_reasoning_effort`, and "
        "after the server has rejected it once; with the quirk `thinking_type` or `enable_thinking`, off is the "
        "field of that name, and a forced tool turns thinking off, as does `no_whole_thinking` in an answer that "
        "is not streamed; that is reported if the client asked for it",
    ),
    "output_format": converted(
        "response_format",
        "schemas are adapted like those of tools; with the quirk `no_json_schema` a schema becomes a "
        "tool that the model must call",
    ),
    "max_tokens": converted("max_tokens", "sent as `max_completion_tokens` with the quirk of that name"),
    "temperature": carried("temperature", "0 to 2, else refused; dropped with the quirk `no_sampling`"),
    "top_p": carried("top_p", "dropped with the quirk `no_sampling`"),
    "top_k": dropped("no equivalent"),
    "presence_penalty": carried("presence_penalty", "dropped with the quirk `no_sampling`"),
    "frequency_penalty": carried("frequency_penalty", "dropped with the quirk `no_sampling`"),
    "seed": carried("seed", "dropped with the quirk `no_seed`"),
    "stop": carried(
        "stop",
        "as a list; for OpenAI models that reject it, or that many sequences, Nexus cuts the answer "
        "before the first one on its way back",
    ),
    "logprobs": dropped("translated answers contain none"),
    "top_logprobs": dropped("translated answers contain none"),
    "logit_bias": carried("logit_bias", "dropped with the quirk `no_sampling`"),
    "user": converted(
        "user", "values longer than 64 characters are replaced by their SHA-256; dropped with the quirk `no_user`"
    ),
    "metadata": carried("metadata", "dropped with the quirk `no_metadata`"),
    "service_tier": converted("service_tier", "`standard_only` becomes `default`; tiers unknown to OpenAI are dropped"),
    "safety_identifier": dropped("only `user` is carried"),
    "image_output": dropped("only chat clients can request images here, in passthrough"),
    "prompt_cache_key": dropped(
        "carried with the quirk `prompt_cache_key`, with which the user, hashed, stands in for a missing key"
    ),
    "cached_content": refused("the content is only available at Google; send it as messages"),
    "safety_settings": dropped("thresholds of Google's filters"),
    "verbosity": dropped("sent only to OpenAI models that accept it"),
    "stream": carried("stream"),
    "include_usage": converted(
        "stream_options", "always requested on streams, unless the quirk `no_stream_usage` is set"
    ),
}
