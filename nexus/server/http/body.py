"""Collects one request body, bounded both as received and as decoded: JSON in memory, a form with files on disk.

Call ``feed`` on the loop. Call ``open`` once the body is complete: on a worker if it ``is_heavy``. Memory and disk
space are freed on every path.
"""

from __future__ import annotations

from nexus.errors import InvalidRequest, Overloaded, UnsupportedMediaType
from nexus.protocols.multipart import boundary_of, read_form
from nexus.protocols.piecewise import LARGE, decode_large
from nexus.server.http.encodings import read_encodings, too_large, unpacked
from nexus.server.in_flight import Load
from nexus.upstream.upload import IN_MEMORY, Spool, Upload
from nexus.wire import Json, decode

FORM = "multipart/form-data"
AT_ONCE = 8
"""Forms of the maximum size that may be on disk at the same time."""

_SWITCHES = {"true": True, "false": False}
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
        raise InvalidRequest("the body is not a JSON object")
    return document


class Uploading:
    """Collects a form of at most ``limit`` bytes; ``load`` counts its bytes in memory, ``disk`` those on disk. Raises
    ClientError if the headers already rule it out."""

    def __init__(
        self,
        limit: int,
        encoding: str,
        length: int | None,
        load: Load,
        disk: Load,
        content_type: str,
        *,
        is_form: bool = True,
    ) -> None:
        if read_encodings(encoding):
            raise UnsupportedMediaType("uploads must not have a content-encoding")
        if length is not None and length > limit:
            raise too_large(limit)
        self._boundary = boundary_of(content_type) if is_form else b""
        self._content_type = content_type
        self._limit = limit
        self._load = load
        self._disk = disk
        self._spool = Spool()

    @property
    def size(self) -> int:
        return self._spool.size

    @property
    def is_heavy(self) -> bool:
        return self.size > LARGE

    def feed(self, piece: bytes) -> None:
        """Adds a piece. Raises RequestTooLarge, and Overloaded if all bodies in flight exceed their limit."""
        if self.size + len(piece) > self._limit:
            raise too_large(self._limit)
        if self.size + len(piece) > IN_MEMORY:
            self._disk.add(len(piece))
        else:
            self._load.add(len(piece))
        try:
            self._spool.write(piece)
        except OSError as error:
            raise Overloaded(
                "the gateway has no disk space for the upload; make room where TMPDIR points", retry_after=10
            ) from error

    def open(self) -> tuple[Upload, dict[str, Json]]:
        """Returns the form, and the values of its short fields. Raises InvalidRequest."""
        with self._spool.window() as raw:
            form = read_form(raw, self._boundary)
        model = form.only("model")
        fields: dict[str, Json] = {name: _SWITCHES.get(value, value) for name, value in form.fields.items()}
        fields |= {"model": form.fields.get("model", "")}
        files = [part.value for part in form.parts if part.name == "file" and part.is_file]
        file = files[0] if len(files) == 1 else None
        return Upload(self._spool, self._content_type, model.value if model else None, form.words, file), fields

    def whole(self) -> Upload | None:
        """Returns the body without parsing it; None if it is empty."""
        return Upload(self._spool, self._content_type) if self.size else None

    def drop(self) -> None:
        self._spool.close()
        self._load.release()
        self._disk.release()
