"""Servers that reject a call in the history without the thinking before it while the model thinks, as DeepSeek's does:
clients and other vendors leave it out, so for such a history thinking is switched off.

Sources: CSSwitch #73, hermes-agent #15712, cc-switch #2331.
"""

from __future__ import annotations

from nexus.protocols.edit import find, insert_first, splice
from nexus.protocols.messages.signatures import THINKING
from nexus.wire import Json, decode, encode, mapping, sequence, text

OFF: Json = {"type": "disabled"}


def lacks_thinking(messages: Json) -> bool:
    """Whether a message has a call and no thinking."""
    for message in map(mapping, sequence(messages)):
        kinds = {text(mapping(block).get("type")) for block in sequence(message.get("content"))}
        if "tool_use" in kinds and kinds.isdisjoint(THINKING):
            return True
    return False


def switched_off(raw: bytes) -> bytes:
    """A request without thinking, if its history lacks some."""
    document = mapping(decode(raw))
    if not lacks_thinking(document.get("messages")) or mapping(document.get("thinking")) == OFF:
        return raw
    if "thinking" not in document:
        return insert_first(raw, "thinking", encode(OFF))
    return splice(raw, [(span, encode(OFF)) for span in find(raw, ("thinking",))])
