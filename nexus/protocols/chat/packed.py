"""Embeddings that were requested in base64: where a server answers with numbers all the same, they are packed.

OpenAI's SDKs request base64 by default, and those for JavaScript and .NET can read nothing else. Servers that return
numbers: LM Studio (lmstudio-bug-tracker #756), SGLang (sglang #30434), Infinity (infinity #349). All other bytes pass
unchanged, and at most one vector is held.
"""

from __future__ import annotations

from collections.abc import Mapping

from nexus.late import pattern
from nexus.protocols.answer_relay import Tap
from nexus.protocols.chat.passed import Passed
from nexus.protocols.contract import Document
from nexus.protocols.embeddings import floats, packed
from nexus.wire import Json, decode, encode

_VECTOR = pattern(rb'"embedding"\s{0,8}:\s{0,8}(?=\[)')
_LONGEST_NAME = 32
"""Bytes before a vector that may be split between two pieces."""

_LONGEST = 2**18
"""Bytes of a vector's text; a longer one passes unchanged."""


class PackedVectors(Passed):
    def __init__(self, document: Mapping[str, Json], tap: Tap) -> None:
        super().__init__(document, tap)
        self._held = bytearray()
        self._in_vector = False

    def _whole(self, raw: bytes, answer: Document) -> bytes:
        return self._pack(super()._whole(raw, answer)) + self._held

    def piece(self, piece: bytes) -> bytes:
        return self._pack(super().piece(piece))

    def finish(self) -> bytes:
        return super().finish() + self._held

    def _pack(self, more: bytes) -> bytes:
        self._held += more
        if self._in_vector and b"]" not in more and len(self._held) <= _LONGEST:
            return b""
        raw, done, out = bytes(self._held), 0, bytearray()
        while (found := _VECTOR.search(raw, done)) is not None:
            end = _end(raw, found.end())
            if end == len(raw) <= found.start() + _LONGEST:
                break
            out += raw[done : found.end()] + _packed(raw[found.end() : end + 1])
            done = end + 1
        self._in_vector = found is not None
        held = max(done, len(raw) - _LONGEST_NAME) if found is None else found.start()
        self._held = bytearray(raw[held:])
        return bytes(out + raw[done:held])


def _end(raw: bytes, start: int) -> int:
    """Where the array at ``start`` ends or holds another one; the length of ``raw`` if neither is there yet."""
    return min((at for bracket in (b"]", b"[") if (at := raw.find(bracket, start + 1)) >= 0), default=len(raw))


def _packed(array: bytes) -> bytes:
    """``array`` as it is unless it is a complete vector: several per text are a list of lists."""
    try:
        return encode(packed(floats(decode(array))))
    except ValueError:
        return array
