"""Estimates the tokens of a request, if no vendor counts them.

Pure; rather too high than too low. All vendors' tokenizers produce one token per three and a half to four bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from nexus.conversation.parts import (
    Audio,
    Document,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
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
    parts = [part for message in request.messages for held in message.parts for part in _parts(held)]
    frames = MESSAGE_TOKENS * (1 + len(request.messages))
    return Estimate(tokens_of(size) + frames + sum(map(_words, parts)), sum(map(_media, parts)))


def _parts(part: Part) -> Iterator[Part]:
    if isinstance(part, ToolResult):
        for held in part.parts:
            yield from _parts(held)
    else:
        yield part


def _words(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text) | Document(source=Text(text=text)):
            return _text(text)
        case ToolCall(name=name, arguments=arguments):
            return _text(name + arguments)
        case _:
            return 0


def _media(part: Part) -> int:
    match part:
        case Document(source=Text()):
            return 0
        case Document(source=Inline(data=data)) | Audio(source=Inline(data=data)):
            return max(IMAGE_TOKENS, len(data) // DOCUMENT_BYTES_PER_TOKEN)
        case Image() | Document():
            return IMAGE_TOKENS
        case _:
            return 0


def _text(text: str) -> int:
    return tokens_of(_size(text))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def tokens_of(size: int) -> int:
    """The approximate number of tokens for this many bytes of text."""
    return math.ceil(size / BYTES_PER_TOKEN)
