"""How opaque values travel through a Messages client, which echoes thinking blocks word for word.

Law: a Reasoning part's own seal is its block's signature (tagged by pack_seal when foreign). A Text or ToolCall has no
such place, so its foreign seal rides in a thinking block without text right before it, tagged ``next`` (or, when the
seal was only known once the part had ended, right after it, tagged ``prev``); reading takes those blocks out again.
Text that ends an answer loses a seal that comes after it: Claude Code takes the last block for the result, and Gemini,
which alone seals text, does not demand it back.
"""

from __future__ import annotations

from nexus.conversation import Reasoning, Seal
from nexus.protocols.codec import pack_seal, unpack_seal
from nexus.wire import Json

OWN = "messages"
UNSEALED = pack_seal(Seal("none", ""), OWN)
"""Stands where the vendor gave no seal, so that this thinking too is known as another vendor's when it comes back."""
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
    return None if signature in ("", UNSEALED) else unpack_seal(signature, OWN)


def thinking_block(part: Reasoning) -> dict[str, Json]:
    """The block that shows ``part`` to a client."""
    if part.redacted:
        return {"type": "redacted_thinking", "data": "" if part.seal is None else pack_seal(part.seal, OWN)}
    return {"type": "thinking", "thinking": part.text, "signature": write_signature(part.seal)}


def write_signature(seal: Seal | None) -> str:
    """Of a thinking block that a client gets."""
    return UNSEALED if seal is None else pack_seal(seal, OWN)
