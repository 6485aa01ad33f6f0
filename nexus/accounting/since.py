"""From when on usage is asked for: "24h", "7d", "today", "month", a date or a moment."""

from __future__ import annotations

from datetime import UTC, datetime

from nexus.accounting.ledger import midnight
from nexus.settings.types import read_duration

EXPECTED = 'expected a duration such as 24h or 7d, "today", "month", a date such as 2026-11-01, or a moment'


def since_of(text: str, now: float) -> float:
    """In Unix seconds; days and months are those of UTC, as are moments without a zone. Raises ValueError."""
    words = text.strip().lower()
    today = midnight(now)
    if words == "today":
        return today
    if words == "month":
        return today - (datetime.fromtimestamp(now, UTC).day - 1) * 86_400
    try:
        if words[-1:].isalpha() and words[-1] != "z":
            return now - read_duration(words)
        moment = datetime.fromisoformat(words.upper())
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(EXPECTED) from None
