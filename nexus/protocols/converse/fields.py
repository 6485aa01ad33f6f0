"""What becomes of every field, of a client's Converse request and of a neutral request on its way to Converse.

``READS`` has every member of ConverseRequest, ``WRITES`` every field of nexus.conversation.Request, each proven by
sending it; the notes name the conversions. Source: the bedrock-runtime service model.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "messages": carried(
        "messages",
        "search results become text documents; S3 objects, video, guardrail content, cited documents, changes of tools "
        "and unknown blocks are refused",
    ),
    "system": carried("system", "guardrail content is refused"),
    "inferenceConfig": converted(
        "max_tokens", "temperature, topP and stopSequences become `temperature`, `top_p` and `stop`"
    ),
    "toolConfig": converted("tools", "toolChoice becomes `tool_choice`; Bedrock's own system tools are refused"),
    "outputConfig": converted("output_format", "effort becomes `thinking.effort`"),
    "additionalModelRequestFields": converted(
        "thinking",
        "thinking and efforts as Claude, Nova and gpt-oss have them; top_k becomes `top_k`, "
        "tool_choice.disable_parallel_tool_use `parallel_tools`; other fields are dropped by name",
    ),
    "additionalModelResponseFieldPaths": converted("", "a stop sequence is always told; other paths are dropped"),
    "requestMetadata": converted("metadata", "a map of strings"),
    "serviceTier": converted("service_tier", "its type"),
    "performanceConfig": dropped("a tier of Bedrock's own servers"),
    "projectIdentifier": dropped("an account at AWS"),
    "guardrailConfig": refused("guardrails are Bedrock's, and no other vendor would apply them; leave the field out"),
    "promptVariables": refused("prompts are kept at Bedrock; send the messages themselves"),
}
"""Of a client's request. A refused field is refused when it holds something; null, {} and [] ask for nothing."""

PATHS: Mapping[str, str] = {
    "max_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "top_k": "additionalModelRequestFields.top_k",
    "tools": "toolConfig.tools",
    "tools.parameters": "tools.toolSpec.inputSchema",
    "tools.strict": "toolConfig.tools.toolSpec.strict",
    "tool_choice": "toolConfig.toolChoice",
    "parallel_tools": "additionalModelRequestFields.tool_choice",
    "output_format": "outputConfig.textFormat",
    "thinking.effort": "outputConfig.effort",
    "thinking.budget": "additionalModelRequestFields.thinking.budget_tokens",
    "cache_control": "cachePoint",
    "cache_control.ttl": "cachePoint.ttl",
    "messages.reasoning": "messages.content.reasoningContent",
}
"""What a client calls parts of neutral fields that it has elsewhere than the whole."""

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "merged into alternating turns, user first; calls last, results first; blank text left out; system messages in "
        "place as marked user text; names dropped; URLs of images and documents refused; reasoning only to its family",
    ),
    "system": carried("", "as marked user text for models without a system field"),
    "tools": converted(
        "",
        "names and property keys that do not fit are replaced and mapped back; unions at the root are merged, told in "
        "the description and named; strict dropped where the model has no structured output",
    ),
    "tool_choice": converted(
        "",
        "none: tools left out, or kept and dropped by name when the history has tool blocks; refused where the model "
        "cannot be forced",
    ),
    "parallel_tools": dropped("only when false: Converse has no such switch"),
    "thinking": converted(
        "",
        "Nova 2: reasoningConfig (three efforts); gpt-oss: reasoning_effort (three efforts); GPT: reasoning.effort; "
        "the nearest level, named when it differs; off where a model has an off, else its least, named; dropped for "
        "others",
    ),
    "output_format": converted(
        "",
        "outputConfig.textFormat with the schema closed, what binds no more named; else a forced tool; refused where "
        "the model has neither, and where a strict schema cannot be closed",
    ),
    "max_tokens": carried("", "dropped for Nova 2 at high effort, which takes no limit"),
    "temperature": carried(
        "", "above 1 refused, never scaled; dropped for models without it and for Nova 2 at high effort"
    ),
    "top_p": carried("", "dropped for models without it and for Nova 2 at high effort"),
    "top_k": converted("", "additional field of Nova; dropped for other models"),
    "presence_penalty": dropped(""),
    "frequency_penalty": dropped(""),
    "seed": dropped(""),
    "stop": carried("", "GPT, gpt-oss and Qwen refuse it: the answer is cut before the first of them on its way back"),
    "logprobs": dropped(""),
    "top_logprobs": dropped(""),
    "logit_bias": dropped(""),
    "user": converted("", "requestMetadata.user, if it fits Bedrock's pattern, else dropped"),
    "metadata": converted("", "requestMetadata; entries that do not fit Bedrock's pattern are dropped"),
    "service_tier": converted("", "default, flex, priority, reserved; auto left to Bedrock; others dropped"),
    "safety_identifier": dropped(""),
    "image_output": dropped("no counterpart; a model that makes images does it unasked"),
    "prompt_cache_key": dropped(""),
    "verbosity": dropped(""),
    "stream": converted("", "the URL: converse or converse-stream"),
    "include_usage": converted("", "Bedrock always tells the usage"),
}
