"""How Gemini servers and models differ, as one typed value per model.

Facts about a model live here and nowhere else, as a pure function of its name; a provider replaces what its host does
differently. Sources, November 2026: ai.google.dev/gemini-api/docs (models, thinking, latest-model, thought-signatures,
function-calling, structured-output) and the Vertex AI model pages.
"""

from __future__ import annotations

import functools
from typing import Final

from nexus.dataclasses import dataclass, replace
from nexus.models.names import Version, gemini_name, model_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""google.genai.types.FunctionDeclaration.name; 64 is the shortest limit in Google's own 400s for any model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""For ``parametersJsonSchema``, which is undocumented: dots and dashes are in wide use there."""

OPENAPI_PROPERTY_KEYS = NameRule("a-zA-Z0-9_", 64, first="a-zA-Z_")
"""For ``parameters``: google.genai.types.FunctionDeclaration.parameters."""

LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
"""The values of ``thinkingLevel``, lowest first."""


@dataclass(frozen=True, slots=True)
class BudgetRange:
    """The range of ``thinkingBudget`` in tokens; ``off``: 0 is allowed as well."""

    least: int
    most: int
    off: bool


@dataclass(frozen=True, slots=True)
class Gemini:
    """What a server of the Gemini dialect accepts for its model."""

    vertex: bool = False
    """Vertex AI: it fetches gs:// and http links, and countTokens has a flat body."""

    openapi_schemas: bool = False
    """Whether it accepts schemas only in the OpenAPI subset (``parameters``, ``responseSchema``)."""

    format_beside_tools: bool = True
    """Whether it accepts ``responseMimeType`` together with functionDeclarations, unless a call is required; else an
    answer tool is forced."""

    function_ids: bool = False
    """Whether it accepts and matches ``functionCall.id`` and ``functionResponse.id``; on Vertex AI since mid-2026."""

    thought_signatures: bool = False
    """Whether the first functionCall of a model turn must have a thoughtSignature."""

    media_in_results: bool = False
    """Whether ``functionResponse.parts`` may contain images and documents."""

    web_links: bool = False
    """Whether the vendor fetches public https links in ``fileData`` itself."""

    sampling: bool = True
    """False if temperature, topP and topK are deprecated: ignored or rejected."""

    penalties: bool = True
    """Whether presencePenalty and frequencyPenalty may differ from 0."""

    prefill: bool = True
    """Whether a conversation may end with a model turn."""

    image_output: bool = False
    """Whether it generates images, by default and if ``responseModalities`` requests them."""

    levels: tuple[str, ...] = ()
    """The values of ``thinkingLevel``, lowest first; empty if the model has no levels."""

    budgets: BudgetRange | None = None
    """The range of ``thinkingBudget``; None if the model has no budgets."""

    @property
    def property_keys(self) -> NameRule:
        return OPENAPI_PROPERTY_KEYS if self.openapi_schemas else PROPERTY_KEYS


PLAIN = Gemini()
_NEWEST: Version = (3, 8)
"""The version assumed for an unversioned alias such as ``gemini-flash-latest``."""

_OTHER = Gemini(openapi_schemas=True)
_GEMMA_4 = replace(_OTHER, levels=("MINIMAL", "HIGH"))
"""ai.google.dev/gemma/docs/core/gemma_on_gemini_api: thinking is either on or off."""
_SECOND = Gemini(openapi_schemas=True, format_beside_tools=False)
_SECOND_AND_A_HALF = Gemini(format_beside_tools=False, web_links=True, penalties=False)
_THIRD = Gemini(function_ids=True, thought_signatures=True, media_in_results=True, web_links=True, penalties=False)


@functools.lru_cache(maxsize=1024)
def profile(model: str) -> Gemini:
    """The facts about a model by its id, with or without a resource path."""
    name = gemini_name(model)
    if name is None:
        return _GEMMA_4 if model_name(model).name.startswith("gemma-4-") else _OTHER
    version, variant = name.version or _NEWEST, name.variant
    if version < (2, 5):
        own = _SECOND
    elif version < (3, 0):
        own = replace(_SECOND_AND_A_HALF, budgets=_budgets(variant))
    else:
        fixed = version >= (3, 6) or (version == (3, 5) and "lite" in variant)
        own = replace(_THIRD, levels=_levels(version, variant), sampling=not fixed, prefill=not fixed)
    return replace(own, image_output=_makes_images(variant))


def _makes_images(variant: str) -> bool:
    """``gemini-nano-banana-2.1`` is named as the image models were nicknamed (@ai-sdk/google 4.0)."""
    return "image" in variant or "banana" in variant


def _budgets(variant: str) -> BudgetRange | None:
    if _makes_images(variant) or "tts" in variant:
        return None
    if "lite" in variant:
        return BudgetRange(512, 24576, off=True)
    return BudgetRange(128, 32768, off=False) if variant.startswith("pro") else BudgetRange(1, 24576, off=True)


def _levels(version: Version, variant: str) -> tuple[str, ...]:
    """XHIGH is only in Gemini 4 Hydrogen, not in Argon or Carbon."""
    if _makes_images(variant) or "tts" in variant:
        return ()
    pro = variant.startswith("pro")
    has = {
        "MINIMAL": not pro and version < (3, 7),
        "MEDIUM": not pro or version >= (3, 1),
        "XHIGH": version >= (4, 0) and "hydrogen" in variant,
    }
    return tuple(level for level in LEVELS if has.get(level, True))
