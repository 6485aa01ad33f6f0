"""What the known hosts of OpenAI's protocol have beside generation and counting.

Sources, all of July 2026: OpenAI's API reference; Azure OpenAI's v1 preview reference; the API references of Mistral,
Groq, Together, Fireworks, DeepInfra, Jina, Voyage and OpenRouter.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from nexus.operation import ENDPOINTS

USUAL = ("embeddings", "completions")
"""What servers of one's own have: vLLM, llama.cpp, Ollama and others."""

_IMAGES = ("images/generations", "images/edits", "images/variations")
_AUDIO = ("audio/speech", "audio/transcriptions", "audio/translations")

_HOSTS: Mapping[str, tuple[str, ...]] = {
    "api.openai.com": tuple(name for name in ENDPOINTS if name != "rerank"),
    "openai.azure.com": ("embeddings", "completions", *_IMAGES, *_AUDIO),
    "services.ai.azure.com": ("embeddings", "completions", *_IMAGES, *_AUDIO),
    "api.mistral.ai": ("embeddings", "moderations", "audio/speech", "audio/transcriptions"),
    "api.groq.com": _AUDIO,
    "api.together.xyz": ("embeddings", "completions", "images/generations", "rerank", *_AUDIO),
    "api.fireworks.ai": ("embeddings", "completions", "rerank"),
    "api.deepinfra.com": ("embeddings", "completions", "images/generations", *_AUDIO),
    "api.deepseek.com": ("completions",),
    "openrouter.ai": ("embeddings", "completions"),
    "chatgpt.com": (),
    "api.jina.ai": ("embeddings", "rerank"),
    "api.voyageai.com": ("embeddings", "rerank"),
}
"""By the host's name, or its end."""


def endpoints_of(base_url: str) -> tuple[str, ...]:
    host = urlsplit(base_url).hostname or ""
    return next((known for name, known in _HOSTS.items() if host == name or host.endswith(f".{name}")), USUAL)
