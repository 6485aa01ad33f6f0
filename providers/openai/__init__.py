"""OpenAI, and every server compatible with it (vLLM, llama.cpp, Ollama, Azure's v1 endpoint, ...).

Law: where, with which key and which quirks; the chat dialect itself is none of this folder's business.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import field_validator

from nexus import __version__, headers
from nexus.models.gpt import quirks_of
from nexus.protocols.chat.fields import QUIRKS
from nexus.protocols.codec import Target
from nexus.provider import Attempt, Provider, target_of, with_query
from nexus.settings.provider import ModelSettings, ProviderSettings
from nexus.upstream import Action, UpstreamRequest

_PATHS: dict[tuple[str, Action], str] = {
    ("chat", "generate"): "/chat/completions",
    ("responses", "generate"): "/responses",
    ("responses", "count_tokens"): "/responses/input_tokens",
    ("responses", "compact"): "/responses/compact",
}
_HOUSE = "https://api.openai.com/"


class OpenAISettings(ProviderSettings):
    """``type = "openai"``."""

    stream_usage: bool = True
    """Ask for token usage on streams; false for servers that refuse ``stream_options``."""

    responses: bool | None = None
    """Whether the server has the Responses API itself; when left out, OpenAI's own has and others are translated to."""

    quirks: tuple[str, ...] = ()
    """Facts about a compatible server that translation has to know, such as "cache_control" or "system_first"."""

    @field_validator("quirks")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for quirk in value:
            if quirk not in QUIRKS:
                raise ValueError(f"holds {quirk!r}, which is not one of {', '.join(QUIRKS)}")
        return value


class OpenAIProvider(Provider):
    settings_type: ClassVar[type[ProviderSettings]] = OpenAISettings
    dialects: ClassVar[tuple[str, ...]] = ("chat",)
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"
    settings: OpenAISettings

    @property
    def asks_usage(self) -> bool:
        return self.settings.stream_usage

    def dialects_of(self, model: str, settings: ModelSettings) -> tuple[str, ...]:
        own = self.settings.responses
        return ("chat", "responses") if own or (own is None and self._is_house) else ("chat",)

    @property
    def _is_house(self) -> bool:
        return self.base_url.startswith(_HOUSE)

    def counts_in(self, dialect: str) -> bool:
        return dialect == "responses"

    def keeps(self, dialect: str) -> bool:
        return dialect == "responses"

    def target(self, dialect: str, model: str, settings: ModelSettings) -> Target:
        quirks = set(self.settings.quirks)
        if self._is_house:
            quirks |= quirks_of(model)
        if not self.settings.stream_usage:
            quirks.add("no_stream_usage")
        return target_of(model, settings, frozenset(quirks))

    def prepare(self, attempt: Attempt) -> UpstreamRequest:
        sent = headers.forwarded(attempt.headers, (), ("openai-beta", "x-client-request-id"))
        if attempt.body or attempt.method == "POST":
            sent["content-type"] = "application/json"
        sent["user-agent"] = f"nexus/{__version__}"
        if attempt.key is not None:
            sent["authorization"] = f"Bearer {attempt.key.get_secret_value()}"
        path = attempt.path if attempt.action == "stored" else _PATHS[attempt.dialect, attempt.action]
        return UpstreamRequest(
            url=with_query(self.base_url + path, attempt.query),
            headers=sent,
            body=attempt.body,
            method=attempt.method,
        )


PROVIDER = OpenAIProvider
