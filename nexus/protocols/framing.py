"""How the events of an answer are framed on their way to a client.

Law: pure. Dialects write their events as server-sent ones; a framing takes whole events and no halves of any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nexus.protocols.sse import FrameDecoder


class Framing:
    """Server-sent events: as they were written. ``headers`` are a stream's own."""

    headers: Mapping[str, str] = MappingProxyType({})

    takes_originals = False
    """Whether a vendor's frames of its own kind are what the client reads."""

    def put(self, written: bytes) -> bytes:
        return written


SSE = Framing()


class AwsEventStream(Framing):
    """Amazon's event stream: one message for each event, by ``write``; comments have no place in it."""

    headers: Mapping[str, str] = MappingProxyType(
        {"content-type": "application/vnd.amazon.eventstream", "x-amzn-bedrock-content-type": "application/json"}
    )
    takes_originals = True

    def __init__(self, write: Callable[[str, str], bytes]) -> None:
        self._write = write

    def put(self, written: bytes) -> bytes:
        frames = FrameDecoder().feed(written)
        return b"".join(self._write(frame.event or "", frame.data) for frame in frames if frame.data is not None)
