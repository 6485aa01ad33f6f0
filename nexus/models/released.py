"""Release dates of models, for model lists; None if the date is not known.

How reliable the dates are, November 2026. From the vendors' pages (platform.claude.com, developers.openai.com,
ai.google.dev/gemini-api/docs/deprecations, AWS on Nova) or from dates in the names: everything not listed below. From
third parties, unverified: Claude Sonnet 5.5, Opus 5.5 (the vendor's page as quoted by a review), GPT-5.6, 6 Astra, 6
Sol, 6 Luna and 6.2. Not checked again: Claude 3 to 4.5, GPT-3.5 to GPT-5.5, Nova.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from nexus.late import pattern
from nexus.models.names import Version, claude_name, model_name

_CLAUDE: Mapping[tuple[str, Version], date] = {
    ("opus", (3, 0)): date(2024, 2, 29),
    ("haiku", (3, 0)): date(2024, 3, 7),
    ("haiku", (3, 5)): date(2024, 10, 22),
    ("sonnet", (3, 7)): date(2025, 2, 24),
    ("opus", (4, 0)): date(2025, 5, 22),
    ("sonnet", (4, 0)): date(2025, 5, 22),
    ("opus", (4, 1)): date(2025, 8, 5),
    ("sonnet", (4, 5)): date(2025, 9, 29),
    ("haiku", (4, 5)): date(2025, 10, 15),
    ("opus", (4, 5)): date(2025, 11, 24),
    ("opus", (4, 6)): date(2026, 2, 5),
    ("sonnet", (4, 6)): date(2026, 2, 17),
    ("opus", (4, 8)): date(2026, 5, 28),
    ("fable", (5, 0)): date(2026, 6, 9),
    ("mythos", (5, 0)): date(2026, 6, 9),
    ("sonnet", (5, 0)): date(2026, 6, 30),
    ("opus", (5, 0)): date(2026, 7, 24),
    ("fable", (5, 1)): date(2026, 9, 1),
    ("mythos", (5, 1)): date(2026, 9, 1),
    ("opus", (5, 5)): date(2026, 9, 22),
    ("sonnet", (5, 5)): date(2026, 9, 29),
    ("haiku", (5, 5)): date(2026, 10, 7),
}

_NAMED: Mapping[str, date] = {
    "gpt-3.5-turbo": date(2023, 3, 1),
    "gpt-4": date(2023, 3, 14),
    "gpt-4-turbo": date(2024, 4, 9),
    "gpt-4o": date(2024, 5, 13),
    "gpt-4o-mini": date(2024, 7, 18),
    "o1": date(2024, 12, 17),
    "o3-mini": date(2025, 1, 31),
    "gpt-4.1": date(2025, 4, 14),
    "gpt-4.1-mini": date(2025, 4, 14),
    "gpt-4.1-nano": date(2025, 4, 14),
    "o3": date(2025, 4, 16),
    "o4-mini": date(2025, 4, 16),
    "gpt-oss-20b": date(2025, 8, 5),
    "gpt-oss-120b": date(2025, 8, 5),
    "gpt-5": date(2025, 8, 7),
    "gpt-5-mini": date(2025, 8, 7),
    "gpt-5-nano": date(2025, 8, 7),
    "gpt-5-codex": date(2025, 9, 23),
    "gpt-5-pro": date(2025, 10, 6),
    "gpt-5.1": date(2025, 11, 13),
    "gpt-5.1-codex": date(2025, 11, 13),
    "gpt-5.2": date(2025, 12, 11),
    "gpt-5.2-pro": date(2025, 12, 11),
    "gpt-5.2-codex": date(2026, 1, 14),
    "gpt-5.4": date(2026, 3, 5),
    "gpt-5.4-mini": date(2026, 3, 17),
    "gpt-5.4-nano": date(2026, 3, 17),
    "gpt-5.5": date(2026, 4, 23),
    "gpt-5.5-pro": date(2026, 4, 23),
    "gpt-5.6": date(2026, 7, 9),
    "gpt-5.6-sol": date(2026, 7, 9),
    "gpt-5.6-terra": date(2026, 7, 9),
    "gpt-5.6-luna": date(2026, 7, 9),
    "gpt-6-astra": date(2026, 9, 3),
    "gpt-6-sol": date(2026, 9, 22),
    "gpt-6-luna": date(2026, 9, 22),
    "gpt-6.1-sol": date(2026, 9, 29),
    "gpt-6.2-astra": date(2026, 11, 17),
    "gpt-6.2-sol": date(2026, 11, 17),
    "gemini-2.0-flash": date(2025, 2, 5),
    "gemini-2.0-flash-lite": date(2025, 2, 25),
    "gemini-2.5-pro": date(2025, 6, 17),
    "gemini-2.5-flash": date(2025, 6, 17),
    "gemini-2.5-flash-lite": date(2025, 7, 22),
    "gemini-2.5-flash-image": date(2025, 10, 2),
    "gemini-3-pro-preview": date(2025, 11, 18),
    "gemini-3-pro-image-preview": date(2025, 11, 20),
    "gemini-3-flash-preview": date(2025, 12, 17),
    "gemini-3.1-pro-preview": date(2026, 2, 19),
    "gemini-3.1-flash-image-preview": date(2026, 2, 26),
    "gemini-3.1-flash-lite-preview": date(2026, 3, 3),
    "gemini-3.1-flash-lite": date(2026, 5, 7),
    "gemini-3.5-flash": date(2026, 5, 19),
    "gemini-3-pro-image": date(2026, 5, 28),
    "gemini-3.1-flash-image": date(2026, 5, 28),
    "gemini-3.5-flash-lite": date(2026, 7, 21),
    "gemini-3.6-flash": date(2026, 7, 21),
    "gemini-3.7-flash": date(2026, 8, 13),
    "gemini-3.8-flash": date(2026, 9, 2),
    "nova-micro": date(2024, 12, 3),
    "nova-lite": date(2024, 12, 3),
    "nova-pro": date(2024, 12, 3),
    "nova-premier": date(2025, 4, 30),
}

_DATED = pattern(r"(?<!\d)(20\d\d)-?([01]\d)-?([0-3]\d)(?!\d)")
_VERSION = pattern(r"(-v?\d+|-\d{3}|-latest|@.*)$")


def released(model: str) -> date | None:
    """The release date of a model, by any host's id for it."""
    if (claude := claude_name(model)) and claude.version and (day := _CLAUDE.get((claude.family, claude.version))):
        return day
    if (day := _dated(model.rsplit("/", 1)[-1])) is not None:
        return day
    name = model_name(model).name
    return _NAMED.get(name) or _NAMED.get(_VERSION.sub("", name))


def _dated(name: str) -> date | None:
    match = _DATED.search(name)
    try:
        return match and date(*map(int, match.groups()))
    except ValueError:
        return None
