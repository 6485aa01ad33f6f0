"""What a server turned out to need: kept per model, and across reloads.

Any thread.
"""

from __future__ import annotations

import logging

from nexus.dataclasses import dataclass, field

log = logging.getLogger("nexus.providers.openai")

_MOST_MODELS = 1000
"""Maximum number of models with learned quirks, because callers may name any model if ``unknown = "allow"``."""


@dataclass(slots=True, eq=False)
class LearnedQuirks:
    """``no_summaries``: reasoning summaries are rejected. ``below_version``: the API was found below /v1, which
    ``base_url`` lacks.
    """

    no_summaries: bool = False
    below_version: bool = False
    _quirks: dict[str, frozenset[str]] = field(default_factory=dict)

    def quirks(self, model: str) -> frozenset[str]:
        return self._quirks.get(model, frozenset())

    def forget_summaries(self, provider: str) -> None:
        if not self.no_summaries:
            self.no_summaries = True
            log.warning(
                "reasoning summaries are refused, so they are omitted", extra={"fields": {"provider": provider}}
            )

    def keep_to(self, provider: str, model: str, quirk: str) -> None:
        known = self.quirks(model)
        if quirk not in known and len(self._quirks) < _MOST_MODELS:
            self._quirks[model] = known | {quirk}
            fields = {"provider": provider, "model": model, "quirk": quirk}
            log.warning(
                "found a quirk of the server that is not configured; requests are adapted", extra={"fields": fields}
            )
