"""Signatures of one dialect as strings that clients of another one store and send back.

In passthrough, signatures of other vendors are removed, because no one else can read them; a request without our tags
is not parsed, and no other byte is changed.
"""

from __future__ import annotations

from collections.abc import Callable

from nexus.conversation.parts import Part, Signature, Text, ToolCall, placed
from nexus.dataclasses import dataclass, replace
from nexus.protocols.rewrite import ANY, REMOVE, Edited, Rules, cut
from nexus.wire import Json, decode, mapping, sequence

_TAG = "nexus."


def pack_signature(signature: Signature, own: str) -> str:
    """A signature as one string for clients of dialect ``own``; its own signatures stay unchanged."""
    return signature.value if signature.dialect == own else f"{_TAG}{signature.dialect}.{signature.value}"


def unpack_signature(text: str, own: str) -> Signature:
    if text.startswith(_TAG):
        dialect, dot, value = text[len(_TAG) :].partition(".")
        if dot and dialect.isalpha():
            return Signature(dialect, value)
    return Signature(own, text)


UNSIGNED = f"{_TAG}none."
"""Marks thinking without a signature, so that it too is recognized as another vendor's when it comes back."""


def pack_thinking(signature: Signature | None, own: str) -> str:
    """The signature of thinking that a client of dialect ``own`` sends back unchanged."""
    return UNSIGNED if signature is None else pack_signature(signature, own)


def unpack_thinking(text: str, own: str) -> Signature | None:
    """Inverse of pack_thinking; an empty signature means none."""
    return None if text in ("", UNSIGNED) else unpack_signature(text, own)


NEXT, PREVIOUS = "next", "prev"


def pack_neighbours(signature: Signature, place: str, own: str) -> str:
    """The signature of a part that has no field for it, on its neighbour; ``place`` says where the part is."""
    return pack_signature(Signature(place, f"{signature.dialect}.{signature.value}"), own)


def pack_foreign(signature: Signature | None, place: str, own: str) -> str | None:
    """The signature for the neighbour of a text or a call, which have no field for it: the part before a
    call (``NEXT``), but after a text (``PREVIOUS``): programs that did not ask for thinking read an answer's first part
    as its text."""
    return None if signature is None or signature.dialect == own else pack_neighbours(signature, place, own)


@dataclass(frozen=True, slots=True)
class CarriedSignature:
    """A signature for a neighbouring part."""

    place: str
    signature: Signature


def unpack_neighbours(text: str, own: str, places: tuple[str, ...] = (NEXT, PREVIOUS)) -> CarriedSignature | None:
    """Inverse of pack_neighbours; None for a part's own signature."""
    tagged = unpack_signature(text, own)
    dialect, dot, value = tagged.value.partition(".")
    if tagged.dialect not in places or not dot or not dialect.isalpha():
        return None
    return CarriedSignature(tagged.dialect, Signature(dialect, value))


class Neighbours:
    """The parts of a message in order, each with the signature that its neighbour carried."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._waiting: Signature | None = None

    def add(self, read: Part | CarriedSignature, at: str) -> None:
        if not isinstance(read, CarriedSignature):
            self.parts.append(placed(read if self._waiting is None else _signed(read, self._waiting), at))
            self._waiting = None
        elif read.place == NEXT:
            self._waiting = read.signature
        elif self.parts:
            self.parts[-1] = _signed(self.parts[-1], read.signature)


def _signed(part: Part, signature: Signature) -> Part:
    return replace(part, signature=signature) if isinstance(part, (Text, ToolCall)) else part


def is_tagged(value: Json) -> bool:
    """Whether this string is one of ours: a signature of a dialect other than the client's."""
    return isinstance(value, str) and value.startswith(_TAG)


MAY_BE_TAGGED = f'"{_TAG}'.encode()
"""Bytes without which JSON contains no such string."""


def without_blocks(message: bytes, is_foreign: Callable[[Json], bool]) -> bytes | None:
    """The verdict on a message: it loses its foreign blocks, and is removed if there are no others."""
    blocks = sequence(mapping(decode(message)).get("content"))
    if blocks and all(map(is_foreign, blocks)):
        return REMOVE
    return cut(message, {"content": {ANY: lambda block: REMOVE if is_foreign(decode(block)) else None}})


def without_foreign(edited: Edited, rules: Rules, name: str) -> Edited:
    """``rules`` select what is removed, which is reported as ``name``."""
    return edited.without(rules, name) if MAY_BE_TAGGED in edited.body else edited
