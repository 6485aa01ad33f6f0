"""What compatible servers reject in a conversation: the request is sent again without it, and so are later ones for the
model.

System messages inside a conversation become text of the user's turns: Claude Code sends none again only after a 400 in
words that it knows (colibri #725), and these servers use others. Thinking is switched off where a call in the history
lacks its own (``messages/needed_thinking``). Sources: llama.cpp #27367 (a 500 from Qwen's template), vLLM #41114 and
#48874, QwenLM/Qwen #2244, claude-code #63469, kiro-gateway #197.
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
_NEEDED = pattern(r"\bthinking\b.{0,60}\bmust be passed back\b", re.IGNORECASE | re.DOTALL)
_MOST_MODELS = 1000
"""Maximum number of models to remember, because callers may name any model if ``unknown = "allow"``."""


@dataclass(slots=True, eq=False)
class RefusingModels:
    """The models whose server rejected something; ``words`` tell in the log what follows. Any thread."""

    words: str
    models: frozenset[str] = field(default_factory=frozenset)

    def add(self, provider: str, model: str) -> None:
        if model not in self.models and len(self.models) < _MOST_MODELS:
            self.models |= {model}
            log.warning(self.words, extra={"fields": {"provider": provider, "model": model}})


@dataclass(slots=True, eq=False)
class Refused:
    """What the models of one server rejected: system messages inside a conversation, calls without thinking."""

    roles: RefusingModels = field(
        default_factory=lambda: RefusingModels(
            "system messages within a conversation are refused; they become user text"
        )
    )
    calls: RefusingModels = field(
        default_factory=lambda: RefusingModels(
            "calls without their thinking are refused; thinking is switched off where it is missing"
        )
    )

    def fit(self, target: Target, model: str) -> Target:
        """The target as the server is known to accept requests for the model."""
        target = _without_roles(target) if model in self.roles.models else target
        return _needing_thinking(target) if model in self.calls.models else target

    def do_without(self, refused: VendorFailure, request: ProviderRequest, provider: str) -> Without | None:
        if refused.status not in _STATUSES:
            return None
        if _NEEDED.search(refused.message):
            learn = partial(self.calls.add, provider, request.model)
            return Without("thinking", _needing_thinking, learn, passed=True)
        if _WORDS.search(refused.message) and has_systems(mapping(decode(request.body))):
            learn = partial(self.roles.add, provider, request.model)
            return Without("system messages", _without_roles, learn, passed=True)
        return None


def _without_roles(target: Target) -> Target:
    return replace(target, claude=replace(target.claude, system_role=False, refuses_system=True))


def _needing_thinking(target: Target) -> Target:
    return replace(target, claude=replace(target.claude, calls_need_thinking=True))
