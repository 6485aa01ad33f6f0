"""The stages of a call in order: identify, limit and route on the loop, then attempts and relay on a worker.

Law: ``enter`` and ``admit`` are quick and run on the loop; ``serve`` blocks and runs on a worker thread. No Tornado, no
asyncio. Until the first content is passed on another attempt may be made, always from the original request; after it,
never.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from nexus.accounting.file_owners import FileOwners
from nexus.auth.authenticator import Authenticator
from nexus.auth.credentials import HeaderLines
from nexus.auth.identity import Identity, Pending
from nexus.call import Call
from nexus.errors import Cancelled, InvalidRequest, NexusError, NotFound, Overloaded, ProtocolError, VendorError
from nexus.errors.unforeseen import stand_in
from nexus.gateway.admission import Admission
from nexus.gateway.attempts import Attempts
from nexus.gateway.candidates import Router
from nexus.gateway.file_access import named, only, strangers_files
from nexus.gateway.file_calls import FileCalls
from nexus.gateway.late_usage import IdsOf, book
from nexus.gateway.pins import maker, pin
from nexus.gateway.routing import Model, Routes
from nexus.headers.own import STORED_PROVIDER
from nexus.limits import quota as limits
from nexus.protocols.loader import DIALECTS, FORMS
from nexus.relay.answer import Head, OpenedReply, own_answer
from nexus.relay.call_state import Attempt, CallState
from nexus.relay.failures import GIVEN_UP, log_attempt
from nexus.relay.stream import drain
from nexus.response_store.responses import Answers
from nexus.wire import encode

log = logging.getLogger("nexus.gateway")


class Sink(Protocol):
    """Where an answer goes: the worker's side of a bridge channel."""

    def publish(self, head: Head, first: bytes, *, whole: bool = False) -> bool: ...

    def put(self, piece: bytes) -> bool: ...

    def end(self, error: Exception | None = None, *, over: bool = False) -> None: ...


class ServerLoop(limits.Loop, Protocol):
    """Also waits for keys that another thread fetches."""

    async def wait(self, future: Future[None]) -> None: ...


AnswersOf = Callable[[Call], Answers | None]


