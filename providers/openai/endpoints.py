"""What known hosts of OpenAI's protocol serve in addition to generation and token counting.

From documentation, not from calls. Checked in November 2026: OpenAI's types; Azure's v1 preview reference; Together's
page on compatibility, which names api.together.ai; DeepSeek's on completions, which are only below /beta; OpenRouter's
on its modalities. Mistral's speech, DeepInfra's image edits, and the rerank endpoints of Fireworks and OpenRouter are
inferred from public programs that call them. The rest is as of July 2026; a provider's ``endpoints`` overrides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from nexus.protocols.operation import ENDPOINTS

USUAL = ("embeddings", "completions")
"""What self-hosted servers have: vLLM, llama.cpp, Ollama and others."""

_AUDIO = ("audio/speech", "audio/transcriptions", "audio/translations")
_AZURE = ("embeddings", "completions", "images/generations", "images/edits", *_AUDIO)
_TOGETHER = ("embeddings", "completions", "images/generations", "rerank", *_AUDIO)

_BELOW: Mapping[str, tuple[str, ...]] = {"https://api.deepseek.com/beta": ("completions",)}
"""By the whole base URL, for hosts that serve something only below one path."""

_HOSTS: Mapping[str, tuple[str, ...]] = {
    "api.openai.com": tuple(name for name in ENDPOINTS if name != "rerank"),
    "openai.azure.com": _AZURE,
    "services.ai.azure.com": _AZURE,
    "api.mistral.ai": ("embeddings", "moderations", "audio/speech", "audio/transcriptions"),
    "api.groq.com": _AUDIO,
    "api.together.ai": _TOGETHER,
    "api.together.xyz": _TOGETHER,
    "api.fireworks.ai": ("embeddings", "completions", "rerank"),
    "api.deepinfra.com": ("embeddings", "completions", "images/generations", "images/edits", *_AUDIO),
    "api.deepseek.com": (),
    "openrouter.ai": ("embeddings", "completions", "audio/speech", "audio/transcriptions", "rerank"),
    "chatgpt.com": (),
    "api.jina.ai": ("embeddings", "rerank"),
    "api.voyageai.com": ("embeddings", "rerank"),
}
"""By the host's name or its suffix."""


def endpoints_of(base_url: str) -> tuple[str, ...]:
    if base_url in _BELOW:
        return _BELOW[base_url]
    host = urlsplit(base_url).hostname or ""
    return next((known for name, known in _HOSTS.items() if host == name or host.endswith(f".{name}")), USUAL)
