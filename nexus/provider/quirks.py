"""What a server turned out to need: kept per model, and across reloads.

Any thread.
"""

from __future__ import annotations

import logging

from nexus.dataclasses import dataclass, field

_MOST_MODELS = 1000
"""Maximum number of models with learned quirks, because callers may name any model if ``unknown = "allow"``."""

_MOST_QUIRKS = 64
"""Maximum number for one model: some name what a server rejected of a caller's request."""

_FOUND = "found a quirk of the server that is not configured; requests are adapted"


@dataclass(slots=True, eq=False)
class LearnedQuirks:
    """``provider`` is its name. ``below_version``: the API was found below /v1, which ``base_url`` lacks."""

    provider: str
    log: logging.Logger
    below_version: bool = False
    _quirks: dict[str, frozenset[str]] = field(default_factory=dict)

    def quirks(self, model: str = "") -> frozenset[str]:
        """The quirks of a model, or of the whole server."""
        return self._quirks.get(model, frozenset())

    def record(self, model: str, quirk: str, words: str = _FOUND) -> None:
        """Records and logs a quirk; ``words`` is the log message, ``model`` "" the whole server."""
        known = self.quirks(model)
        if quirk not in known and len(known) < _MOST_QUIRKS and len(self._quirks) < _MOST_MODELS:
            self._quirks[model] = known | {quirk}
            fields = {"provider": self.provider, "model": model or None, "quirk": quirk}
            self.log.warning(words, extra={"fields": fields})
