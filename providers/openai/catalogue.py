"""OpenAI's model list, as every compatible server has it: ``GET /models``.

Sources: OpenAI's API reference; the lists of vLLM, llama.cpp, Ollama, OpenRouter, Mistral and Together.
"""

from __future__ import annotations

import re

from nexus.late import pattern
from nexus.provider.catalogue import Catalogue, Offered, entries, texts
from nexus.upstream.request import UpstreamRequest
from nexus.wire import mapping, sequence, text

_OTHER = pattern(
    r"embed|whisper|(?:^|[-/])tts|transcri|moderation|dall-e|gpt-image|image-|realtime|audio|sora|rerank|ocr"
    r"|^(?:davinci|babbage)-|computer-use|gpt-3.5-turbo-instruct",
    re.IGNORECASE,
)
"""Words in the names of models that do not generate text."""


def catalogue(first: UpstreamRequest) -> Catalogue:
    """One page; ``aliases`` are other names (Mistral)."""
    document = yield first
    name = "data" if "data" in document else "models"
    return [
        Offered(text(entry.get("id")), not _is_other(text(entry.get("id")), entry), tuple(texts(entry, "aliases")))
        for entry in entries(document, name)
    ]


def _is_other(id: str, entry: object) -> bool:
    kinds = mapping(mapping(entry).get("architecture")).get("output_modalities")
    return ("text" not in sequence(kinds)) if isinstance(kinds, list) and kinds else _OTHER.search(id) is not None
