"""Reasoning items, and how opaque values of any vendor travel through a client that echoes items word for word.

What a client echoes unchanged comes back whole. A Reasoning part is a reasoning item: its text the summary, its
signature the ``encrypted_content``, tagged by pack_signature when foreign, and tagged ``redacted`` around that when the
part has no text to show. A Text or ToolCall has no field for one, so its signature is in a reasoning item of its own
without a summary: right before it (``next``), right after it when the signature was only known once the part had ended
(``prev``), or instead of it when it has no text (``here``):

    nexus.<dialect>.<signature>                      nexus.redacted.<dialect>.<signature>
    nexus.next.<dialect>.<signature>                 nexus.prev.<dialect>.<signature>
    nexus.here.<dialect>.<signature>

Codex sends back summary and encrypted_content of every reasoning item, without its id. Source:
openai.types.responses.ResponseReasoningItem.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Reasoning, Signature
from nexus.late import pattern
from nexus.protocols.signatures import (
    NEXT,
    PREVIOUS,
    CarriedSignature,
    pack_neighbours,
    pack_thinking,
    unpack_neighbours,
    unpack_thinking,
)
from nexus.wire import Json, mapping, sequence, text

OWN = "responses"
HERE = "here"
_REDACTED = "redacted"
_ID = pattern(r"rs_[A-Za-z0-9_-]{1,61}")
_PLACES = (NEXT, PREVIOUS, HERE)


def pack_reasoning(signature: Signature | None, *, redacted: bool) -> str:
    if redacted:
        return pack_neighbours(signature or Signature(OWN, ""), _REDACTED, OWN)
    return pack_thinking(signature, OWN)


def read_carrier(item: Mapping[str, Json]) -> CarriedSignature | None:
    """The position and the signature, if the item is a carrier."""
    return unpack_neighbours(text(item.get("encrypted_content")), OWN, _PLACES)


def read_reasoning(item: Mapping[str, Json]) -> Reasoning:
    """The part for a reasoning item of a client's history."""
    packed = text(item.get("encrypted_content"))
    if (tagged := unpack_neighbours(packed, OWN, (_REDACTED,))) is not None:
        return Reasoning("", tagged.signature if tagged.signature != Signature(OWN, "") else None, redacted=True)
    return Reasoning(_words(item), unpack_thinking(packed, OWN))


def read_vendor_reasoning(item: Mapping[str, Json]) -> Reasoning:
    """The part for a reasoning item of a vendor's answer. Its signature, whatever it looks like, is the vendor's, and
    has the item's id before it, ``rs_123:...``: both are sent back."""
    packed, item_id = text(item.get("encrypted_content")), text(item.get("id"))
    if not packed:
        return Reasoning(_words(item), None)
    return Reasoning(_words(item), Signature(OWN, f"{item_id}:{packed}" if _ID.fullmatch(item_id) else packed))


def open_vendor_signature(signature: Signature) -> tuple[str, str]:
    """The id, "" if there is none, and the ``encrypted_content`` of a vendor's own item."""
    item_id, colon, packed = signature.value.partition(":")
    return (item_id, packed) if colon and _ID.fullmatch(item_id) else ("", signature.value)


def _words(item: Mapping[str, Json]) -> str:
    """The summary, or the full text if there is no summary."""
    words = [text(mapping(entry).get("text")) for entry in sequence(item.get("summary"))]
    return "\n\n".join(words or [text(mapping(entry).get("text")) for entry in sequence(item.get("content"))])
