"""Tells an event stream from a plain body by its first bytes, for servers that send a wrong content type."""

from __future__ import annotations

from nexus.upstream.request import UpstreamReply

STREAM = "text/event-stream"

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""How lines of an event stream begin (WHATWG HTML, section 9.2.5)."""


def media_type(value: str) -> str:
    """The media type in lower case, without parameters."""
    return value.partition(";")[0].strip().lower()


def is_stream(first: bytes, kind: str) -> bool:
    """Whether a body that begins with ``first`` is an event stream; the content type ``kind`` decides if the bytes do
    not.
    """
    start = first.removeprefix(_BOM).lstrip()
    if start.startswith(_FIELDS):
        return True
    return kind == STREAM and start[:1] not in (b"{", b"[")


class Begun(UpstreamReply):
    """A reply whose ``first`` bytes were already read; ``read`` returns them first."""

    def __init__(self, inner: UpstreamReply, first: bytes) -> None:
        self.status, self.headers, self.secrets = inner.status, inner.headers, inner.secrets
        self.first = first
        self._inner = inner
        self._given = False

    def read(self) -> bytes:
        if not self._given:
            self._given = True
            return self.first
        return self._inner.read()

    def original(self) -> bytes:
        return self._inner.original()

    def end_within(self, seconds: float) -> None:
        self._inner.end_within(seconds)

    def close(self) -> None:
        self._inner.close()
