"""Release dates are found under every host's name for a model."""

from datetime import date

import pytest

from nexus.models.released import released

DATES = {
    "claude-sonnet-4-5": date(2025, 9, 29),
    "claude-opus-4-5-20251101": date(2025, 11, 24),
    "us.anthropic.claude-haiku-4-5-20251001-v1:0": date(2025, 10, 15),
    "claude-3-5-sonnet-20241022": date(2024, 10, 22),
    "claude-3-5-sonnet-20240620": date(2024, 6, 20),
    "claude-fable-5-1": date(2026, 9, 1),
    "claude-sonnet-4@20250514": date(2025, 5, 22),
    "gpt-4.1": date(2025, 4, 14),
    "gpt-4o-2024-11-20": date(2024, 11, 20),
    "ft:gpt-4o-2024-08-06:us::1": date(2024, 8, 6),
    "us.openai.gpt-5.6-sol": date(2026, 7, 9),
    "openai.gpt-oss-120b-1:0": date(2025, 8, 5),
    "models/gemini-2.0-flash-001": date(2025, 2, 5),
    "gemini-3.8-flash": date(2026, 9, 2),
    "us.amazon.nova-pro-v1:0": date(2024, 12, 3),
}
UNKNOWN = ["claude-opus-9", "gpt-4.9", "gpt-5.5-nano", "gemini-3.8-flash-lite", "my-model", "m-20259999", "", "x/"]


@pytest.mark.parametrize("model", DATES)
def test_known_models_have_a_date(model: str) -> None:
    assert released(model) == DATES[model]


@pytest.mark.parametrize("model", UNKNOWN)
def test_similar_names_have_no_date(model: str) -> None:
    assert released(model) is None
