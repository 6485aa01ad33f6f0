"""How the events of an answer are framed on their way to a client.

Dialects write their events as server-sent ones; a framing takes whole events and no halves of any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nexus.protocols.sse import FrameDecoder


class Framing:
    """Server-sent events: as they were written. ``headers`` are a stream's own.

    One that remembers what it wrote ``begin``s anew with every answer.
    """

    headers: Mapping[str, str] = MappingProxyType({})

    takes_originals = False
    """Whether a vendor's frames of its own kind are what the client reads."""

    def begin(self, *, begun: bool = False) -> Framing:
        """That of one answer; ``begun`` says that some of it has been written."""
        return self

    def put(self, written: bytes) -> bytes:
        return written

    def end(self) -> bytes:
        """What stands behind the last event of an answer that is over."""
        return b""


SSE = Framing()


class WithoutComments(Framing):
    """Server-sent events for clients that cannot read comments: an empty line is all that fills a silence."""

    def put(self, written: bytes) -> bytes:
        return b"\n" if written.startswith(b":") else written


class JsonArray(Framing):
    """One JSON array, whose elements are the data of the events."""

    headers: Mapping[str, str] = MappingProxyType({"content-type": "application/json; charset=UTF-8"})

    def __init__(self, *, begun: bool = False) -> None:
        self._begun = begun

    def begin(self, *, begun: bool = False) -> JsonArray:
        return JsonArray(begun=begun)

    def put(self, written: bytes) -> bytes:
        elements = [frame.data for frame in FrameDecoder().feed(written) if frame.data]
        if not elements:
            return b"\n" if written else b""
        opening = b",\n" if self._begun else b"["
        self._begun = True
        return opening + ",\n".join(elements).encode()

    def end(self) -> bytes:
        return b"\n]" if self._begun else b"[]"


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
