"""The endpoint that calls are posted to: body in, head and pieces out, and one log line at the end.

Law: loop thread only; it moves bytes and never looks into an answer. Every call that was made is finished exactly once,
whichever way it ends, and only when its worker is done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future

from tornado.iostream import StreamClosedError
from tornado.web import stream_request_body

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
from nexus.headers import PLAN_PREFIX, REPLY_PREFIXES
from nexus.limits.headers import headers_for
from nexus.protocols.base import BrokenStream
from nexus.relay import Head
from nexus.server.base import BaseHandler
from nexus.server.body import Body
from nexus.server.log import log_call, log_refusal
from nexus.upstream import Action
from nexus.wire import Json, decode

_DISCARD_SECONDS = 10.0


@stream_request_body
class CallHandler(BaseHandler):
    """``POST`` of one dialect."""

    action: Action = "generate"
    call: Call | None = None
    body: Body
    reading = True

    async def prepare(self) -> None:
        headers, settings = self.request.headers, self.house.settings.server
        self.body = Body(settings.max_body_size, headers.get("Content-Encoding", ""), headers.get("Content-Length"))
        # Tornado's own refusal is a bare 400 and a reset connection: the limits are ours to keep.
        self.connection.set_max_body_size(1 << 62)
        self.connection.set_body_timeout(settings.client_timeout)
        if self.request.method != "POST":
            await super().prepare()
            return
        try:
            await super().prepare()
        except ClientError as error:
            self.body.refusal = error
        if self.body.refusal is not None:
            self._refuse()

    def data_received(self, chunk: bytes) -> None:
        refused = self.body.refusal is not None
        self.body.feed(chunk)
        if self.body.refusal is not None and not refused:
            self._refuse()
        if self.body.hopeless:
            self.connection.stream.close()

    def _refuse(self) -> None:
        """Answers while the body still comes in; what follows is discarded."""
        self.connection.set_body_timeout(_DISCARD_SECONDS)
        self.set_header("Connection", "close")
        if self.body.refusal is not None:
            self.answer_error(self.body.refusal)

    def conclude(self) -> None:
        if self.reading and self.request.method == "POST":
            # Finishing now would close the connection under a client that still sends.
            self.flush()
        else:
            self.finish()

    async def post(self, path: str = "") -> None:
        self.reading = False
        if self._headers_written:
            self.finish()
            return
        await self.serve(self.make_call(path))

    async def serve(self, call: Call) -> None:
        """Answers a call in whatever way it goes."""
        self.logged = True
        try:
            self.house.gateway.admit(call)
            self.house.enter(call)
        except NexusError as error:
            call.error = error
            self.answer_error(error)
            self._finish_call(call)
            return
        self.call = call
        channel: Channel[Head] = Channel(asyncio.get_running_loop())
        try:
            job = self.house.workers.start(lambda: self.house.gateway.serve(call, channel))
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
        settings = self.house.settings.server
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
                await asyncio.wait_for(flushed, self.house.settings.server.client_timeout)
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
        if self.call is not None:
            self.call.cancel.throw(Cancelled("the client left"))

    def on_finish(self) -> None:
        if not self.logged:
            took = self.request.request_time()
            log_refusal(self.id, self.caller, self.dialect.name, self.get_status(), self.refused, took)

    def _finish_call(self, call: Call) -> None:
        self.house.leave(call)
        if call.error is not None:
            self.house.gateway.release(call, call.error)
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
        content_type = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        raw = self.body.whole()
        if content_type != "application/json":
            raise UnsupportedMediaType("expected Content-Type: application/json")
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
        document = decode(raw)
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequest("the body must be a JSON object")
    return document
