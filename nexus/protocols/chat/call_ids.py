"""Opaque values inside tool call ids, for the many clients that return no other unknown fields.

Every client returns the id, in the call and in its result. Gemini's thought signature is on the call that it belongs
to. Claude's signature belongs to the thinking before the first call, and is used only if the client returns that
thinking unchanged, which a digest proves; it is sent only for models that refuse to continue thinking without it.
Vendors never see any of this: reading removes it, and so does passthrough.

    <id>__nexus_<dialect>_<form><digest>_<value>

``form`` is "b" for a base64 value, which is rewritten without the characters that clients are known to change, or "t"
for any other text. The same idea is LiteLLM's ``<id>__thought__<signature>``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Reasoning, Signature, ToolCall
from nexus.dataclasses import dataclass, field, replace
from nexus.late import pattern
from nexus.protocols.chat.reasoning import plain_reasoning
from nexus.wire import Json, base64_bytes, digest, mapping, sequence, text

GEMINI, CLAUDE = "gemini", "messages"
MOST = 32_768
"""Maximum number of characters of an id; longer values are not sent."""

_SEPARATOR = "__nexus_"
_PACKED = pattern(r"([a-z]+)_([bt])([0-9a-f]{16})?_([A-Za-z0-9_-]+)")


def pack(id: str, signature: Signature, words: str = "") -> str:
    """``id`` with the signature in it. ``words``: the thinking that it belongs to, unless that is the call."""
    form, value = _encoded(signature.value)
    packed = f"{id}{_SEPARATOR}{signature.dialect}_{form}{_digest(words)}_{value}"
    return packed if len(packed) <= MOST else id


def plain_id(id: str) -> str:
    return id.rpartition(_SEPARATOR)[0] if _packed(id) else id


def call_signature(id: str) -> Signature | None:
    """The signature in an id that belongs to the call itself."""
    found = _packed(id)
    return _signature(found) if found and not found.group(3) else None


def thinking_signature(message: Mapping[str, Json]) -> Signature | None:
    """The signature of thinking that a client returns as plain text."""
    words = "" if message.get("reasoning_details") else plain_reasoning(message)
    for call in map(mapping, sequence(message.get("tool_calls")) if words else ()):
        found = _packed(text(call.get("id")))
        if found and found.group(3) == _digest(words):
            return _signature(found)
    return None


@dataclass(slots=True)
class SignaturesInIds:
    """Packs the signatures in an answer's events into its call ids; those of thinking only with ``thinking``."""

    thinking: bool
    _words: list[str] = field(default_factory=list)
    _thought: Reasoning | None = None
    _alone: bool = True

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=0, part=Reasoning() as thought):
                self._thought = thought
                self._words.append(thought.text)
            case PartStart(part=Reasoning()):
                # The client gets several of them as one text, which cannot be split again.
                self._alone = False
            case PartDelta(index=0, text=words) if self._thought is not None:
                self._words.append(words)
            case PartEnd(index=0, signature=signature) if self._thought is not None and signature is not None:
                self._thought = replace(self._thought, signature=signature)
            case PartStart(part=ToolCall() as call):
                return [replace(event, part=replace(call, id=self._packed(call)))]
        return [event]

    def _packed(self, call: ToolCall) -> str:
        if call.signature is not None and call.signature.dialect == GEMINI and call.signature.value:
            return pack(call.id, call.signature)
        thought, words = self._thought, "".join(self._words)
        if not (self.thinking and self._alone and thought and words) or thought.redacted or thought.signature is None:
            return call.id
        self._thought, signature = None, thought.signature
        return pack(call.id, signature, words) if signature.dialect == CLAUDE and signature.value else call.id


def _packed(id: str) -> re.Match[str] | None:
    """The match of what ``pack`` appended to the vendor's id."""
    return _PACKED.fullmatch(id.rpartition(_SEPARATOR)[2]) if _SEPARATOR in id else None


def _digest(words: str) -> str:
    return digest(words, 16) if words else ""


def _encoded(value: str) -> tuple[str, str]:
    raw = base64_bytes(value)
    if raw and base64.b64encode(raw).decode() == value:
        return "b", _base64url(raw)
    return "t", _base64url(value.encode("utf-8", "surrogatepass"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(found: re.Match[str]) -> Signature | None:
    letters = found.group(4)
    try:
        raw = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
        value = base64.b64encode(raw).decode() if found.group(2) == "b" else raw.decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return Signature(found.group(1), value)
