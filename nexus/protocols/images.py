"""Images of models and tools: their type, and text in their place if they are not supported.

An image is never dropped silently: text replaces it, and it is reported as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Image, Inline, Text

LOST = "messages.images"
"""What a writer reports when it replaces an image of the assistant with text."""

_HEADS: Mapping[str, str] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""First characters of an image in base64, by type."""


def type_of(data: str) -> str:
    """The media type by the first bytes of base64 data; PNG if they are unknown."""
    return next((media_type for head, media_type in _HEADS.items() if data.startswith(head)), "image/png")


def unseen(image: Image) -> Text:
    """Text for a history in place of an image that the model cannot be shown."""
    return Text(f"[Here was {_about(image)}, which this model cannot see.]")


def placeholder(image: Image) -> Text:
    """Text for an answer in place of an image that the client's protocol does not support."""
    return Text(f"[The model made {_about(image)}, which this protocol has no place for.]")


def from_result(call_id: str) -> str:
    """Text before images and files of a tool result that cannot be inside it."""
    return f"[from the result of tool call {call_id}]"


def _about(image: Image) -> str:
    if isinstance(image.source, Inline):
        return f"an image of type {image.source.media_type}"
    return f"an image, {image.source.url}"
