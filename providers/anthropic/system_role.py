"""Compatible servers that reject the system messages which Claude Code puts inside a conversation.

Claude Code sends none again only after a 400 in words that it knows (colibri #725), and these servers use others: the
request is sent again with that text in the user's turns, and so are later ones for the model. Sources: llama.cpp #27367
(a 500 from Qwen's template), vLLM #41114 and #48874, QwenLM/Qwen #2244, claude-code #63469, kiro-gateway #197.
"""

from __future__ import annotations

import logging
import re
from functools import partial

from nexus.dataclasses import dataclass, field, replace
from nexus.errors.failure import VendorFailure
from nexus.late import pattern
from nexus.protocols.codec import Target
from nexus.protocols.messages.hosted import has_systems
from nexus.provider import ProviderRequest, Without
from nexus.wire import decode, mapping

log = logging.getLogger("nexus.providers.anthropic")

_STATUSES = (400, 422, 500)
_WORDS = pattern(
    r"system message must be (at the beginning|the first|first)|\brole\b.{0,60}\buser\W{1,3}or\W{1,3}assistant\b",
    re.IGNORECASE | re.DOTALL,
)
_MOST_MODELS = 1000
"""Maximum number of models to remember, because callers may name any model if ``unknown = "allow"``."""


@dataclass(slots=True, eq=False)
class RefusedRoles:
    """The models whose server rejected the role. Any thread."""

    models: frozenset[str] = field(default_factory=frozenset)

    def add(self, provider: str, model: str) -> None:
        if model not in self.models and len(self.models) < _MOST_MODELS:
            self.models |= {model}
            fields = {"provider": provider, "model": model}
            log.warning(
                "system messages within a conversation are refused; they become user text", extra={"fields": fields}
            )


def without_role(
    refused: VendorFailure, request: ProviderRequest, roles: RefusedRoles, provider: str
) -> Without | None:
    if refused.status not in _STATUSES or not _WORDS.search(refused.message):
        return None
    if not has_systems(mapping(decode(request.body))):
        return None
    return Without("system messages", refusing, partial(roles.add, provider, request.model), passed=True)


def refusing(target: Target) -> Target:
    return replace(target, claude=replace(target.claude, system_role=False, refuses_system=True))
