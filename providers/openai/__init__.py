"""OpenAI, and every server compatible with it (vLLM, llama.cpp, Ollama, Azure's v1 endpoint, ...).

Law: where, with which key and which quirks; the chat dialect itself is none of this folder's business.
"""

from __future__ import annotations

from typing import ClassVar

from nexus import __version__, headers
from nexus.provider import Attempt, Provider, with_query
from nexus.settings.provider import ProviderSettings
from nexus.upstream import UpstreamRequest

_PATHS = {"chat": "/chat/completions"}


class OpenAISettings(ProviderSettings):
    """``type = "openai"``."""

    stream_usage: bool = True
    """Ask for token usage on streams; false for servers that refuse ``stream_options``."""


class OpenAIProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = OpenAISettings
    dialects: ClassVar[tuple[str, ...]] = ("chat",)
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    settings: OpenAISettings

    @property
    def asks_usage(self) -> bool:
        return self.settings.stream_usage

    def prepare(self, attempt: Attempt) -> UpstreamRequest:
        sent = headers.forwarded(attempt.headers, (), ("openai-beta", "x-client-request-id"))
        sent["content-type"] = "application/json"
        sent["user-agent"] = f"nexus/{__version__}"
        if attempt.key is not None:
            sent["authorization"] = f"Bearer {attempt.key.get_secret_value()}"
        return UpstreamRequest(
            url=with_query(self.base_url + _PATHS[attempt.dialect], attempt.query), headers=sent, body=attempt.body
        )


PROVIDER = OpenAIProvider
