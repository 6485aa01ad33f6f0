"""The vendor's own stop reason, in a field that is not in the client's published types (tools/docs/extra_fields.py)."""

from __future__ import annotations

from nexus.conversation.parts import Stop
from nexus.wire import Json

_INEXACT = frozenset({"unknown", "pause", "context_window", "refusal", "content_filter"})
_LONGEST_WORD = 100


def native_reason(stop: Stop, word: str | None) -> dict[str, Json]:
    """The vendor's own stop reason in addition to ``word``, the client's; {} if that says the same."""
    if stop.reason not in _INEXACT or not stop.raw or stop.raw == word:
        return {}
    return {"native_finish_reason": stop.raw[:_LONGEST_WORD]}
