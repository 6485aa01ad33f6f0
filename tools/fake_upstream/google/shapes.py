"""Checks a GenerateContentRequest field by field against google-genai's published types.

The types are the SDK's, the nesting is that of REST. The tables of fields that one of the two APIs lacks come from the
SDK's converters (``google.genai.models``), which reject the same fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tools.fake_upstream.validate import MOST_PROBLEMS, problems, validator
from tools.fake_upstream.vendors import compact

# Top-level key -> type, and whether the value is a list of it.
FIELDS: Mapping[str, tuple[str, bool]] = {
    "contents": ("Content", True),
    "systemInstruction": ("Content", False),
    "tools": ("Tool", True),
    "toolConfig": ("ToolConfig", False),
    "generationConfig": ("GenerationConfig", False),
    "safetySettings": ("SafetySetting", True),
    "serviceTier": ("ServiceTier", False),
    "modelArmorConfig": ("ModelArmorConfig", False),
}
PLAIN: Mapping[str, type] = {"cachedContent": str, "labels": dict, "store": bool}
COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")
"""Fields that Vertex AI's countTokens accepts."""

ONLY_VERTEX = (
    "modelArmorConfig",
    "generationConfig.audioTimestamp",
    "generationConfig.modelConfig",
    "generationConfig.modelSelectionConfig",
    "generationConfig.routingConfig",
    "safetySettings.*.method",
    "tools.*.enterpriseWebSearch",
    "tools.*.exaAiSearch",
    "tools.*.parallelAiSearch",
    "tools.*.retrieval",
    "toolConfig.functionCallingConfig.streamFunctionCallArguments",
    "contents.*.parts.*.functionCall.partialArgs",
    "contents.*.parts.*.functionCall.willContinue",
)
ONLY_GEMINI = (
    "store",
    "generationConfig.enableEnhancedCivicAnswers",
    "tools.*.fileSearch",
    "toolConfig.includeServerSideToolInvocations",
)


def warm_up() -> None:
    for name, _ in FIELDS.values():
        validator(_type(name))


def shape_problems(body: Mapping[str, Any], *, vertex: bool) -> tuple[str, ...]:
    """Problems with the fields of ``body``."""
    found = list(_missing_fields(body, vertex))
    for key, value in body.items():
        if key in FIELDS:
            found += _field_problems(key, value)
        elif key in PLAIN:
            found += [] if isinstance(value, PLAIN[key]) else [f"{key}: Input should be a {PLAIN[key].__name__}"]
        else:
            found.insert(0, f"{key}: Extra inputs are not permitted")
    return tuple(found)[:MOST_PROBLEMS]


def _field_problems(key: str, value: Any) -> list[str]:
    name, many = FIELDS[key]
    if many:
        return [f"{key}.{line}" for line in problems(_type(name), compact(value))]
    if key == "generationConfig" and isinstance(value, dict):
        # REST has this field here, the SDK only in the type of its arguments.
        images = value.get("imageConfig")
        value = {inner: value[inner] for inner in value if inner != "imageConfig"}
        found = [] if images is None else _one("ImageConfig", images, f"{key}.imageConfig")
        return found + _one(name, value, key)
    return _one(name, value, key)


def _one(name: str, value: Any, path: str) -> list[str]:
    return [path + line.removeprefix("0") for line in problems(_type(name), compact([value]))]


def _type(name: str) -> str:
    return f"google.genai.types:{name}[]"


def _missing_fields(body: Mapping[str, Any], vertex: bool) -> Iterator[str]:
    api = "Vertex AI" if vertex else "the Gemini API"
    for pattern in ONLY_GEMINI if vertex else ONLY_VERTEX:
        for path in _paths(body, pattern.split(".")):
            yield f"{path}: {api} has no such field"


def _paths(value: Any, keys: list[str]) -> Iterator[str]:
    """The paths in ``value`` that match the pattern of keys."""
    if not keys:
        yield ""
        return
    key, *rest = keys
    if key == "*":
        children: list[tuple[int | str, Any]] = list(enumerate(value)) if isinstance(value, list) else []
    else:
        children = [(key, value[key])] if isinstance(value, dict) and key in value else []
    for name, child in children:
        for tail in _paths(child, rest):
            yield f"{name}.{tail}" if tail else str(name)
