"""The endpoint of every operation: starts the call, relays its head and pieces, and logs one line at the end.

Law: loop thread only; it moves bytes and never parses an answer. Every call is finished exactly once, however it ends,
and only when its worker is done.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tornado.iostream import StreamClosedError

from nexus.errors import Cancelled, NexusError
from nexus.errors.unforeseen import stand_in
from nexus.headers import own
from nexus.limits.headers import budget_header, with_own_limits
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.framing import Framing
from nexus.relay.answer import Head
from nexus.relay.call_state import CallState
from nexus.relay.records import call_record
from nexus.server.bridge import Channel
from nexus.server.endpoints.incoming import OperationHandler
from nexus.server.endpoints.paths import base_of
from nexus.server.http.heads import in_ascii
from nexus.server.threads import Task

LEAST_READ = 256 * 1024
"""Minimum bytes of a long answer that a client has to read within ``client_timeout``."""


class CallHandler(OperationHandler):
    """One operation of a dialect."""

    state: CallState | None = None
    streams_events = False
    own_head = False
    """Whether the gateway sent its own head before there was an answer."""

    async def post(self, path: str = "") -> None:
        await self.serve(await self.read_call(path))

    get = delete = post

    async def read_call(self, path: str) -> CallState | None:
        """Returns the state of a new call; None if the client disconnected meanwhile. Raises ClientError."""
        make = partial(self.make_call, path)
        heavy = self.body is not None and self.body.is_heavy
        call = await self.server.workers.work(make) if heavy else make()
        if self.logged:
            return None
        state = self.runtime.gateway.begin(call)
        if self.trace is not None and self.server.exporting is not None:
            state.trace = self.trace
            self.server.exporting.note_request(self.trace, call.document, call.body)
        return state

    def traced_path(self) -> str:
        """The path, cut after the version if it contains an id or a model."""
        if not self.operation.many:
            return self.request.path
        base = base_of(self.runtime.settings, self.dialect)
        return f"{base.versioned}/..."

    async def serve(self, state: CallState | None) -> None:
        """Serves a call to its end, whether it succeeds or not."""
        if state is None:
            return
        self.logged = True
        try:
            self.runtime.gateway.admit(state)
            self.server.enter(state)
            channel: Channel[Head] = Channel(self.server.bell)
            task = self.server.workers.start(lambda: self.runtime.gateway.serve(state, channel))
        except Exception as error:  # noqa: BLE001 - a bug must not leave anything held, nor the call unrecorded
            self.log_exception(None, error, None)
            state.error = error if isinstance(error, NexusError) else stand_in(error)
            self.set_headers(_route_fields(state))
            self.answer_error(state.error)
            self._finish_call(state)
            return
        self.state = state
        await self._answer(state, channel, task)

    async def _answer(self, state: CallState, channel: Channel[Head], task: Task) -> None:
        unblock = state.call.cancel.add(channel.close)
        try:
            await self._relay(state, channel)
        except NexusError as error:
            state.error = error
            await self._send_failure(state, error)
        except StreamClosedError:
            state.error = Cancelled("the client disconnected")
        except Exception as error:
            state.error = stand_in(error)
            raise
        finally:
            if state.error is not None:
                state.call.cancel.throw(state.error)
            unblock()
            if not channel.is_over:
                await asyncio.wrap_future(task.future)
            self._finish_call(state)

    async def _relay(self, state: CallState, channel: Channel[Head]) -> None:
        settings = self.runtime.settings.server
        early = state.call.stream and self.operation.promises
        head = await channel.head(settings.early_ping if early else None)
        if head is None and channel.commit():
            head = Head(200, {"content-type": "text/event-stream; charset=utf-8"}, stream=True)
            self.own_head = True
            self._write_head(state, head)
            await self._flush(state, self._keepalive(state, 0))
        elif head is None:
            head = await channel.head(None)
        if head is not None and not self._headers_written:
            self._write_head(state, head)
            if not head.stream and (whole := channel.whole()) is not None:
                await self._flush(state, whole, last=True)
                return
        while (pieces := await channel.take(settings.ping_interval)) == []:
            if head is not None and head.stream:
                await self._flush(state, self._keepalive(state, 0))
        if pieces:
            await self._flush(state, b"".join([self._late_route(state), *pieces]))
            await self._pass_on(state, channel, head)
        self.finish()

    async def _pass_on(self, state: CallState, channel: Channel[Head], head: Head | None) -> None:
        """Relays the answer after its first piece."""
        settings, connection = self.runtime.settings.server, self.connection
        content = state.trace.content if state.trace is not None else None

        def send(piece: bytes) -> bool:
            if content is not None:
                content.add_answer(piece)
            return connection.push(piece)

        while (pause := await channel.flow(send, settings.ping_interval)) != "end":
            if pause == "full":
                await self._wait_for_client(connection.stream.write(b""))
            elif head is not None and head.stream:
                await self._flush(state, self._keepalive(state, state.tap.events))

    def _keepalive(self, state: CallState, events: int) -> bytes:
        return self._framing(state).put(self.dialect.keepalive(state.call.headers, events))

    def _framing(self, state: CallState) -> Framing:
        return self.dialect.framing_of(state.call.query).begin(begun=state.streamed > 0)

    def _late_route(self, state: CallState) -> bytes:
        """An event stream comment with the route, if the head was sent before the route was known."""
        if not self.own_head or not state.attempts:
            return b""
        words = f"route={state.route}" + (f" tried={state.tried}" if state.tried else "")
        return self._framing(state).put(b": nexus " + words.encode("ascii", "backslashreplace") + b"\n")

    def _write_head(self, state: CallState, head: Head) -> None:
        """Sets status and headers; they are sent in one write with the first piece."""
        state.status, self.streams_events = head.status, head.stream
        self.set_status(head.status)
        held = state.reservation
        standings = held.standings if held is not None else ()
        # The usage of a complete answer is known by now.
        left = held.budget_left(None if head.stream else state.usage) if held is not None else None
        own_limits = with_own_limits(head.headers, self.dialect.name, standings, time.time())
        route = {} if self.own_head else _route_fields(state)
        self.set_headers({self.dialect.id_header: self.id, **own_limits, **budget_header(left), **route})
        self.name_request()
        if head.stream:
            self.set_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **self._framing(state).headers})

    async def _flush(self, state: CallState, piece: bytes, *, last: bool = False) -> None:
        """Writes a piece and waits until it is sent. Raises StreamClosedError if the client disconnected or stalls."""
        if state.trace is not None and state.trace.content is not None:
            state.trace.content.add_answer(piece)
        if piece:
            # If no body is allowed, not even an empty one may be written.
            self.write(piece)
        await self._wait_for_client(self.finish() if last else self.flush())
        state.mark_first_byte()

    async def _wait_for_client(self, written: asyncio.Future[None]) -> None:
        """Waits for a write. Raises StreamClosedError if the client disconnected, or reads less than LEAST_READ bytes
        within ``client_timeout``."""
        stream = self.connection.stream
        while not written.done():
            before = stream.sent
            # Not ``wait_for``, which would cancel the future; Tornado does not expect that.
            await asyncio.wait((written,), timeout=self.runtime.settings.server.client_timeout)
            if not written.done() and stream.sent < before + LEAST_READ:
                stream.close()
                raise StreamClosedError
        written.result()

    async def _send_failure(self, state: CallState, error: NexusError) -> None:
        """Sends an error reply before the head; after it, the dialect's error event, then closes the connection."""
        if isinstance(error, Cancelled):
            return
        if not self._headers_written:
            self.set_headers(_route_fields(state))
            state.status = error.status
            self.answer_error(error)
            return
        if not self.streams_events:
            # This format has no error event: closing the connection is the only signal.
            self.connection.stream.close()
            return
        try:
            route = b"" if state.streamed else self._late_route(state)
            frame = self._framing(state).put(self.dialect.error_frame(error, self._broken(state)))
            await self._flush(state, route + frame)
        except StreamClosedError:
            return
        # Not the regular end of the chunked body: to clients that ignore the event, the answer would look complete.
        self.connection.stream.close()

    def _broken(self, state: CallState) -> BrokenStream:
        call, begun, id = state.call, state.streamed > 0, state.tap.answer_id
        return BrokenStream(self.id, call.model, call.headers, int(time.time()), begun=begun, answer_id=id)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.state is not None:
            self.state.call.cancel.throw(Cancelled("the client disconnected"))
        else:
            self.discard_body()

    def on_finish(self) -> None:
        super().on_finish()
        if self.state is None:
            self.discard_body()

    def _finish_call(self, state: CallState) -> None:
        self.server.leave(state)
        self.discard_body()
        self.load.hold(0)
        if state.error is not None:
            self.runtime.gateway.release(state, state.error)
        if state.error is not None and (state.status is None or isinstance(state.error, Cancelled)):
            state.status = state.error.status
        self.server.finished(call_record(state, self.runtime.prices.cost))
        if state.error is not None:
            # The error's frames refer to the state, which refers to the error. Break the cycle, because the garbage
            # collector would free a large body late.
            state.error.with_traceback(None).__context__ = state.error.__cause__ = None
        state.part()
        self.state = None


def _route_fields(state: CallState) -> dict[str, str]:
    """The headers that name the route of a call, and all that was tried."""
    fields = {own.TRIED: state.tried} if state.tried else {}
    if state.attempts:
        fields |= {own.ROUTE: str(state.route), own.ATTEMPTS: str(len(state.attempts))}
    return {name: in_ascii(value) for name, value in fields.items()}
