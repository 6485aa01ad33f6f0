"""What Gemini servers and models differ in, as named quirks, and which model has which.

Law: a quirk is a fact about the server, never a wish; the codec asks for quirks and for nothing else, so a model that
is not listed here is served by naming its quirks in the configuration. Source: ai.google.dev/gemini-api/docs (models,
thinking, latest-model, thought-signatures) and the Vertex AI model pages, November 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""google.genai.types.FunctionDeclaration.name; 64 is the shortest limit that Google's own 400s name for any model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""Of ``parametersJsonSchema``, about which nothing is written: dots and dashes are in wide use there."""

OPENAPI_PROPERTY_KEYS = NameRule("a-zA-Z0-9_", 64, first="a-zA-Z_")
"""Of ``parameters``: google.genai.types.FunctionDeclaration.parameters."""

QUIRKS: Mapping[str, str] = {
    "vertex": "Vertex AI (set by the provider): gs:// and http links are fetched, countTokens has a flat body",
    "openapi_schema": "takes schemas only in the OpenAPI subset (parameters, responseSchema)",
    "format_excludes_tools": "refuses responseMimeType together with functionDeclarations; an answer tool is forced",
    "function_ids": "functionCall.id and functionResponse.id are taken, and matched; on Vertex AI since mid-2026",
    "thought_signatures": "the first functionCall of a model turn must carry a thoughtSignature",
    "multimodal_function_response": "functionResponse.parts may hold images and documents",
    "http_links": "the vendor fetches public https links in fileData itself",
    "no_sampling": "temperature, topP and topK are deprecated: ignored or refused",
    "no_penalties": "refuses presencePenalty and frequencyPenalty other than 0",
    "no_prefill": "refuses a conversation that ends with a model turn",
    "image_output": "makes images, where responseModalities asks for them and by default",
    "thinking_level": "thinks, controlled by thinkingLevel LOW and HIGH",
    "thinking_level_minimal": "thinkingLevel MINIMAL exists",
    "thinking_level_medium": "thinkingLevel MEDIUM exists",
    "thinking_level_xhigh": "thinkingLevel XHIGH exists (Gemini 4 Hydrogen; not Argon, not Carbon)",
    "thinking_budget_flash": "thinks, controlled by thinkingBudget 0 (off) to 24576",
    "thinking_budget_lite": "thinks, controlled by thinkingBudget 0 (off) or 512 to 24576",
    "thinking_budget_pro": "thinks always, controlled by thinkingBudget 128 to 32768",
}

_NAME = re.compile(r"gemini-(?:(\d+)(?:\.(\d+))?-)?(.*)")
_NEWEST = (3, 8)
"""What an unversioned alias such as ``gemini-flash-latest`` is taken for."""

_THIRD = frozenset({"no_penalties", "function_ids", "thought_signatures", "multimodal_function_response", "http_links"})
_FIXED_TURNS = frozenset({"no_sampling", "no_prefill"})


def quirks_of(model: str) -> frozenset[str]:
    """The quirks of a model by its id, with or without a resource path; the provider adds ``vertex``."""
    match = _NAME.fullmatch(model.lower().rsplit("/", 1)[-1])
    if match is None:
        return frozenset({"openapi_schema"})
    major, minor, variant = match.groups()
    version = (int(major), int(minor or 0)) if major else _NEWEST
    if version < (2, 5):
        makes_images = {"image_output"} if "image" in variant else set()
        return frozenset({"openapi_schema", "format_excludes_tools"} | makes_images)
    if version < (3, 0):
        return frozenset({"format_excludes_tools", "http_links", "no_penalties"}) | _budget_quirks(variant)
    fixed = version >= (3, 6) or (version == (3, 5) and "lite" in variant)
    return _THIRD | _level_quirks(version, variant) | (_FIXED_TURNS if fixed else frozenset())


def _budget_quirks(variant: str) -> frozenset[str]:
    if "image" in variant:
        return frozenset({"image_output"})
    if "tts" in variant:
        return frozenset()
    if "lite" in variant:
        return frozenset({"thinking_budget_lite"})
    return frozenset({"thinking_budget_pro" if variant.startswith("pro") else "thinking_budget_flash"})


def _level_quirks(version: tuple[int, int], variant: str) -> frozenset[str]:
    if "image" in variant:
        return frozenset({"image_output"})
    if "tts" in variant:
        return frozenset()
    levels = {"thinking_level"}
    pro = variant.startswith("pro")
    if not pro or version >= (3, 1):
        levels.add("thinking_level_medium")
    if not pro and version < (3, 7):
        levels.add("thinking_level_minimal")
    if version >= (4, 0) and "hydrogen" in variant:
        levels.add("thinking_level_xhigh")
    return frozenset(levels)
