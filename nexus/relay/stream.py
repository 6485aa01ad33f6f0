"""A vendor's stream on its way to the client: edited frame by frame, and held until its first content.

Worker thread only. What was held leaves in one piece with the first content, so that until then another attempt can
answer. An incomplete answer never looks complete. Frames before a fault go out first, however the bytes were split.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from nexus.dataclasses import replace
from nexus.errors import ProtocolError, StreamInterrupted, Unreachable, UpstreamError, UpstreamTimeout, VendorError
from nexus.headers.redaction import Redactor
from nexus.protocols.answer_relay import SEALED
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.framing import SSE
from nexus.protocols.loader import FORMS
from nexus.protocols.sse import Frame, FrameDecoder, FrameTooLarge, is_heartbeat, parse_frame
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.failures import in_band
from nexus.upstream.request import UpstreamReply

MAX_HELD = 64 * 1024
"""Maximum bytes to hold until a stream's first content; beyond that the client gets what has come."""

LARGE_EVENT = 1024 * 1024
"""Size in bytes above which an incomplete event counts in flight."""

TERMINATOR_SECONDS = 5.0
"""Seconds that an upstream has to send its terminator after the last significant event of an answer, whatever else it
sends."""

DRAIN = 1.0
"""Seconds that an upstream has to end the HTTP exchange after the terminator, so that the connection can be reused."""


class Stream:
    def __init__(
        self, attempt: Attempt, relay: AnswerRelay, reply: UpstreamReply, redactor: Redactor, *, passes: bool
    ) -> None:
        provider = attempt.route.provider
        call = attempt.call
        self._framing = FORMS[call.form].framing_of(call.query).begin()
        self._originals = passes and self._framing.takes_originals
        self._attempt = attempt
        self._relay = relay
        self._reply = reply
        self._redactor = redactor
        self._begun = False
        self._counted = 0
        self._name = provider.name
        self._silence = silence_of(attempt)
        self._event_at = time.monotonic()

    def pieces(self) -> Iterator[bytes]:
        """Yields the client's frames as the vendor's arrive; the first piece ends with the first content.

        Raises UpstreamError if the stream fails. Before the first piece this means that the attempt failed, and a
        vendor's error has as ``verbatim`` what the client would have got. A vendor's error that is passed on later, in
        the client's own dialect, ends the answer as the vendor ended it and is kept in the attempt.
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
        ended = relay.ended and relay.failure is None and not relay.unsure
        return relay.content or size > MAX_HELD or ended

    def _check_whole(self, held: bytearray) -> None:
        """Raises UpstreamError if a stream failed before its first content."""
        if self._relay.failure is not None:
            raise VendorError(replace(self._relay.failure, verbatim=bytes(held) + self._framing.end()))
        if not (self._relay.complete or self._relay.ended):
            raise Unreachable(f"{self._name}: the stream ended before any content", provider=self._name)

    def _check_end(self) -> None:
        if self._relay.failure is not None:
            self._attempt.fail(VendorError(in_band(self._relay.failure, self._name)))
        elif not (self._relay.complete or self._relay.ended):
            # Open blocks stay open: a client may act on a closed block, especially a tool call.
            text = f"{self._name}: the stream ended before the answer was complete"
            raise StreamInterrupted(text, provider=self._name)

    def _frames(self) -> Iterator[bytes]:
        """Yields edited frames until the answer is complete or the vendor's bytes end."""
        relay, reply, decoder = self._relay, self._reply, FrameDecoder()
        try:
            while not relay.complete and (piece := read(self._attempt.state, reply, self._silence)):
                frames = decoder.feed(piece)
                if self._counted or (not frames and decoder.size > LARGE_EVENT):
                    self._count(decoder.size)
                self._check_silence(frames)
                edited, fault = self._edited(frames)
                if edited:
                    yield edited
                if fault is not None:
                    raise fault
                if relay.ended:
                    reply.end_within(TERMINATOR_SECONDS)
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

    def _count(self, size: int) -> None:
        """Counts a large incomplete event in flight, twice because it is copied when complete. Raises Overloaded."""
        self._counted = 2 * size if size > LARGE_EVENT else 0
        self._attempt.call.hold(self._counted)

    def _check_silence(self, frames: Sequence[Frame]) -> None:
        """Raises UpstreamTimeout once only heartbeats have come for too long."""
        now = self._attempt.state.read_at
        if not all(map(is_heartbeat, frames)):
            self._event_at = now
        elif now - self._event_at > self._silence:
            raise UpstreamTimeout(f"{self._name}: only pings for {self._silence:g} s", provider=self._name)

    def _edited(self, frames: Sequence[Frame]) -> tuple[bytes, Exception | None]:
        """The frames for the client, and the fault of the next one, if any."""
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
            self._attempt.on_begun()
        if self._relay.tap.ids:
            remember(self._attempt, self._relay)
        return b"".join(edited), fault


def silence_of(attempt: Attempt) -> float:
    """Seconds for which a vendor may send nothing but heartbeats."""
    route = attempt.route
    return route.settings.timeouts.silence or route.provider.settings.timeouts.silence


def _cut_frame(frame: Frame, redactor: Redactor) -> Frame:
    raw = redactor.cut_error(frame.raw)
    return frame if raw is frame.raw else parse_frame(raw)


def remember(attempt: Attempt, relay: AnswerRelay) -> None:
    """Stores the owner of an answer's ids before the client has them. If the vendor does not store the answer, only the
    ids of parts that it stores anyway."""
    if not (ids := relay.tap.ids):
        return
    call, state = attempt.call, attempt.state
    is_kept = not call.operation.names_model or call.document.get("store") is not False
    if state.vendor_ids is not None:
        wanted = (id for id, always in ids.items() if always or (state.pinned if id.startswith(SEALED) else is_kept))
        fresh = [id for id in wanted if id not in state.remembered]
        state.remembered.update(fresh)
        state.vendor_ids.keep(attempt.candidate.keeper, fresh)
    ids.clear()


def read(state: CallState, reply: UpstreamReply, within: float, *, ahead: bool = False) -> bytes:
    """The next bytes, for which the vendor has ``within`` seconds; with ``ahead`` the next read returns them again."""
    began = time.monotonic()
    reply.begin_piece(within)
    try:
        return reply.peek() if ahead else reply.read()
    finally:
        state.read_at = time.monotonic()
        state.waited += state.read_at - began


def drain(reply: UpstreamReply) -> None:
    """Reads a complete answer's last bytes, so that its connection can be reused."""
    deadline = time.monotonic() + DRAIN
    reply.end_within(DRAIN)
    # The client has the whole answer: an error now costs only the connection.
    with suppress(UpstreamError):
        while reply.read() and time.monotonic() < deadline:
            continue
