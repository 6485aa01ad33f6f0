"""Images of models and tools: their type, and words where one has no place.

An image is never left out in silence. Where it cannot stand, words do, and its name is told as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Image, Inline, Text

LOST = "messages.images"
"""What a writer names that puts words in the place of an image of the assistant's."""

_HEADS: Mapping[str, str] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
"""How base64 of an image begins, by its type."""


def type_of(data: str) -> str:
    """The media type that the first bytes of base64 data tell; PNG where they tell none."""
    return next((media_type for head, media_type in _HEADS.items() if data.startswith(head)), "image/png")


def unseen(image: Image) -> Text:
    """What stands in a history in place of an image that the model cannot be shown."""
    return Text(f"[Here was {_about(image)}, which this model cannot see.]")


def placeholder(image: Image) -> Text:
    """What stands in an answer in place of an image that the client's protocol has no place for."""
    return Text(f"[The model made {_about(image)}, which this protocol has no place for.]")


def from_result(call_id: str) -> str:
    """What stands before images and files of a tool result that cannot stand inside it."""
    return f"[from the result of tool call {call_id}]"


def _about(image: Image) -> str:
    if isinstance(image.source, Inline):
        return f"an image of type {image.source.media_type}"
    return f"an image, {image.source.url}"
