"""How opaque values travel through a Messages client, which echoes thinking blocks word for word.

Law: a Reasoning part's own seal is its block's signature (tagged by pack_seal when foreign). A Text or ToolCall has no
such place, so its foreign seal rides in a thinking block without text right before it, tagged ``next`` (or, when the
seal was only known once the part had ended, right after it, tagged ``prev``); reading takes those blocks out again.
"""

from __future__ import annotations

from nexus.conversation import Reasoning, Seal
from nexus.protocols.codec import pack_seal, unpack_seal
from nexus.wire import Json

OWN = "messages"
NEXT = "next"
PREVIOUS = "prev"


def carrier(seal: Seal, place: str) -> dict[str, Json]:
    """The thinking block that carries ``seal`` for its neighbour."""
    tagged = Seal(place, f"{seal.dialect}.{seal.value}")
    return {"type": "thinking", "thinking": "", "signature": pack_seal(tagged, OWN)}


def read_carrier(signature: str) -> tuple[str, Seal] | None:
    """The place and the seal, when the signature is a carrier's."""
    tagged = unpack_seal(signature, OWN)
    dialect, dot, value = tagged.value.partition(".")
    if tagged.dialect not in (NEXT, PREVIOUS) or not dot or not dialect.isalpha():
        return None
    return tagged.dialect, Seal(dialect, value)


def read_signature(signature: str) -> Seal | None:
    """The seal of a Reasoning part; an empty signature seals nothing."""
    return unpack_seal(signature, OWN) if signature else None


def thinking_block(part: Reasoning) -> dict[str, Json]:
    """The block that shows ``part`` to a client."""
    packed = pack_seal(part.seal, OWN) if part.seal is not None else ""
    if part.redacted:
        return {"type": "redacted_thinking", "data": packed}
    return {"type": "thinking", "thinking": part.text, "signature": packed}
