"""Anthropic, and every server compatible with it.

Law: where, with which key and which quirks; the messages dialect itself is none of this folder's business.
"""

from __future__ import annotations

from typing import ClassVar

from nexus import __version__, headers
from nexus.protocols.codec import Target
from nexus.protocols.messages.models import quirks_of
from nexus.provider import Attempt, Provider, with_query
from nexus.settings.provider import ModelSettings, ProviderSettings
from nexus.upstream import Action, UpstreamRequest

VERSION = "2023-06-01"
_PATHS: dict[Action, str] = {"generate": "/messages", "count_tokens": "/messages/count_tokens"}
# Open lists: a new beta of the vendor or of Claude Code works on the day it appears.
_TRAVEL = ("anthropic-", "x-claude-code-")


class AnthropicProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = ProviderSettings
    dialects: ClassVar[tuple[str, ...]] = ("messages",)
    default_base_url: ClassVar[str] = "https://api.anthropic.com/v1"

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        super().__init__(name, settings)
        if not self.base_url.endswith("/v1"):
            self.base_url += "/v1"

    def counts_in(self, dialect: str) -> bool:
        return dialect == "messages"

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        return Target(model=model, max_tokens=settings.max_tokens, quirks=quirks_of(model))

    def prepare(self, attempt: Attempt) -> UpstreamRequest:
        sent = {"anthropic-version": VERSION} | headers.forwarded(attempt.headers, _TRAVEL)
        sent["content-type"] = "application/json"
        sent["user-agent"] = f"nexus/{__version__}"
        if attempt.key is not None:
            sent["x-api-key"] = attempt.key.get_secret_value()
        return UpstreamRequest(
            url=with_query(self.base_url + _PATHS[attempt.action], attempt.query), headers=sent, body=attempt.body
        )


PROVIDER = AnthropicProvider
