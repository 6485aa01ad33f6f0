"""What each Gemini model accepts."""

from dataclasses import replace
from typing import Any

import pytest

from nexus.models.gemini import BudgetRange, Gemini, profile

OTHER = Gemini(openapi_schemas=True)
SECOND = Gemini(openapi_schemas=True, format_beside_tools=False)
HALF = Gemini(format_beside_tools=False, web_links=True, penalties=False)
FLASH = replace(HALF, budgets=BudgetRange(1, 24576, off=True))
THIRD = Gemini(function_ids=True, thought_signatures=True, media_in_results=True, web_links=True, penalties=False)
FOUR_LEVELS = replace(THIRD, levels=("MINIMAL", "LOW", "MEDIUM", "HIGH"))
FIXED: dict[str, Any] = {"sampling": False, "prefill": False}
NEWEST = replace(THIRD, levels=("LOW", "MEDIUM", "HIGH"), **FIXED)

MODELS = {
    "gemini-2.0-flash": SECOND,
    "gemini-1.5-pro-002": SECOND,
    "gemini-2.0-flash-preview-image-generation": replace(SECOND, image_output=True),
    "gemini-2.5-flash": FLASH,
    "google/gemini-2.5-flash": FLASH,
    "publishers/google/models/gemini-2.5-flash": FLASH,
    "gemini-2.5-flash-lite": replace(HALF, budgets=BudgetRange(512, 24576, off=True)),
    "gemini-2.5-pro": replace(HALF, budgets=BudgetRange(128, 32768, off=False)),
    "gemini-2.5-flash-image": replace(HALF, image_output=True),
    "gemini-2.5-pro-preview-tts": HALF,
    "gemini-3-pro-image": replace(THIRD, image_output=True),
    "gemini-3-pro-preview": replace(THIRD, levels=("LOW", "HIGH")),
    "gemini-3.1-pro-preview": replace(THIRD, levels=("LOW", "MEDIUM", "HIGH")),
    "gemini-3-flash-preview": FOUR_LEVELS,
    "gemini-3.5-flash": FOUR_LEVELS,
    "gemini-3.5-flash-lite": replace(FOUR_LEVELS, **FIXED),
    "gemini-3.6-flash": replace(FOUR_LEVELS, **FIXED),
    "gemini-3.8-flash": NEWEST,
    "models/gemini-4-hydrogen": replace(NEWEST, levels=("LOW", "MEDIUM", "HIGH", "XHIGH")),
    "gemini-4-argon": NEWEST,
    "publishers/google/models/gemini-flash-latest": NEWEST,
    "gemini-nano-banana-2.1": replace(NEWEST, levels=(), image_output=True),
    "gemma-3-27b-it": OTHER,
    "models/gemma-4-31b-it": replace(OTHER, levels=("MINIMAL", "HIGH")),
}


@pytest.mark.parametrize("model", MODELS)
def test_each_name_has_its_profile(model: str) -> None:
    assert profile(model) == MODELS[model]
