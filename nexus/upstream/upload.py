"""A request body that may be too large for memory: stored in an unnamed temporary file if it exceeds ``IN_MEMORY``.

Law: written on the loop, then read by one worker at a time, from the beginning for each attempt. Closing frees the disk
space; closing twice is harmless.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from nexus.dataclasses import dataclass, field, replace

IN_MEMORY = 1 << 20
"""Maximum size in memory, in bytes; a larger body is stored on disk as a whole."""

_PIECE = 256 * 1024

Span = tuple[int, int]


class Spool:
    """An append-only byte buffer."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Appends. Raises OSError if the disk is full or fails."""
        self.size += len(piece)
        if self._file is None and self.size > IN_MEMORY:
            self._file = tempfile.TemporaryFile(prefix="nexus-", buffering=0)  # noqa: SIM115 - closed by ``close``
            _write(self._file, bytes(self._held))
            self._held.clear()
        if self._file is None:
            self._held += piece
        else:
            _write(self._file, piece)

    @contextmanager
    def window(self) -> Iterator[bytes | mmap.mmap]:
        """The whole content, for searching."""
        if self._file is None:
            yield bytes(self._held)
            return
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as window:
            yield window

    def read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            piece = self._at(start, min(_PIECE, end - start))
            if not piece:
                raise EOFError("the upload is shorter than it was")
            yield piece
            start += len(piece)

    def close(self) -> None:
        file, self._file = self._file, None
        self._held.clear()
        if file is not None:
            file.close()

    def _at(self, start: int, size: int) -> bytes:
        if self._file is not None:
            return os.pread(self._file.fileno(), size, start)
        return bytes(self._held[start : start + size])


def _write(file: IO[bytes], piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body to send; each iteration starts at its beginning.

    ``model`` is the span of the model's name, if there is one; ``file`` that of the only field named file. ``words``
    counts the bytes of the fields that are not files. ``edits`` are in order of position.
    """

    spool: Spool = field(repr=False)
    content_type: str
    model: Span | None = None
    words: int = 0
    file: Span | None = None
    edits: Sequence[tuple[Span, bytes]] = field(default=(), repr=False)

    def with_model(self, name: str) -> Upload:
        return self if self.model is None else replace(self, edits=((self.model, name.encode()),))

    def __len__(self) -> int:
        return self.spool.size + sum(len(new) - (end - start) for (start, end), new in self.edits)

    def __iter__(self) -> Iterator[bytes]:
        position = 0
        for (start, end), new in self.edits:
            yield from self.spool.read(position, start)
            yield new
            position = end
        yield from self.spool.read(position, self.spool.size)
