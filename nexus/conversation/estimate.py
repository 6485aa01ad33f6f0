"""Estimates the tokens of a request, if no vendor counts them.

Pure. Errs on the high side: all vendors' tokenizers produce one token per three and a half to four bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from nexus.conversation.parts import Image, Inline, Part, Reasoning, Refusal, Request, Text, ToolCall, ToolResult
from nexus.dataclasses import dataclass
from nexus.wire import encode

BYTES_PER_TOKEN = 3.5
IMAGE_TOKENS = 1600
"""Tokens of a large image; its size in pixels is not known here."""

DOCUMENT_BYTES_PER_TOKEN = 20
"""For a PDF's base64; pages vary widely."""

MESSAGE_TOKENS = 4
"""Overhead of a message."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Input tokens by kind of content, because a vendor's count of images and documents may differ widely."""

    text: int
    media: int = 0

    @property
    def total(self) -> int:
        return self.text + self.media


def estimate(request: Request) -> Estimate:
    """The approximate number of input tokens."""
    size = sum(_size(block.text) for block in request.system)
    size += sum(_size(tool.name + (tool.description or "")) + len(encode(tool.parameters)) for tool in request.tools)
    words, media = _tokens([part for message in request.messages for part in message.parts])
    return Estimate(tokens_of(size) + MESSAGE_TOKENS * (1 + len(request.messages)) + words, media)


def _tokens(parts: Iterable[Part]) -> tuple[int, int]:
    """Tokens of text, and of media."""
    words = media = 0
    for part in parts:
        if isinstance(part, (Text, Reasoning, Refusal)):
            words += _text(part.text)
        elif isinstance(part, ToolCall):
            words += _text(part.name + part.arguments)
        elif isinstance(part, ToolResult):
            result = _tokens(part.parts)
            words, media = words + result[0], media + result[1]
        elif isinstance(part, Image):
            media += IMAGE_TOKENS
        elif isinstance(part.source, Text):
            words += _text(part.source.text)
        else:
            data = part.source.data if isinstance(part.source, Inline) else ""
            media += max(IMAGE_TOKENS, len(data) // DOCUMENT_BYTES_PER_TOKEN)
    return words, media


def _text(text: str) -> int:
    return tokens_of(_size(text))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def tokens_of(size: int) -> int:
    """The approximate number of tokens for this many bytes of text."""
    return math.ceil(size / BYTES_PER_TOKEN)