class Gateway:
    def __init__(
        self,
        authenticator: Authenticator,
        routes: Routes,
        router: Router,
        admission: Admission,
        answers: AnswersOf,
        ids: IdsOf,
        owners: FileOwners,
        readers: Sequence[str] = (),
    ) -> None:
        """``answers`` gives the stored answers that a call may use, ``ids`` the owners of what vendors store,
        ``owners`` the owners of files and batches; ``readers`` are the groups that see everyone's."""
        self.routes = routes
        self.router = router
        self.admission = admission
        self._attempts = Attempts(router, admission)
        self._authenticator = authenticator
        self._answers = answers
        self._ids = ids
        self._files = FileCalls(routes, router, admission, owners, readers)
        self._owners = owners

    async def enter(self, lines: HeaderLines, address: str, loop: ServerLoop, *, is_vital: bool = False) -> Identity:
        """Counts a request of any kind, then identifies its sender. Raises ClientError; not if the store cannot count a
        request that ``is_vital``."""
        try:
            await self.admission.calls.admit(address, loop)
        except Overloaded:
            if not is_vital:
                raise
        return await identify(self._authenticator, lines, loop.wait)

    def begin(self, call: Call) -> CallState:
        return CallState(call, self._answers(call))

    def admit(self, state: CallState) -> None:
        """Plans the call's route and reserves what it may spend. Raises ClientError; then nothing is held."""
        call = state.call
        if call.operation.names_model:
            seen = self.routes.seen_by(call.identity)
            found = seen.find(call.model, any_id=FORMS[call.form].any_id)
            model = seen.able(found, call.operation.endpoint)
            plan = self.router.plan(call, model)
            if log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "candidates", extra={"fields": {"id": call.id, "model": model.name, **self.router.log_fields(plan)}}
                )
            self._attempts.take_early(state, plan)
        elif call.operation.relay == "raw":
            route = self.routes.raw_provider(call.model.partition("/")[0], call.path, call.identity)
            self.admission.check_uncounted(call, route.provider)
            self._attempts.take_early(state, self.router.plan(call, Model(route.name, (route,))))
        elif call.operation.relay == "stored" and self._kept_id(state) is None:
            self._plan_stored(state, may_wait=False)

    def _plan_stored(self, state: CallState, *, may_wait: bool) -> None:
        """Plans a call about what a vendor stores, which only one provider has; without ``may_wait`` not if that takes
        a lookup. Raises ClientError."""
        call = state.call
        provider = call.headers.get(STORED_PROVIDER, "")
        storing = self.routes.seen_by(call.identity).storing(call.dialect)
        if not provider and len(storing) > 1 and DIALECTS[call.dialect].vendor_ids(call.path, {}):
            if not may_wait:
                return
            provider = maker(call, storing.values(), self._ids(call))
        if not storing:
            raise NotFound("no available model has a vendor that stores answers")
        route = named(provider, storing, "stores answers") if provider else only(storing)
        self._attempts.take_early(state, self.router.plan(call, Model(route.name, (route,))))

    def _kept_id(self, state: CallState) -> str | None:
        """The id of the answer that a call is about, if Nexus may have stored it; else None, and a vendor may have
        it."""
        return None if state.answers is None else DIALECTS[state.call.dialect].kept_id(state.call.path)

    def _kept(self, state: CallState) -> OpenedReply | None:
        """The reply about an answer that Nexus stored, or None. Raises ClientError."""
        call, answers, id = state.call, state.answers, self._kept_id(state)
        record = answers.find([id]).get(id) if id is not None and answers is not None else None
        if id is None or record is None or answers is None:
            return None
        if call.stream:
            raise InvalidRequest.about("stream", "a stored translated answer can only be fetched whole")
        body = encode(DIALECTS[call.dialect].read_kept(record, call.method, call.path))
        if call.method == "DELETE":
            answers.forget(id)
        return own_answer("", body)

    def release(self, state: CallState, error: NexusError) -> None:
        """Releases an admitted call for which there was no worker."""
        self._attempts.ended(state, error)

    def serve(self, state: CallState, sink: Sink) -> None:
        """Answers an admitted call. Every failure ends in ``sink.end``."""
        opened: OpenedReply | None = None
        state.taken = time.monotonic()
        try:
            opened = self._kept(state) if state.call.operation.relay == "stored" else None
            opened = opened or self._open(state)
            self._relay(state, opened, sink)
            log_attempt(state, state.failure, "passed on")
            over = opened.whole and self.admission.knows_prices(state)
            if over:
                opened.reply.close()
            self._end(state, sink, None, over=over)
            if not over:
                drain(opened.reply)
        except NexusError as error:
            if state.plan is None or state.plan.error is not error:
                log_attempt(state, error, GIVEN_UP)
            self._end(state, sink, error)
        except Exception as error:
            log.exception("call failed", extra={"fields": {"id": state.call.id}})
            self._end(state, sink, stand_in(error))
        finally:
            if opened is not None:
                opened.reply.close()
            self.admission.await_prices(state)

    def _end(self, state: CallState, sink: Sink, error: NexusError | None, *, over: bool = False) -> None:
        """Settles before ending, so that the client's next call finds what this one gave back."""
        last = state.last
        if last is not None:
            last.end()
            # An attempt that failed before keeps its own error, also if the client left before the next one.
            last.error = last.error or error
        try:
            self._attempts.ended(state, error or state.failure)
            book(state, self.admission, self._ids)
        except Exception:
            # The client would wait for ever.
            log.exception("a call could not be settled", extra={"fields": {"id": state.call.id}})
        sink.end(None if error is not None and _passed_on(error, sink) else error, over=over)

    def _relay(self, state: CallState, opened: OpenedReply, sink: Sink) -> None:
        cancel, count = state.call.cancel, _counter(state.last)
        state.waited_at_head = state.waited
        count(opened.first)
        published = sink.publish(opened.head, opened.first, whole=opened.whole)
        state.forget(translates=opened.translates)
        if not published:
            cancel.check()
            if not opened.head.stream:
                # The loop has already sent the head of an event stream.
                raise ProtocolError(
                    f"{opened.provider} answered a streaming call without a stream", provider=opened.provider
                )
            sink.put(opened.first)
        for piece in opened.pieces:
            if not sink.put(piece):
                raise cancel.reason or Cancelled("the client disconnected")
            count(piece)

    def _open(self, state: CallState) -> OpenedReply:
        if state.call.operation.relay == "files":
            by_file = self._files.plan(state)
            self._attempts.take_early(state, by_file)
            return self._attempts.open(state, by_file)
        if state.plan is None:
            # Nexus did not store it, so a vendor may have it.
            self._plan_stored(state, may_wait=True)
        plan = state.plan
        assert plan is not None, "a call that may wait is planned or rejected"
        self._attempts.refuse(state, plan, pin(state, plan, self._ids(state.call)))
        self._attempts.refuse(state, plan, strangers_files(state.call, plan, self._owners))
        return self._attempts.open(state, plan)


def _passed_on(error: NexusError, sink: Sink) -> bool:
    """Passes on the last attempt's error as the vendor sent it, if that is in the client's dialect; returns whether it
    did."""
    if not isinstance(error, VendorError) or not error.failure.verbatim:
        return False
    headers, body = error.failure.headers, error.failure.verbatim
    stream = headers.get("content-type", "").startswith("text/event-stream")
    return sink.publish(Head(200, headers, stream), body) or (stream and sink.put(body))


def _counter(attempt: Attempt | None) -> Callable[[bytes], None]:
    """A function that counts what is passed on of an attempt's answer; answers stored by Nexus have no attempt."""

    def count(piece: bytes) -> None:
        if attempt is not None:
            if attempt.first_content is None:
                attempt.phase, attempt.first_content = "content", time.monotonic()
            attempt.streamed += _events(piece) if attempt.call.stream else 1

    return count


def _events(piece: bytes) -> int:
    """The number of events in a piece of a stream; an error as a whole body counts as one."""
    return max(1, piece.count(b"data:"), piece.count(b":event-type"), piece.count(b'"candidates"'))


async def identify(
    authenticator: Authenticator, lines: HeaderLines, wait: Callable[[Future[None]], Awaitable[None]]
) -> Identity:
    """Identifies the sender. Raises ClientError. Waits only while the identity provider's keys are being fetched."""
    identity = authenticator.authenticate(lines)
    if isinstance(identity, Pending):
        await wait(identity.fetched)
        identity = authenticator.authenticate(lines, last=True)
    assert not isinstance(identity, Pending), "with last=True an authenticator never returns Pending"
    return identity
