"""Estimates the tokens of a request, for where nobody counts them.

Pure; rather too many than too few. All vendors' tokenizers come to three and a half to four bytes a
token.
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
"""What a large image costs; its size in pixels is not known here."""

DOCUMENT_BYTES_PER_TOKEN = 20
"""Of a PDF's base64; pages vary widely."""

MESSAGE_TOKENS = 4
"""What the frame around a message costs."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Input tokens by what they are made of, for of images and documents a vendor's count may be quite another."""

    text: int
    media: int = 0

    @property
    def total(self) -> int:
        return self.text + self.media


def estimate(request: Request) -> Estimate:
    """Input tokens, about."""
    size = sum(_size(block.text) for block in request.system)
    size += sum(_size(tool.name + (tool.description or "")) + len(encode(tool.parameters)) for tool in request.tools)
    parts = [part for message in request.messages for held in message.parts for part in _parts(held)]
    frames = MESSAGE_TOKENS * (1 + len(request.messages))
    return Estimate(tokens_of(size) + frames + sum(map(_words, parts)), sum(map(_media, parts)))


def _parts(part: Part) -> Iterator[Part]:
    """A part, or those that it holds."""
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
    """Of so many bytes of text, about."""
    return math.ceil(size / BYTES_PER_TOKEN)
