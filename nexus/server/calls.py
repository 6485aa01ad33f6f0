"""The endpoint that calls are posted to: body in, head and pieces out, and one log line at the end.

Law: loop thread only; it moves bytes and never looks into an answer. Every call that was made is finished exactly once,
whichever way it ends, and only when its worker is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from tornado.iostream import StreamClosedError

from nexus.bridge import Channel, Full
from nexus.call import Call, Tags
from nexus.errors import (
    Cancelled,
    ClientError,
    InternalError,
    InvalidRequest,
    NexusError,
    Overloaded,
    UnsupportedMediaType,
)
from nexus.headers.forwarding import PLAN_PREFIX, REPLY_PREFIXES
from nexus.limits.headers import headers_for
from nexus.piecewise import LARGE, decode_large
from nexus.protocols.dialect import BrokenStream
from nexus.relay.attempt import Head
from nexus.server.base import BaseHandler
from nexus.server.body import Body
from nexus.server.connection import body_length
from nexus.server.flight import Load
from nexus.telemetry.access_log import log_call
from nexus.upstream.request import Action
from nexus.upstream.sniff import media_type
from nexus.wire import Json, decode


class CallHandler(BaseHandler):
    """``POST`` of one dialect. ``load`` is what its body takes of the bytes in flight."""

    action: Action = "generate"
    takes_body = True
    call: Call | None = None
    body: Body
    load: Load

    async def prepare(self) -> None:
        self.load = Load(self.context.flight)
        await super().prepare()
        if self._finished:
            return
        headers, most = self.request.headers, self.context.settings.server.max_body_size
        self.body = Body(most, headers.get("Content-Encoding", ""), body_length(headers), self.load)

    def data_received(self, chunk: bytes) -> None:
        super().data_received(chunk)
        try:
            self.body.feed(chunk)
        except ClientError as error:
            self.load.release()
            self.refuse(error)

    async def post(self, path: str = "") -> None:
        await self.serve(await self.read_call(path))

    async def read_call(self, path: str) -> Call | None:
        """The call; None where the client left while it was read. Raises ClientError."""
        make = partial(self.make_call, path)
        call = await self.context.work(make) if self.body.is_heavy else make()
        return None if self.logged else call

    async def serve(self, call: Call | None) -> None:
        """Answers a call in whatever way it goes."""
        if call is None:
            return
        self.logged = True
        try:
            self.context.gateway.admit(call)
            self.context.enter(call)
        except NexusError as error:
            call.error = error
            self.answer_error(error)
            self._finish_call(call)
            return
        self.call = call
        channel: Channel[Head] = Channel(asyncio.get_running_loop())
        try:
            job = self.context.workers.start(lambda: self.context.gateway.serve(call, channel))
        except Full:
            call.error = Overloaded("every worker of the gateway is busy", retry_after=1)
            self.answer_error(call.error)
            self._finish_call(call)
            return
        await self._answer(call, channel, job)

    async def _answer(self, call: Call, channel: Channel[Head], job: Future[None]) -> None:
        unblock = call.cancel.add(channel.close)
        try:
            await self._relay(call, channel)
        except NexusError as error:
            call.error = error
            await self._end_badly(call, error)
        except StreamClosedError:
            call.error = Cancelled("the client left")
        except Exception:
            call.error = InternalError()
            raise
        finally:
            if call.error is not None:
                call.cancel.throw(call.error)
            unblock()
            await asyncio.wrap_future(job)
            self._finish_call(call)

    async def _relay(self, call: Call, channel: Channel[Head]) -> None:
        settings = self.context.settings.server
        head = await channel.head(settings.early_ping if call.stream else None)
        if head is None and channel.commit():
            head = self._own_head()
            self._write_head(call, head)
            await self._flush(call, self.dialect.keepalive(call.headers, 0))
        elif head is None:
            head = await channel.head(None)
        if head is not None and not self._headers_written:
            self._write_head(call, head)
        begun = False
        while (pieces := await channel.take(settings.ping_interval)) is not None:
            if pieces:
                await self._flush(call, b"".join(pieces))
                begun = True
            elif head is not None and head.stream:
                await self._flush(call, self.dialect.keepalive(call.headers, call.tap.events if begun else 0))
        self.finish()

    def _own_head(self) -> Head:
        return Head(200, {"content-type": "text/event-stream; charset=utf-8"}, stream=True)

    def _write_head(self, call: Call, head: Head) -> None:
        """Nothing is sent yet: the head leaves in one write with the first piece."""
        call.status = head.status
        self.set_status(head.status)
        self.set_header(self.dialect.id_header, self.id)
        for name, value in self._limited(call, head.headers).items():
            self.set_header(name, value)
        self.set_header("x-nexus-request-id", self.id)
        self._name_route(call)
        if head.stream:
            self.set_header("Cache-Control", "no-cache")
            self.set_header("X-Accel-Buffering", "no")

    def _limited(self, call: Call, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Where limits of our own apply, they are told in place of the vendor's: the two are never mixed."""
        if call.held is None or not call.held.standings:
            return headers
        vendors = {
            name: value
            for name, value in headers.items()
            if name.startswith(PLAN_PREFIX) or not name.startswith(REPLY_PREFIXES)
        }
        return {**vendors, **headers_for(self.dialect.name, call.held.standings, time.time())}

    def _name_route(self, call: Call) -> None:
        if call.route is not None:
            self.set_header("x-nexus-route", str(call.route).encode("ascii", "backslashreplace"))
        if call.attempts:
            self.set_header("x-nexus-attempts", str(call.attempts))

    async def _flush(self, call: Call, piece: bytes) -> None:
        """Waits until the client has taken the bytes. Raises StreamClosedError when it left or takes none."""
        self.write(piece)
        flushed = self.flush()
        try:
            if not flushed.done():
                await asyncio.wait_for(flushed, self.context.settings.server.client_timeout)
            flushed.result()
        except TimeoutError:
            self.connection.stream.close()
            raise StreamClosedError from None
        call.times.mark_first_byte()

    async def _end_badly(self, call: Call, error: NexusError) -> None:
        """Before the head a plain error reply; after it the dialect's error event and a cut connection."""
        if isinstance(error, Cancelled):
            return
        if not self._headers_written:
            self._name_route(call)
            call.status = error.status
            self.answer_error(error)
            return
        try:
            await self._flush(call, self.dialect.error_frame(error, self._broken(call)))
        except StreamClosedError:
            return
        # Ending the chunked body properly would make a broken answer look whole to whoever ignores the event.
        self.connection.stream.close()

    def _broken(self, call: Call) -> BrokenStream:
        return BrokenStream(self.id, call.model, call.headers, int(time.time()), begun=call.tap.events > 0)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.call is not None:
            self.call.cancel.throw(Cancelled("the client left"))
        else:
            self.load.release()

    def on_finish(self) -> None:
        super().on_finish()
        if self.call is None:
            self.load.release()

    def _finish_call(self, call: Call) -> None:
        self.context.leave(call)
        self.load.release()
        if call.error is not None:
            self.context.gateway.release(call, call.error)
        if call.error is not None and (call.status is None or isinstance(call.error, Cancelled)):
            call.status = call.error.status
        log_call(call)
        if call.error is not None:
            # Its frames hold the call, which holds it: do not wait for the collector with a large body.
            call.error.with_traceback(None)

    def make_call(self, path: str) -> Call:
        """What was posted; ``path`` is what the handler's pattern caught. Raises ClientError."""
        raw, document = self.read_body()
        model, stream = document.get("model"), document.get("stream")
        if not isinstance(model, str) or not model:
            raise InvalidRequest("model: expected the name of a model", param="model")
        if stream is not None and not isinstance(stream, bool):
            raise InvalidRequest("stream: expected true or false", param="stream")
        self.dialect.check(document, self.action)
        return self.new_call(raw, document, model, stream=stream is True and self.action == "generate")

    def read_body(self) -> tuple[bytes, dict[str, Json]]:
        """The body, and what it says. Raises ClientError."""
        content_type = media_type(self.request.headers.get("Content-Type", ""))
        if content_type != "application/json":
            raise UnsupportedMediaType("expected Content-Type: application/json")
        raw = self.body.open()
        return raw, read_document(raw)

    def new_call(self, raw: bytes, document: Mapping[str, Json], model: str, *, stream: bool, path: str = "") -> Call:
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        return Call(
            id=self.id,
            dialect=self.dialect.name,
            caller=self.caller,
            identity=self.identity,
            headers=headers,
            query=self.request.query,
            body=raw,
            document=document,
            model=model,
            stream=stream,
            action=self.action,
            method=self.request.method or "POST",
            path=path,
            tags=Tags.of(headers),
            let_go=self.load.release,
        )


class CountHandler(CallHandler):
    """``POST`` of a request whose tokens are to be counted."""

    action: Action = "count_tokens"


class CompactHandler(CallHandler):
    """``POST`` of a conversation that the vendor is to make shorter."""

    action: Action = "compact"


def read_document(raw: bytes) -> dict[str, Json]:
    """A JSON object. Raises InvalidRequest."""
    try:
        document = decode(raw) if len(raw) <= LARGE else decode_large(raw)
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    return document
