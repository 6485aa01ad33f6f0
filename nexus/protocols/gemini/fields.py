"""What becomes of every field, of a client's request to the Gemini API and of a neutral request on its way there.

``READS`` has every member of GenerateContentRequest, ``WRITES`` every field of nexus.conversation.Request, each proven
by sending it. Sources: ai.google.dev/api/generate-content; google.genai.types.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.protocols.dispositions import Disposition, carried, converted, dropped, refused

READS: Mapping[str, Disposition] = {
    "contents": carried(
        "messages",
        "calls and responses without ids are paired in their order; video, files that Google keeps, executable code "
        "and parts of Google's own tools are refused",
    ),
    "systemInstruction": carried("system", "its texts"),
    "tools": converted(
        "tools",
        "functionDeclarations, whose parameters become JSON Schema; googleSearch becomes the vendor's own search where "
        "one is configured; Google's other tools are refused",
    ),
    "toolConfig": converted(
        "tool_choice",
        "AUTO, ANY and NONE; several allowedFunctionNames leave these tools alone; VALIDATED becomes AUTO and is named",
    ),
    "generationConfig": converted(
        "max_tokens",
        "temperature, topP, topK, seed, stopSequences, penalties, logprobs, thinkingConfig, responseMimeType and "
        "schemas, responseModalities become the neutral fields; candidateCount above 1, text/x.enum and audio answers "
        "are refused; what else it holds is dropped by name",
    ),
    "labels": converted("metadata", "a map of strings"),
    "serviceTier": converted("service_tier", "standard becomes default"),
    "safetySettings": dropped("thresholds of Google's own filters"),
    "store": dropped("Google's own log"),
    "cachedContent": refused("cached content is kept at Google; send the contents themselves"),
    "modelArmorConfig": refused("Model Armor is Google's, and no other vendor would apply it; leave the field out"),
}
"""Of a client's request. A refused field is refused when it holds something; null, {} and [] ask for nothing."""

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
"""What a client calls parts of neutral fields that it has elsewhere than the whole."""


WRITES: Mapping[str, Disposition] = {
    "messages": converted(
        "",
        "contents, roles merged so that they alternate; mid-conversation system text becomes user text in <system> "
        "tags; names, image detail and reasoning without a Gemini signature are dropped with notice; an image type "
        "that Google does not take is refused in the user's last turn, else words in its place and named; links that "
        "the server does not fetch, and a final model turn on models that refuse it, are refused",
    ),
    "system": carried("", "systemInstruction, one part a block; alone, without any message, it is sent as a user turn"),
    "tools": converted(
        "",
        "functionDeclarations with parametersJsonSchema, where nothing stands beside $ref, or the OpenAPI subset, "
        "whose missing keywords are named one by one and whose recursion is refused; unions at the root are merged, "
        "told in the description and named; names and property keys outside Gemini's letters are replaced and "
        "mapped back; strict is dropped with notice; a search alone is googleSearch, beside functions it is refused "
        "or left out",
    ),
    "tool_choice": converted("", "functionCallingConfig AUTO, NONE, ANY, allowedFunctionNames"),
    "parallel_tools": dropped("only when false: Gemini has no such switch"),
    "thinking": converted(
        "",
        "thinkingConfig with level or budget by the model; dropped with notice where the model does not think, or "
        "cannot stop thinking; a budget outside the model's range becomes the nearest one, with notice",
    ),
    "output_format": converted(
        "",
        "responseMimeType and responseJsonSchema, whose other keywords become words of descriptions and are named "
        "(responseSchema on old servers); beside tools on models that refuse "
        "both: a forced answer tool, or dropped with notice when a call is demanded anyway; name and strict say "
        "nothing that Gemini would not do",
    ),
    "max_tokens": carried("", "maxOutputTokens; no default, Gemini demands none"),
    "temperature": carried("", "0 to 2 as in chat; dropped with notice on models with fixed sampling"),
    "top_p": carried("", "dropped with notice on models with fixed sampling"),
    "top_k": carried("", "dropped with notice on models with fixed sampling"),
    "presence_penalty": carried("", "dropped with notice on models without penalties"),
    "frequency_penalty": carried("", "dropped with notice on models without penalties"),
    "seed": carried("", "dropped with notice beyond 32 bits"),
    "stop": carried("", "stopSequences; more than five are refused"),
    "logprobs": dropped("the neutral answer has no place for them"),
    "top_logprobs": dropped("the neutral answer has no place for them"),
    "logit_bias": dropped("no counterpart"),
    "user": dropped("no counterpart"),
    "metadata": dropped("labels are Vertex AI's billing data with an alphabet of their own"),
    "service_tier": converted("", "serviceTier: flex, priority, default as standard; auto is left out; others dropped"),
    "safety_identifier": dropped("no counterpart"),
    "image_output": converted("", "responseModalities; dropped with notice on models that make no images"),
    "prompt_cache_key": dropped("Gemini finds what it can cache by itself"),
    "verbosity": dropped("no counterpart"),
    "stream": converted("", "the method in the URL, which is the provider's"),
    "include_usage": converted("", "Gemini always tells"),
}
