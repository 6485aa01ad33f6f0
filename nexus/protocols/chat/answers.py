"""What reading complete answers and reading streams have in common.

Text is never lost; content without an equivalent is reported by the vendor's name. If the vendor gives a call no id, it
gets one made of the answer's id and the call's position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nexus.wire import Json, digest, encode, mapping, sequence, text

_UNTOLD = ("audio",)


def read_pieces(message: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The content of a message or delta as ("text" | "reasoning" | "refusal" | "dropped", words), in order."""
    content = message.get("content")
    if isinstance(content, str):
        yield "text", content
    for part in map(mapping, sequence(content)):
        yield from _read_piece(part)
    # A spoken answer includes its transcript.
    yield "text", text(mapping(message.get("audio")).get("transcript"))
    yield "refusal", text(message.get("refusal"))
    for name in _UNTOLD:
        if message.get(name):
            yield "dropped", name


def _read_piece(part: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    match part.get("type"):
        case "text" | None:
            yield "text", text(part.get("text"))
        case "refusal":
            yield "refusal", text(part.get("refusal"))
        case "thinking":
            # Mistral's reasoning models: text parts inside.
            inner = part.get("thinking")
            yield "reasoning", text(inner) or "".join(text(mapping(one).get("text")) for one in sequence(inner))
        case "image_url":
            # Read together with the message's images.
            pass
        case kind:
            yield "dropped", f"content.{text(kind)}"


def read_arguments(value: Json) -> str:
    """Some servers send the object itself instead of its JSON text."""
    return encode(value).decode() if isinstance(value, dict) else text(value)


def made_id(response_id: str, place: int) -> str:
    return "call_" + digest(f"{response_id}:{place}", 24)
