"""How opaque values pass through a Messages client, which sends thinking blocks back unchanged.

A Reasoning part's own signature is its block's (tagged by pack_signature if it is from another vendor). A Text or
ToolCall has no field for one, so its foreign signature is in a thinking block without text right before it, tagged
``next`` (or, if the signature was known only after the part had ended, right after it, tagged ``prev``); reading
removes those blocks again. A signature after a text that ends an answer is dropped: Claude Code uses the last block as
the result, and Gemini, the only vendor that signs text, does not require it back.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.conversation.parts import Reasoning
from nexus.late import pattern
from nexus.protocols.signatures import pack_signature, pack_thinking
from nexus.wire import Json, text

OWN = "messages"
THINKING = ("thinking", "redacted_thinking")
"""The types of thinking blocks."""

_SEAM = pattern(r"(?<!^)(?=nexus\.)")


def carrier(packed: str) -> dict[str, Json]:
    """The thinking block that carries the signature of its neighbour."""
    return {"type": "thinking", "thinking": "", "signature": packed}


def thinking_block(part: Reasoning) -> dict[str, Json]:
    """The block that shows ``part`` to a client."""
    if part.redacted:
        return {
            "type": "redacted_thinking",
            "data": "" if part.signature is None else pack_signature(part.signature, OWN),
        }
    return {"type": "thinking", "thinking": part.text, "signature": pack_thinking(part.signature, OWN)}


def apart(block: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The blocks that a client joined into this one: Qwen Code (0.24.4) appends a thinking block without text, with its
    signature, to the thinking before it."""
    first, *more = _SEAM.split(text(block.get("signature")))
    return [{**block, "signature": first}, *map(carrier, more)] if more else [block]
