"""Reads a chunked request body (RFC 9112 section 7.1). Extensions of chunks and trailers are checked, then discarded.

Strict about the ends of lines: some proxies accept a bare LF or CR as one and others do not, so that a body with one of
them could hide a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nexus.errors import InvalidRequest
from nexus.late import pattern
from nexus.server.http.client_stream import ClientStream

PIECE = 64 * 1024
"""Small chunks are joined to pieces of about this many bytes."""

MOST_OVERHEAD = 16 * 1024
"""Maximum bytes of a line, of all trailers, and of all size lines beyond 16 bytes plus twice the data of their chunk.
"""

YIELD_EVERY = 500
"""Chunks after which other connections get their turn."""

_SIZE_LINE = pattern(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = pattern(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")


async def read_chunks(stream: ClientStream, receive: Callable[[bytes], Awaitable[None]]) -> None:
    """Passes on the data of all chunks, in pieces. Raises InvalidRequest, and UnsatisfiableReadError if a line is too
    long."""
    pending = bytearray()
    overhead = count = size = 0
    while True:
        if len(pending) >= PIECE or (pending and not stream.has_more):
            await receive(bytes(pending))
            pending.clear()
        if size:
            data = await stream.read_bytes(min(size, PIECE), partial=True)
            size -= len(data)
            pending += data
            if not size and await stream.read_bytes(2) != b"\r\n":
                raise InvalidRequest("malformed chunk")
            continue
        line = await stream.read_until(b"\r\n", max_bytes=MOST_OVERHEAD)
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise InvalidRequest("invalid chunk size")
        size = int(match[1], 16)
        overhead = max(0, overhead + len(line) - 16 - 2 * size)
        _check(overhead)
        if not size:
            break
        count += 1
        if count % YIELD_EVERY == 0:
            await asyncio.sleep(0)
    await _skip_trailers(stream)
    if pending:
        await receive(bytes(pending))


async def _skip_trailers(stream: ClientStream) -> None:
    size = 0
    while (line := await stream.read_until(b"\r\n", max_bytes=MOST_OVERHEAD)) != b"\r\n":
        size += len(line)
        _check(size)
        if not _TRAILER.fullmatch(line):
            raise InvalidRequest("malformed trailer")


def _check(overhead: int) -> None:
    if overhead > MOST_OVERHEAD:
        raise InvalidRequest(f"chunk extensions or trailers are larger than {MOST_OVERHEAD} bytes")
