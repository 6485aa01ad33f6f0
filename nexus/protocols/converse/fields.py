"""What becomes of every field of a neutral request on its way to Converse.

Complete over nexus.conversation.Request and proven by sending each field; the notes name the conversions.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition

WRITES: Mapping[str, Disposition] = {
    "messages": Disposition(
        "converted",
        "merged into alternating turns, user first; calls last, results first; blank text left out; system messages in "
        "place as marked user text; names dropped; URLs of images and documents refused; reasoning only to its family",
    ),
    "system": Disposition("carried", "as marked user text for models without a system field"),
    "tools": Disposition(
        "converted",
        "names and property keys that do not fit are replaced and mapped back; unions at the root are merged, told in "
        "the description and named; strict dropped where the model has no structured output, and beyond Claude's "
        "limits",
    ),
    "tool_choice": Disposition(
        "converted",
        "none: tools left out, or kept and dropped by name when the history has tool blocks; refused where the model "
        "cannot be forced",
    ),
    "parallel_tools": Disposition("converted", "off: a field of Claude's own; dropped for other models"),
    "thinking": Disposition(
        "converted",
        "Claude: thinking and outputConfig.effort; Nova 2: reasoningConfig (three efforts); gpt-oss: reasoning_effort "
        "(three efforts); GPT: reasoning.effort; the nearest level, named when it differs; off where a model has "
        "an off, else its least, named; dropped for others, beside a forced tool, or where the history lacks "
        "the reasoning that the model demands",
    ),
    "output_format": Disposition(
        "converted",
        "outputConfig.textFormat with the schema closed, what binds no more named; else a forced tool; refused where "
        "the model has neither, and where a strict schema cannot be closed",
    ),
    "max_tokens": Disposition("carried", "dropped for Nova 2 at high effort, which takes no limit"),
    "temperature": Disposition(
        "carried", "above 1 refused, never scaled; dropped for models without it and beside thinking"
    ),
    "top_p": Disposition(
        "carried", "dropped for models without it, beside temperature on Claude 4.1+, beside thinking"
    ),
    "top_k": Disposition("converted", "additional field of Claude and Nova; dropped for other models"),
    "presence_penalty": Disposition("dropped"),
    "frequency_penalty": Disposition("dropped"),
    "seed": Disposition("dropped"),
    "stop": Disposition(
        "carried", "GPT, gpt-oss and Qwen refuse it: the answer is cut before the first of them on its way back"
    ),
    "logprobs": Disposition("dropped"),
    "top_logprobs": Disposition("dropped"),
    "logit_bias": Disposition("dropped"),
    "user": Disposition("converted", "requestMetadata.user, if it fits Bedrock's pattern, else dropped"),
    "metadata": Disposition("converted", "requestMetadata; entries that do not fit Bedrock's pattern are dropped"),
    "service_tier": Disposition("converted", "default, flex, priority, reserved; auto left to Bedrock; others dropped"),
    "safety_identifier": Disposition("dropped"),
    "image_output": Disposition("dropped", "no counterpart; a model that makes images does it unasked"),
    "prompt_cache_key": Disposition("dropped"),
    "verbosity": Disposition("dropped"),
    "stream": Disposition("converted", "the URL: converse or converse-stream"),
    "include_usage": Disposition("converted", "Bedrock always tells the usage"),
}
