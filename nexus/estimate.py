"""A guess at the tokens of a request, for where nobody counts them.

Law: pure; rather too many than too few. All vendors' tokenizers come to three and a half to four bytes a
token.
"""

from __future__ import annotations

import math

from nexus.conversation import (
    Audio,
    Document,
    Image,
    Inline,
    Message,
    Part,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
)
from nexus.wire import encode

BYTES_PER_TOKEN = 3.5
IMAGE_TOKENS = 1600
"""What a large image costs; its size in pixels is not known here."""

DOCUMENT_BYTES_PER_TOKEN = 20
"""Of a PDF's base64; pages vary widely."""

MESSAGE_TOKENS = 4
"""What the frame around a message costs."""


def estimate(request: Request) -> int:
    """Input tokens, about."""
    words = "".join(block.text for block in request.system)
    words += "".join(f"{tool.name}{tool.description or ''}{encode(tool.parameters).decode()}" for tool in request.tools)
    return _text(words) + sum(_message(message) for message in request.messages) + MESSAGE_TOKENS


def _message(message: Message) -> int:
    return MESSAGE_TOKENS + sum(map(_part, message.parts))


def _part(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
            return _text(text)
        case ToolCall(name=name, arguments=arguments):
            return _text(name + arguments)
        case Image():
            return IMAGE_TOKENS
        case Document(source=Text(text=text)):
            return _text(text)
        case Document(source=Inline(data=data)) | Audio(source=Inline(data=data)):
            return max(IMAGE_TOKENS, len(data) // DOCUMENT_BYTES_PER_TOKEN)
        case Document():
            return IMAGE_TOKENS
        case _:
            return sum(map(_part, part.parts))


def _text(text: str) -> int:
    return tokens_of(len(text.encode("utf-8", "replace")))


def tokens_of(size: int) -> int:
    """Of so many bytes of text, about."""
    return math.ceil(size / BYTES_PER_TOKEN)
