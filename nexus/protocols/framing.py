"""How the events of an answer are framed for a client.

Dialects write their events as server-sent ones; a framing gets only complete events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from nexus.protocols.sse import FrameDecoder


class Framing:
    """Server-sent events, unchanged. ``headers`` are those of the stream.

    A framing with state starts again with each answer (``begin``).
    """

    headers: Mapping[str, str] = MappingProxyType({})

    takes_originals = False
    """Whether a vendor's frames of the same kind can be sent to the client."""

    def begin(self, *, begun: bool = False) -> Framing:
        """The framing of one answer; ``begun`` says that some of it has been written."""
        return self

    def put(self, written: bytes) -> bytes:
        return written

    def end(self) -> bytes:
        """Bytes after the last event of a finished answer."""
        return b""


SSE = Framing()


class WithoutComments(Framing):
    """Server-sent events for clients that cannot read comments."""

    def put(self, written: bytes) -> bytes:
        return b"" if written.startswith(b":") else written


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
    """Amazon's event stream: one message per event, by ``write``; it has no comments."""

    headers: Mapping[str, str] = MappingProxyType(
        {"content-type": "application/vnd.amazon.eventstream", "x-amzn-bedrock-content-type": "application/json"}
    )
    takes_originals = True

    def __init__(self, write: Callable[[str, str], bytes]) -> None:
        self._write = write

    def put(self, written: bytes) -> bytes:
        frames = FrameDecoder().feed(written)
        return b"".join(self._write(frame.event or "", frame.data) for frame in frames if frame.data is not None)
