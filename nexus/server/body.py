"""Collects one request body, bounded both as received and as decoded.

Call ``feed`` on the loop. Call ``open`` once the body is complete: on a worker if it ``is_heavy``.
"""

from __future__ import annotations

from nexus.errors import InvalidRequest
from nexus.protocols.piecewise import LARGE, decode_large
from nexus.server.encodings import read_encodings, too_large, unpacked
from nexus.server.flight import Load
from nexus.wire import Json, decode

_BOM = b"\xef\xbb\xbf"


class Body:
    """Collects a body of at most ``limit`` bytes. Raises ClientError if the headers already rule it out."""

    def __init__(self, limit: int, encoding: str, length: int | None, load: Load) -> None:
        self._limit = limit
        self._layers = read_encodings(encoding)
        self._load = load
        self._pieces: list[bytes] = []
        self.size = 0
        if length is not None and length > limit:
            raise too_large(limit)

    @property
    def is_heavy(self) -> bool:
        """Whether opening and parsing it would block the loop for too long."""
        return self.size > LARGE or bool(self._layers)

    def feed(self, piece: bytes) -> None:
        """Adds a piece. Raises RequestTooLarge, and Overloaded if all bodies in flight exceed their limit."""
        self.size += len(piece)
        if self.size > self._limit:
            raise too_large(self._limit)
        self._load.add(len(piece))
        self._pieces.append(piece)

    def open(self) -> bytes:
        """Returns the whole body, decoded, and releases the pieces. Raises ClientError."""
        raw = b"".join(self._pieces)
        self._pieces.clear()
        if self._layers:
            packed = len(raw)
            raw = unpacked(raw, self._layers, self._limit)
            self._load.add(len(raw) - packed)
        return raw.removeprefix(_BOM)

    def drop(self) -> None:
        self._pieces.clear()
        self._load.release()


def read_document(raw: bytes) -> dict[str, Json]:
    """Parses a JSON object. Raises InvalidRequest."""
    if not raw:
        raise InvalidRequest("the body is empty; expected a JSON object")
    try:
        document = decode(raw) if len(raw) <= LARGE else decode_large(raw)
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    return document
