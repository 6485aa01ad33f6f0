"""What happens to every field of a Converse request, in both directions. Source: the bedrock-runtime service model."""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "messages": carried(
        "messages",
        "search results become text documents; S3 objects, video, guardrail content, cited documents, "
        "tool changes and unknown blocks are refused",
    ),
    "system": carried("system", "guardrail content is refused"),
    "inferenceConfig": converted(
        "max_tokens", "`temperature`, `topP` and `stopSequences` become `temperature`, `top_p` and `stop`"
    ),
    "toolConfig": converted("tools", "`toolChoice` becomes `tool_choice`; Bedrock's own system tools are refused"),
    "outputConfig": converted("output_format", "`effort` becomes `thinking.effort`"),
    "additionalModelRequestFields": converted(
        "thinking",
        "thinking and efforts in the forms of Claude, Nova and gpt-oss; `top_k` becomes `top_k`, "
        "`tool_choice.disable_parallel_tool_use` becomes `parallel_tools`; other fields are dropped "
        "by name",
    ),
    "additionalModelResponseFieldPaths": converted("", "the stop sequence is always returned; other paths are dropped"),
    "requestMetadata": converted("metadata", "a map of strings"),
    "serviceTier": converted("service_tier", "its `type`"),
    "performanceConfig": dropped("a tier of Bedrock"),
    "projectIdentifier": dropped("an account at AWS"),
    "guardrailConfig": refused("guardrails are not available outside Bedrock; leave the field out"),
    "promptVariables": refused(
        "prompts stored at Bedrock cannot be used with another vendor; send the messages themselves"
    ),
}

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

WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "merged into alternating turns, user first; tool calls come last and results first, for some "
        "models in turns of their own; blank text is left out; system messages stay in place as marked "
        "user text; names are dropped; URLs of images and documents are refused; reasoning is sent only "
        "to the model family that made it",
    ),
    "system": carried("", "as marked user text for models without a system field"),
    "tools": converted(
        "",
        "names and property keys that are not allowed are replaced and mapped back; unions at the "
        "root are merged, noted in the description and reported; strict is dropped if the model has "
        "no structured output; schemas for Nova have only `type`, `properties` and `required` at the root, "
        "and no references",
    ),
    "tool_choice": converted(
        "",
        "`none`: tools are left out, or kept and dropped by name if the history has tool blocks; "
        "refused if the model cannot be forced",
    ),
    "parallel_tools": dropped("only when false: Converse has no such switch"),
    "thinking": converted(
        "",
        "Nova 2: `reasoningConfig` (three efforts); gpt-oss: `reasoning_effort` (three efforts); GPT and "
        "Grok: `reasoning.effort`; Qwen3 32B, GLM and Kimi K2.5: `reasoning_config`; the nearest level, reported "
        "if it differs; off if the model has an off, else its lowest level, reported; dropped for others",
    ),
    "output_format": converted(
        "",
        "`outputConfig.textFormat` with the schema closed, and the constraints that no longer apply "
        "reported; otherwise a forced tool, with strict reported; refused if the model has "
        "neither, and if a strict schema cannot be closed",
    ),
    "max_tokens": carried(
        "",
        "dropped for Nova 2 at high effort, which does not accept a limit; below the minimum of GPT, Grok and Kimi K3, "
        "16, it is raised to it and reported, and Nexus cuts the answer on its way back",
    ),
    "temperature": carried(
        "", "above 1 is refused, never scaled; dropped for models without it and for Nova 2 at high effort"
    ),
    "top_p": carried("", "dropped for models without it and for Nova 2 at high effort"),
    "top_k": converted("", "an additional field of Nova; dropped for other models"),
    **dict.fromkeys(("presence_penalty", "frequency_penalty", "seed"), dropped("")),
    "stop": carried(
        "",
        "GPT, gpt-oss, Grok, Kimi K3, Qwen and DeepSeek V3 reject it: Nexus cuts the answer before the first one on "
        "its way back",
    ),
    **dict.fromkeys(("logprobs", "top_logprobs", "logit_bias"), dropped("")),
    "user": converted("", "`requestMetadata.user`, if it fits Bedrock's pattern, else dropped"),
    "metadata": converted("", "`requestMetadata`; entries that do not fit Bedrock's pattern are dropped"),
    "service_tier": converted(
        "", "`default`, `flex`, `priority`, `reserved`; `auto` is left to Bedrock; others are dropped"
    ),
    "safety_identifier": dropped(""),
    "image_output": dropped("no equivalent; a model that makes images does so without being asked"),
    "prompt_cache_key": dropped(""),
    "cached_content": refused("the content is only available at Google; send it as messages"),
    "safety_settings": dropped("thresholds of Google's filters"),
    "verbosity": dropped(""),
    "stream": converted(
        "", "in the URL; Llama and older Mistral models do not stream tool calls: their answer comes as a whole"
    ),
    "include_usage": converted("", "Bedrock always reports usage"),
}
