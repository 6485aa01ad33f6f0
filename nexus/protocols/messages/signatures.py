"""How opaque values travel through a Messages client, which echoes thinking blocks word for word.

A Reasoning part's own signature is its block's (tagged by pack_signature when foreign). A Text or ToolCall has no
such place, so its foreign signature rides in a thinking block without text right before it, tagged ``next`` (or, when
the signature was only known once the part had ended, right after it, tagged ``prev``); reading takes those blocks out
again. Text that ends an answer loses a signature that comes after it: Claude Code takes the last block for the result,
and Gemini, which alone signs text, does not demand it back.
"""

from __future__ import annotations

from nexus.conversation.parts import Reasoning, Signature
from nexus.protocols.signatures import pack_neighbours, pack_signature, unpack_neighbours, unpack_signature
from nexus.wire import Json

OWN = "messages"
UNSIGNED = pack_signature(Signature("none", ""), OWN)
"""Stands where the vendor gave no signature, so that this thinking too is known as another vendor's when it comes
back."""


def carrier(signature: Signature, place: str) -> dict[str, Json]:
    """The thinking block that carries ``signature`` for its neighbour."""
    return {"type": "thinking", "thinking": "", "signature": pack_neighbours(signature, place, OWN)}


def read_carrier(signature: str) -> tuple[str, Signature] | None:
    """Its place and what it carries, when it is a carrier's."""
    return unpack_neighbours(signature, OWN)


def read_signature(signature: str) -> Signature | None:
    """The signature of a Reasoning part; an empty signature signs nothing."""
    return None if signature in ("", UNSIGNED) else unpack_signature(signature, OWN)


def thinking_block(part: Reasoning) -> dict[str, Json]:
    """The block that shows ``part`` to a client."""
    if part.redacted:
        return {
            "type": "redacted_thinking",
            "data": "" if part.signature is None else pack_signature(part.signature, OWN),
        }
    return {"type": "thinking", "thinking": part.text, "signature": write_signature(part.signature)}


def write_signature(signature: Signature | None) -> str:
    """Of a thinking block that a client gets."""
    return UNSIGNED if signature is None else pack_signature(signature, OWN)
