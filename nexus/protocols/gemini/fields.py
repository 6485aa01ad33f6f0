"""What happens to every field of a Gemini API request, in both directions. Sources: ai.google.dev/api/generate-content;
google.genai.types.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "contents": carried(
        "messages",
        "calls and responses without ids are paired in order; calls of Google's own tools become those of "
        "functions with their results, and are reported; video and files stored at Google are refused",
    ),
    "systemInstruction": carried("system", "only its text parts"),
    "tools": converted(
        "tools",
        "`functionDeclarations`, whose parameters become JSON Schema; `googleSearch` becomes the "
        "vendor's own search if one is configured; Google's other tools are refused",
    ),
    "toolConfig": converted(
        "tool_choice",
        "`AUTO`, `ANY` and `NONE`; several `allowedFunctionNames` shorten the list of tools; "
        "`VALIDATED` becomes `AUTO` and is reported",
    ),
    "generationConfig": converted(
        "max_tokens",
        "`temperature`, `topP`, `topK`, `seed`, `stopSequences`, penalties, logprobs, "
        "`thinkingConfig` (a level together with a budget is refused, as at Google), "
        "`responseMimeType` and schemas, `responseModalities` become the neutral fields; "
        "`candidateCount` above 1, `text/x.enum` and audio answers are refused; "
        "everything else in it is dropped by name",
    ),
    "labels": converted("metadata", "a map of strings"),
    "serviceTier": converted("service_tier", "`standard` becomes `default`"),
    "safetySettings": dropped("thresholds of Google's filters"),
    "store": dropped("Google's own log"),
    "cachedContent": refused("cached content is only available at Google; send the contents themselves"),
    "modelArmorConfig": refused("Model Armor is not available outside Google; leave the field out"),
}

PATHS: Mapping[str, str] = {
    "max_tokens": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "seed": "generationConfig.seed",
    "stop": "generationConfig.stopSequences",
    "presence_penalty": "generationConfig.presencePenalty",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "tools": "tools",
    "tools.parameters": "tools.functionDeclarations.parameters",
    "tool_choice": "toolConfig.functionCallingConfig",
    "output_format": "generationConfig.responseSchema",
    "output_format.schema": "generationConfig.responseSchema",
    "image_output": "generationConfig.responseModalities",
    "thinking": "generationConfig.thinkingConfig",
    "thinking.effort": "generationConfig.thinkingConfig.thinkingLevel",
    "thinking.budget": "generationConfig.thinkingConfig.thinkingBudget",
    "messages.reasoning": "contents.parts.thoughtSignature",
}


WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "`contents`, with roles merged so that they alternate; system text in the middle of a "
        "conversation becomes user text in `<system>` tags; names, image detail and reasoning without "
        "a Gemini signature are dropped; an image type that Google does not accept is refused in the "
        "user's last turn, otherwise replaced by a text placeholder and reported; links that the "
        "server does not fetch are refused, and a final model turn on models that reject it",
    ),
    "system": carried("", "`systemInstruction`, one part per block; without any message it is sent as a user turn"),
    "tools": converted(
        "",
        "`functionDeclarations` with `parametersJsonSchema` if nothing stands next to `$ref`, else "
        "the OpenAPI subset, whose missing keywords are reported one by one and which refuses "
        "recursion; unions at the root are merged, noted in the description and reported; names and "
        "property keys that Gemini does not allow are replaced and mapped back; strict is dropped; a "
        "search without functions is `googleSearch`, with functions it is refused or left out",
    ),
    "tool_choice": converted("", "`functionCallingConfig` with `AUTO`, `NONE`, `ANY` and `allowedFunctionNames`"),
    "parallel_tools": dropped("only when false: Gemini has no such switch"),
    "thinking": converted(
        "",
        "`thinkingConfig` with a level or a budget, depending on the model; dropped if the model does "
        "not think, or cannot stop thinking; a budget outside the model's range becomes the nearest "
        "one, which is reported",
    ),
    "output_format": converted(
        "",
        "`responseMimeType` and `responseJsonSchema`, with unsupported keywords moved into "
        "descriptions and reported (`responseSchema` on old servers); dropped if a call of a tool is "
        "required; with tools, on models that reject both together, a forced answer tool; name "
        "and strict change nothing at Gemini",
    ),
    "max_tokens": carried("", "`maxOutputTokens`; no default, because Gemini requires none"),
    "temperature": carried("", "0 to 2 as in chat; dropped on models with fixed sampling"),
    "top_p": carried("", "dropped on models with fixed sampling"),
    "top_k": carried("", "dropped on models with fixed sampling"),
    "presence_penalty": carried("", "dropped on models without penalties"),
    "frequency_penalty": carried("", "dropped on models without penalties"),
    "seed": carried("", "dropped if it exceeds 32 bits"),
    "stop": carried("", "`stopSequences`; Nexus cuts the answer at those after the fifth"),
    "logprobs": dropped("translated answers contain none"),
    "top_logprobs": dropped("translated answers contain none"),
    "logit_bias": dropped("no equivalent"),
    "user": dropped("no equivalent"),
    "metadata": dropped("labels are Vertex AI billing data with a restricted alphabet"),
    "service_tier": converted(
        "", "`serviceTier`: `flex`, `priority`, `default` as `standard`; `auto` is left out; others are dropped"
    ),
    "safety_identifier": dropped("no equivalent"),
    "image_output": converted("", "`responseModalities`; dropped on models that do not make images"),
    "prompt_cache_key": dropped("Gemini caches automatically"),
    "cached_content": carried("", "`cachedContent`"),
    "safety_settings": carried("", "`safetySettings`"),
    "verbosity": dropped("no equivalent"),
    "stream": converted("", "the method in the URL"),
    "include_usage": converted("", "Gemini always reports usage"),
}
