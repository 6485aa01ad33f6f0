"""The API's checks beyond its types.

Runs on bodies with valid types; the vendor rejects each violation with a 400. Sources:
ai.google.dev/gemini-api/docs/function-calling, /thought-signatures, /structured-output; google.genai.types; for forced
calls with a format, the service's 400 as vercel/ai recorded it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tools.fake_upstream.parts import is_base64, is_foreign

DATA = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
# Longer names are documented only for newer models.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
MOST_STOPS = 5
RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "candidateCount": (1, 8),
    "maxOutputTokens": (1, 2**31 - 1),
    "seed": (-(2**31), 2**31 - 1),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
}
# From this generation on, clients must return the calls of the current turn with their signature.
SIGNED_GENERATION = 3


def semantic_problems(body: Mapping[str, Any], model: str, *, vertex: bool) -> Iterator[str]:
    contents = body.get("contents") or []
    if not contents:
        yield "contents: contents is not specified"
    yield from _roles(contents, vertex)
    for place, content in _all_contents(body):
        yield from _parts(content, place)
    yield from _function_turns(contents)
    if needs_signatures(model):
        yield from _signatures(contents)
    declared = [
        function.get("name") or ""
        for tool in body.get("tools") or ()
        for function in tool.get("functionDeclarations") or ()
    ]
    yield from _declarations(body.get("tools") or [], declared)
    yield from _tool_config(body, declared)
    yield from _generation(body.get("generationConfig") or {})
    if body.get("cachedContent") and any(body.get(key) for key in ("systemInstruction", "tools", "toolConfig")):
        yield "cachedContent: can not be used together with systemInstruction, tools or toolConfig"


def needs_signatures(model: str) -> bool:
    match = re.match(r"gemini-(\d+)", model)
    return match is not None and int(match[1]) >= SIGNED_GENERATION


def _roles(contents: list[Any], vertex: bool) -> Iterator[str]:
    before = "model"
    for index, content in enumerate(contents):
        role = content.get("role") or ("" if vertex else "user")
        if role not in ("user", "model"):
            yield f"contents.{index}.role: Please use a valid role: user, model."
        elif role == before:
            yield f"contents.{index}.role: roles must alternate between user and model, beginning with user"
        before = role


def _all_contents(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, content in enumerate(body.get("contents") or ()):
        yield f"contents.{index}", content
    if (system := body.get("systemInstruction")) is not None:
        yield "systemInstruction", system


def _parts(content: Mapping[str, Any], place: str) -> Iterator[str]:
    if not content.get("parts"):
        yield f"{place}.parts: must include at least one parts field"
    for index, part in enumerate(content.get("parts") or ()):
        here = f"{place}.parts.{index}"
        kinds = [key for key in DATA if part.get(key) is not None]
        if len(kinds) != 1:
            yield f"{here}: required oneof field 'data' must have one initialized field, not {kinds}"
        if place == "systemInstruction" and kinds != ["text"]:
            yield f"{here}: systemInstruction takes text only"
        if kinds == ["text"] and not part["text"] and not part.get("thoughtSignature"):
            yield f"{here}.text: must not be empty"
        if (signature := part.get("thoughtSignature")) and is_foreign(signature, "gemini"):
            yield f"{here}.thoughtSignature: Corrupted thought signature."
        yield from _data(part, content.get("role") or "user", here)


def _data(part: Mapping[str, Any], role: str, here: str) -> Iterator[str]:
    if (blob := part.get("inlineData")) is not None:
        if not blob.get("mimeType") or not blob.get("data"):
            yield f"{here}.inlineData: mimeType and data are required"
        elif not is_base64(blob["data"]):
            yield f"{here}.inlineData.data: Base64 decoding failed"
    if (link := part.get("fileData")) is not None and not link.get("fileUri"):
        yield f"{here}.fileData.fileUri: is required"
    for key, its_role in (("functionCall", "model"), ("functionResponse", "user")):
        if (function := part.get(key)) is None:
            continue
        if role != its_role:
            yield f"{here}.{key}: belongs into a turn of {its_role}"
        if not NAME.fullmatch(function.get("name") or ""):
            yield f"{here}.{key}.name: Invalid function name {function.get('name')!r}"
    if (response := part.get("functionResponse")) is not None and response.get("response") is None:
        yield f"{here}.functionResponse.response: is required"


def _function_turns(contents: list[Any]) -> Iterator[str]:
    calls: list[Mapping[str, Any]] = []
    for index, content in enumerate(contents):
        results = _functions(content, "functionResponse")
        if results and not calls:
            yield (
                f"contents.{index}: Please ensure that function response turn comes immediately after a function "
                "call turn."
            )
        elif len(results) != len(calls):
            yield (
                f"contents.{index}: Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )
        elif Counter(call.get("name") for call in calls) != Counter(result.get("name") for result in results):
            yield f"contents.{index}: the function responses' names are not those of the calls"
        elif {result.get("id") for result in results} - {None} != {call.get("id") for call in calls} - {None}:
            yield f"contents.{index}: the function responses' ids are not those of the calls"
        calls = _functions(content, "functionCall")
        if calls and index == 0:
            yield (
                "contents.0: Please ensure that function call turn comes immediately after a user turn or after a "
                "function response turn."
            )


def _functions(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    return [part[key] for part in content.get("parts") or () if part.get(key) is not None]


def _signatures(contents: list[Any]) -> Iterator[str]:
    asked = [
        index
        for index, content in enumerate(contents)
        if content.get("role", "user") == "user" and not _functions(content, "functionResponse")
    ]
    for index in range(max(asked, default=-1) + 1, len(contents)):
        calls = [
            (number, part) for number, part in enumerate(contents[index].get("parts") or ()) if part.get("functionCall")
        ]
        if calls and not calls[0][1].get("thoughtSignature"):
            name = calls[0][1]["functionCall"].get("name")
            yield f"contents.{index}.parts.{calls[0][0]}: Function call {name} is missing a thought_signature"


def _declarations(tools: list[Any], declared: list[str]) -> Iterator[str]:
    for index, tool in enumerate(tools):
        if not any(value is not None for value in tool.values()):
            yield f"tools.{index}: a tool must have one of its fields"
        for number, function in enumerate(tool.get("functionDeclarations") or ()):
            here = f"tools.{index}.functionDeclarations.{number}"
            if not NAME.fullmatch(function.get("name") or ""):
                yield f"{here}.name: Invalid function name {function.get('name')!r}"
            if function.get("parameters") is not None and function.get("parametersJsonSchema") is not None:
                yield f"{here}: parameters and parametersJsonSchema exclude each other"
    for name, times in Counter(declared).items():
        if times > 1:
            yield f"tools: Duplicate function declaration found: {name}"


def _tool_config(body: Mapping[str, Any], declared: list[str]) -> Iterator[str]:
    config = (body.get("toolConfig") or {}).get("functionCallingConfig")
    if config is None:
        return
    if not declared:
        yield "toolConfig: Function calling config is set without function_declarations."
    mime_type = (body.get("generationConfig") or {}).get("responseMimeType")
    if config.get("mode") == "ANY" and mime_type == "application/json":
        yield f"Forced function calling (ANY mode) with a response mime type: '{mime_type}' is unsupported"
    allowed = config.get("allowedFunctionNames") or []
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        yield "toolConfig.functionCallingConfig.allowedFunctionNames: only with mode ANY or VALIDATED"
    for name in allowed:
        if name not in declared:
            yield f"toolConfig.functionCallingConfig.allowedFunctionNames: {name!r} is not declared"


def _generation(config: Mapping[str, Any]) -> Iterator[str]:
    for key, (least, most) in RANGES.items():
        if (value := config.get(key)) is not None and not least <= value <= most:
            yield f"generationConfig.{key}: {value} is not in the range from {least} to {most}"
    if len(config.get("stopSequences") or ()) > MOST_STOPS or "" in (config.get("stopSequences") or ()):
        yield f"generationConfig.stopSequences: at most {MOST_STOPS}, none of them empty"
    schemas = [key for key in ("responseSchema", "responseJsonSchema") if config.get(key) is not None]
    if len(schemas) > 1:
        yield "generationConfig: responseSchema and responseJsonSchema exclude each other"
    if schemas and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        yield f"generationConfig.{schemas[0]}: response mimetype must be `application/json`"
    thinking = config.get("thinkingConfig") or {}
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        yield "generationConfig.thinkingConfig: You can only set only one of thinking budget and thinking level."
