"""A vendor's stream on its way to the client: edited frame by frame, and held until its first content.

Worker thread only. What was held leaves in one piece with the first content, so that until then another attempt
can answer; nothing incomplete ever looks complete; and what stands before a fault goes out first, however the bytes
were cut into pieces.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from nexus.conversation.tap import SEALED
from nexus.errors import (
    ProtocolError,
    StreamInterrupted,
    Unreachable,
    UpstreamError,
    UpstreamTimeout,
    VendorError,
)
from nexus.headers.redaction import Redactor
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.framing import SSE
from nexus.protocols.loader import FORMS
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge, is_heartbeat, parse_frame
from nexus.relay.exchange import Exchange
from nexus.relay.vendor_failures import in_band
from nexus.upstream.request import UpstreamReply

MAX_HELD = 64 * 1024
"""Bytes that are held for a stream's first content; with more the client gets what there is."""

LAST_WORDS = 5.0
"""Seconds that an upstream gets for its terminator after the last thing of value in an answer, whatever it sends."""

DRAIN = 1.0
"""Seconds that it gets to end the HTTP exchange after the terminator, so that the connection can serve again."""


class Stream:
    """One answer that comes in events."""

    def __init__(
        self, exchange: Exchange, relay: AnswerRelay, reply: UpstreamReply, redactor: Redactor, *, passes: bool
    ) -> None:
        provider = exchange.route.provider
        call = exchange.call
        self._framing = FORMS[call.form].framing_of(call.query).begin()
        self._originals = passes and self._framing.takes_originals
        self._exchange = exchange
        self._relay = relay
        self._reply = reply
        self._redactor = redactor
        self._begun = False
        self._name = provider.name
        silence = exchange.route.settings.timeouts.silence or provider.settings.timeouts.silence
        self._silence = _Silence(silence, provider.name)

    def pieces(self) -> Iterator[bytes]:
        """The client's frames as the vendor's come, the first of them with the first content.

        Raises UpstreamError where that is not how it ends: before the first piece the attempt failed, and a vendor's
        error has as ``verbatim`` what the client would have got. An error that the vendor tells a client of its own
        dialect after that ends the answer as the vendor ended it, and is kept in the exchange.
        """
        held = bytearray()
        frames = self._frames()
        try:
            for piece in frames:
                held += piece
                if self._may_leave(len(held)):
                    break
            else:
                self._check_whole(held)
            yield bytes(held)
            yield from frames
            self._check_end()
            if end := self._framing.end():
                yield end
        except VendorError as error:
            raise VendorError(in_band(error.failure, self._name)) from error

    def _may_leave(self, size: int) -> bool:
        relay = self._relay
        return relay.content or size > MAX_HELD or (relay.ended and relay.failure is None)

    def _check_whole(self, held: bytearray) -> None:
        """For a stream that ended before it had content."""
        if self._relay.failure is not None:
            raise VendorError(replace(self._relay.failure, verbatim=bytes(held) + self._framing.end()))
        if not (self._relay.complete or self._relay.ended):
            raise Unreachable(f"{self._name}: the stream ended before any content", provider=self._name)

    def _check_end(self) -> None:
        if self._relay.failure is not None:
            self._exchange.fail(VendorError(in_band(self._relay.failure, self._name)))
        elif not (self._relay.complete or self._relay.ended):
            # What is open stays open: a client may act on a block that was closed, a tool call above all.
            text = f"{self._name}: the stream ended before the answer was complete"
            raise StreamInterrupted(text, provider=self._name)

    def _frames(self) -> Iterator[bytes]:
        """Edited frames until the answer is complete, or the vendor's bytes end."""
        relay, reply, decoder = self._relay, self._reply, FrameDecoder()
        try:
            while not relay.complete and (piece := read(self._exchange, reply)):
                frames = decoder.feed(piece)
                self._silence.check(frames, self._exchange.state.read_at)
                edited, fault = self._edited(frames)
                if edited:
                    yield edited
                if fault is not None:
                    raise fault
                if relay.ended:
                    reply.end_within(LAST_WORDS)
            if not relay.complete and (rest := decoder.last()) is not None:
                yield self._framing.put(relay.frame(_cut_frame(rest, self._redactor)))
            if relay.cut:
                reply.close()
        except (FrameTooLarge, ValueError) as error:
            text = f"{self._name}: malformed stream"
            raise ProtocolError(text, provider=self._name) from error
        except (Unreachable, UpstreamTimeout):
            if not relay.ended:
                raise
        if (relay.complete or relay.ended) and (last := relay.finish()):
            yield self._framing.put(last)

    def _edited(self, frames: Sequence[Frame]) -> tuple[bytes, Exception | None]:
        """The frames for the client, and what was wrong with the next one."""
        edited: list[bytes] = []
        fault: Exception | None = None
        try:
            for frame in frames:
                cut = _cut_frame(frame, self._redactor) if b'"error"' in frame.raw else frame
                original = self._reply.original() if self._originals else b""
                written = self._relay.frame(cut)
                if original and cut is frame and written:
                    edited.append(original)
                else:
                    edited.append(written if self._framing is SSE else self._framing.put(written))
        except (VendorError, ValueError) as error:
            fault = error
        if self._relay.begun and not self._begun:
            self._begun = True
            self._exchange.on_begun()
        if self._relay.tap.ids:
            remember(self._exchange, self._relay)
        return b"".join(edited), fault


class _Silence:
    """The clock of a stream that sends nothing but signs of life."""

    def __init__(self, seconds: float, name: str) -> None:
        self._seconds = seconds
        self._name = name
        self._since = time.monotonic()

    def check(self, frames: Sequence[Frame], now: float) -> None:
        """Raises UpstreamTimeout once nothing of value has come for too long."""
        if not all(map(is_heartbeat, frames)):
            self._since = now
        elif now - self._since > self._seconds:
            text = f"{self._name}: only pings for {self._seconds:g} s"
            raise UpstreamTimeout(text, provider=self._name)


def _cut_frame(frame: Frame, redactor: Redactor) -> Frame:
    raw = redactor.cut_error(frame.raw)
    return frame if raw is frame.raw else parse_frame(raw)


def remember(exchange: Exchange, relay: AnswerRelay) -> None:
    """Whose the ids are, before the client has them; an answer that nobody keeps has none."""
    if not (ids := relay.tap.ids):
        return
    call, state = exchange.call, exchange.state
    is_kept = not call.operation.names_model or call.document.get("store") is not False
    if state.vendor_ids is not None:
        sealed = state.vendor_ids.pins
        wanted = (id for id in ids if (sealed if id.startswith(SEALED) else is_kept))
        fresh = [id for id in wanted if id not in state.remembered]
        state.remembered.update(fresh)
        state.vendor_ids.keep(exchange.candidate.keeper, fresh)
    ids.clear()


def read(exchange: Exchange, reply: UpstreamReply) -> bytes:
    state, began = exchange.state, time.monotonic()
    try:
        return reply.read()
    finally:
        state.read_at = time.monotonic()
        state.waited += state.read_at - began


def drain(reply: UpstreamReply) -> None:
    """Reads a complete answer's last bytes, so that its connection can serve again."""
    deadline = time.monotonic() + DRAIN
    reply.end_within(DRAIN)
    # The answer is whole and the client has it: what breaks now costs the connection, and is nobody's failure.
    with suppress(UpstreamError):
        while reply.read() and time.monotonic() < deadline:
            continue
