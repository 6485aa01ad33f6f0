"""How opaque values pass through a client of the Gemini API, which sends every ``thoughtSignature`` back.

They are bytes in base64, which Google's SDKs decode and encode again in the other alphabet. A value of another dialect
is tagged. Thinking and calls of other vendors always have one, so that they are recognized. Gemini CLI sends back
signatures of calls but no thinking: the signature of a call therefore also includes the thinking before it
(``carried``).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from nexus.conversation.events import Event, PartDelta, PartEnd, PartStart
from nexus.conversation.parts import Reasoning, Signature, ToolCall
from nexus.dataclasses import dataclass, field, replace
from nexus.protocols.signatures import pack_signature, unpack_signature
from nexus.wire import Json, base64_bytes, decode, encode, sequence, text

OWN = "gemini"
PLACEHOLDER = "skip_thought_signature_validator"
"""Google's documented signature for calls that were not made by a Gemini model."""

_REDACTED, _CARRIED, _NONE = "redacted", "carried", "none"
_TAG = "bmV4dXMu"
"""The prefix of tagged values in base64."""

MARK = f'"{_TAG}'.encode()
"""Bytes without which JSON contains no tagged value."""

MOST_CARRIED = 256 * 1024
"""Maximum number of characters of thinking in a call's signature; longer thinking is left out."""

_STANDARD = str.maketrans("-_", "+/")


def standard_base64(data: str) -> str:
    """The data in the standard alphabet, padded. Google accepts the other alphabet and missing padding too."""
    data = data.translate(_STANDARD) if "-" in data or "_" in data else data
    return data + "=" * (-len(data) % 4)


def is_tagged(value: Json) -> bool:
    return isinstance(value, str) and value.startswith(_TAG)


def write_signature(signature: Signature | None, *, redacted: bool = False) -> str:
    """``redacted`` is for thinking without text."""
    signature = signature or Signature(_NONE, "")
    if redacted:
        signature = Signature(_REDACTED, f"{signature.dialect}.{signature.value}")
    if signature.dialect == OWN and _is_base64(signature.value):
        return signature.value
    # A value of Google's own that is not base64 cannot be sent unchanged.
    packed = pack_signature(signature, "" if signature.dialect == OWN else OWN)
    return base64.b64encode(packed.encode("utf-8", "surrogatepass")).decode()


@dataclass(frozen=True, slots=True)
class ReadSignature:
    """``thoughts`` are those in a call's signature."""

    own: Signature | None = None
    redacted: bool = False
    thoughts: tuple[Reasoning, ...] = ()


def read_signature(value: str) -> ReadSignature:
    if value in ("", PLACEHOLDER):
        return ReadSignature()
    if not value.startswith(_TAG):
        return ReadSignature(Signature(OWN, standard_base64(value)))
    try:
        packed = base64.b64decode(standard_base64(value), validate=True).decode("utf-8", "surrogatepass")
    except ValueError:
        return ReadSignature()
    found = unpack_signature(packed, OWN)
    match found.dialect:
        case "redacted":
            return ReadSignature(_signature(found.value.partition(".")[::2]), redacted=True)
        case "carried":
            return _read_carried(found.value)
        case _:
            return ReadSignature(None if found.dialect == _NONE else found)


def _is_base64(value: str) -> bool:
    return not value.startswith(_TAG) and bool(base64_bytes(value))


def _carried(own: Signature | None, thoughts: Sequence[Reasoning]) -> Signature:
    packed: list[Json] = [[*_packed(thought.signature), thought.text, thought.redacted] for thought in thoughts]
    return Signature(_CARRIED, encode([_packed(own), *packed]).decode())


def _packed(signature: Signature | None) -> list[Json]:
    return [_NONE, ""] if signature is None else [signature.dialect, signature.value]


def _read_carried(packed: str) -> ReadSignature:
    """A client that makes up such a value gets only what it wrote."""
    try:
        own, *thoughts = (sequence(one) for one in sequence(decode(packed)))
    except ValueError:
        return ReadSignature()
    return ReadSignature(_signature(own), thoughts=tuple(_thought(one) for one in thoughts))


def _signature(packed: Sequence[Json]) -> Signature | None:
    dialect, value = (text(one) for one in (*packed, "", "")[:2])
    return None if dialect in ("", _NONE) else Signature(dialect, value)


def _thought(packed: Sequence[Json]) -> Reasoning:
    words, redacted = (*packed, "", "", "", False)[2:4]
    return Reasoning(text(words), _signature(packed), redacted=redacted is True)


@dataclass(slots=True)
class ThoughtsInCalls:
    """Takes an answer's events: the next call gets the thinking that was completed before it."""

    thinking: bool = True
    _words: dict[int, list[str]] = field(default_factory=dict)
    _open: dict[int, Reasoning] = field(default_factory=dict)
    _whole: list[Reasoning] = field(default_factory=list)

    def feed(self, event: Event) -> list[Event]:
        match event:
            case PartStart(index=index, part=Reasoning() as thought):
                self._open[index], self._words[index] = thought, [thought.text]
            case PartDelta(index=index, text=words) if index in self._open:
                self._words[index].append(words)
            case PartEnd(index=index, signature=signature) if index in self._open:
                thought = replace(self._open.pop(index), text="".join(self._words.pop(index)))
                self._whole.append(replace(thought, signature=signature or thought.signature))
            case PartStart(part=ToolCall() as call) if self._whole:
                thoughts, self._whole = self._whole, []
                if any(_matters(thought) for thought in thoughts) and sum(map(_size, thoughts)) <= MOST_CARRIED:
                    return [replace(event, part=replace(call, signature=_carried(call.signature, thoughts)))]
        return [event]


def _matters(thought: Reasoning) -> bool:
    """Whether its vendor requires it back."""
    return thought.signature is None or thought.signature.dialect != OWN


def _size(thought: Reasoning) -> int:
    return len(thought.text) + (len(thought.signature.value) if thought.signature is not None else 0)
