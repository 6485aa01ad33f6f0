"""What a server turned out to be like: kept for the models that showed it, and across reloads.

Any thread.
"""

from __future__ import annotations

import logging
from dataclasses import field

from nexus.dataclasses import dataclass

log = logging.getLogger("nexus.providers.openai")

_MOST_MODELS = 1000
"""Of which quirks are learned, for callers may name any where ``unknown = "allow"``."""


@dataclass(slots=True, eq=False)
class Learned:
    """``no_summaries`` holds where summaries of reasoning are refused, ``below_version`` where the API was found below
    the version that ``base_url`` lacks."""

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
