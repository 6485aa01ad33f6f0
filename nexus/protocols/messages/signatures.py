"""How opaque values travel through a Messages client, which echoes thinking blocks word for word.

A Reasoning part's own signature is its block's (tagged by pack_signature when foreign). A Text or ToolCall has no
such place, so its foreign signature rides in a thinking block without text right before it, tagged ``next`` (or, when
the signature was only known once the part had ended, right after it, tagged ``prev``); reading takes those blocks out
again. Text that ends an answer loses a signature that comes after it: Claude Code takes the last block for the result,
and Gemini, which alone signs text, does not demand it back.
"""

from __future__ import annotations

from nexus.conversation.parts import Reasoning
from nexus.protocols.signatures import pack_signature, pack_thinking
from nexus.wire import Json

OWN = "messages"


def carrier(packed: str) -> dict[str, Json]:
    """The thinking block that carries a signature for its neighbour."""
    return {"type": "thinking", "thinking": "", "signature": packed}


def thinking_block(part: Reasoning) -> dict[str, Json]:
    """The block that shows ``part`` to a client."""
    if part.redacted:
        return {
            "type": "redacted_thinking",
            "data": "" if part.signature is None else pack_signature(part.signature, OWN),
        }
    return {"type": "thinking", "thinking": part.text, "signature": pack_thinking(part.signature, OWN)}
