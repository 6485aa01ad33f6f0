"""What Gemini servers and models differ in, as one typed value a model.

Facts about a model live here and nowhere else, as a pure function of its name; a provider replaces what its host
has otherwise. Sources, November 2026: ai.google.dev/gemini-api/docs (models, thinking, latest-model,
thought-signatures, function-calling, structured-output) and the Vertex AI model pages.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Final

from nexus.dataclasses import dataclass
from nexus.models.names import Version, gemini_name
from nexus.models.tool_rules import NameRule

TOOL_NAMES = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""google.genai.types.FunctionDeclaration.name; 64 is the shortest limit that Google's own 400s name for any model."""

PROPERTY_KEYS = NameRule("a-zA-Z0-9_.-", 64, first="a-zA-Z_")
"""Of ``parametersJsonSchema``, about which nothing is written: dots and dashes are in wide use there."""

OPENAPI_PROPERTY_KEYS = NameRule("a-zA-Z0-9_", 64, first="a-zA-Z_")
"""Of ``parameters``: google.genai.types.FunctionDeclaration.parameters."""

LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
"""What ``thinkingLevel`` may be, least first."""


@dataclass(frozen=True, slots=True)
class BudgetRange:
    """Tokens that ``thinkingBudget`` may be; ``off`` tells whether 0 is allowed beside them."""

    least: int
    most: int
    off: bool


@dataclass(frozen=True, slots=True)
class Gemini:
    """What a server of the Gemini dialect takes of its model."""

    vertex: bool = False
    """Vertex AI: gs:// and http links are fetched, countTokens has a flat body."""

    openapi_schemas: bool = False
    """Whether schemas are taken in the OpenAPI subset only (``parameters``, ``responseSchema``)."""

    format_beside_tools: bool = True
    """Whether ``responseMimeType`` is taken together with functionDeclarations; else an answer tool is forced."""

    function_ids: bool = False
    """Whether ``functionCall.id`` and ``functionResponse.id`` are taken, and matched; on Vertex AI since mid-2026."""

    thought_signatures: bool = False
    """Whether the first functionCall of a model turn must carry a thoughtSignature."""

    media_in_results: bool = False
    """Whether ``functionResponse.parts`` may hold images and documents."""

    web_links: bool = False
    """Whether the vendor fetches public https links in ``fileData`` itself."""

    sampling: bool = True
    """False where temperature, topP and topK are deprecated: ignored or refused."""

    penalties: bool = True
    """Whether presencePenalty and frequencyPenalty may be other than 0."""

    prefill: bool = True
    """Whether a conversation may end with a model turn."""

    image_output: bool = False
    """Whether it makes images, where ``responseModalities`` asks for them and by default."""

    levels: tuple[str, ...] = ()
    """What ``thinkingLevel`` may be, least first, of a model that is asked to think so."""

    budgets: BudgetRange | None = None
    """What ``thinkingBudget`` may be, of a model that is asked to think so."""

    @property
    def property_keys(self) -> NameRule:
        return OPENAPI_PROPERTY_KEYS if self.openapi_schemas else PROPERTY_KEYS


PLAIN = Gemini()
_NEWEST: Version = (3, 8)
"""What an unversioned alias such as ``gemini-flash-latest`` is taken for."""

_OTHER = Gemini(openapi_schemas=True)
_SECOND = Gemini(openapi_schemas=True, format_beside_tools=False)
_SECOND_AND_A_HALF = Gemini(format_beside_tools=False, web_links=True, penalties=False)
_THIRD = Gemini(function_ids=True, thought_signatures=True, media_in_results=True, web_links=True, penalties=False)


@functools.lru_cache(maxsize=1024)
def profile(model: str) -> Gemini:
    """The facts about a model by its id, with or without a resource path."""
    name = gemini_name(model)
    if name is None:
        return _OTHER
    version, variant = name.version or _NEWEST, name.variant
    if version < (2, 5):
        own = _SECOND
    elif version < (3, 0):
        own = replace(_SECOND_AND_A_HALF, budgets=_budgets(variant))
    else:
        fixed = version >= (3, 6) or (version == (3, 5) and "lite" in variant)
        own = replace(_THIRD, levels=_levels(version, variant), sampling=not fixed, prefill=not fixed)
    return replace(own, image_output="image" in variant)


def _budgets(variant: str) -> BudgetRange | None:
    if "image" in variant or "tts" in variant:
        return None
    if "lite" in variant:
        return BudgetRange(512, 24576, off=True)
    return BudgetRange(128, 32768, off=False) if variant.startswith("pro") else BudgetRange(1, 24576, off=True)


def _levels(version: Version, variant: str) -> tuple[str, ...]:
    """XHIGH is Gemini 4 Hydrogen's; not Argon's, not Carbon's."""
    if "image" in variant or "tts" in variant:
        return ()
    pro = variant.startswith("pro")
    has = {
        "MINIMAL": not pro and version < (3, 7),
        "MEDIUM": not pro or version >= (3, 1),
        "XHIGH": version >= (4, 0) and "hydrogen" in variant,
    }
    return tuple(level for level in LEVELS if has.get(level, True))
