"""What the known hosts of OpenAI's protocol have beside generation and counting.

No vendor was asked. Looked up in November 2026: OpenAI's types; Azure's v1 preview reference; Together's page on
compatibility, which names api.together.ai; DeepSeek's on completions, which are below /beta alone; OpenRouter's on its
modalities. That public programs call it stands for Mistral's speech, DeepInfra's image edits, and the rankings of
Fireworks and OpenRouter. The rest was written down in July 2026 and not looked up again; where it is wrong,
``endpoints`` of a provider says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from nexus.protocols.operation import ENDPOINTS

USUAL = ("embeddings", "completions")
"""What servers of one's own have: vLLM, llama.cpp, Ollama and others."""

_AUDIO = ("audio/speech", "audio/transcriptions", "audio/translations")
_AZURE = ("embeddings", "completions", "images/generations", "images/edits", *_AUDIO)
_TOGETHER = ("embeddings", "completions", "images/generations", "rerank", *_AUDIO)

_BELOW: Mapping[str, tuple[str, ...]] = {"https://api.deepseek.com/beta": ("completions",)}
"""By the whole address, where a host has something below one path alone."""

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
"""By the host's name, or its end."""


def endpoints_of(base_url: str) -> tuple[str, ...]:
    if base_url in _BELOW:
        return _BELOW[base_url]
    host = urlsplit(base_url).hostname or ""
    return next((known for name, known in _HOSTS.items() if host == name or host.endswith(f".{name}")), USUAL)
