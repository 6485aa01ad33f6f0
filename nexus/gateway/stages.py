"""The stages of a call in order: route on the loop, then attempts and relay on a worker.

Law: ``admit`` is pure and quick and runs on the loop; ``serve`` blocks and runs on a worker thread. No Tornado, no
asyncio. Until the head is published another attempt may be made, always from the original request; after it, never.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from nexus.call import Answers, Call, VendorIds
from nexus.errors import Cancelled, InternalError, InvalidRequest, NexusError, ProtocolError
from nexus.gateway.admission import Admission
from nexus.gateway.routing import Routes
from nexus.headers.forwarding import STORED_PROVIDER
from nexus.piecewise import LARGE
from nexus.protocols.clients import DIALECTS
from nexus.provider import Route
from nexus.relay.attempt import Head, OpenedReply, drain, open_answer
from nexus.relay.lanes import passes
from nexus.relay.reading import refers
from nexus.settings.provider import Retries
from nexus.telemetry.causes import log_attempt
from nexus.upstream.request import LocalReply
from nexus.wire import encode

log = logging.getLogger("nexus.gateway")


class Sink(Protocol):
    """Where an answer goes: the worker's side of a bridge channel."""

    @property
    def committed(self) -> bool: ...

    def publish(self, head: Head, first: bytes) -> bool: ...

    def put(self, piece: bytes) -> bool: ...

    def end(self, error: Exception | None = None) -> None: ...


AnswersOf = Callable[[Call], Answers | None]
IdsOf = Callable[[Call], VendorIds | None]


def _none_kept(call: Call) -> None:
    return None


class Gateway:
    def __init__(
        self, routes: Routes, admission: Admission, answers: AnswersOf = _none_kept, ids: IdsOf = _none_kept
    ) -> None:
        """``answers`` gives what a call may know of earlier ones, ``ids`` whose those are that vendors keep."""
        self.routes = routes
        self.admission = admission
        self._answers = answers
        self._ids = ids

    def admit(self, call: Call) -> None:
        """Finds the call's route and holds what it may spend. Raises ClientError; then nothing is held."""
        call.answers = self._answers(call)
        if call.action != "stored":
            call.route = self.routes.seen_by(call.identity).find(call.model)
        elif self._kept_id(call) is None:
            call.route = self._stored_provider(call)
        if not self._holds_later(call):
            self.admission.hold(call)

    def _holds_later(self, call: Call) -> bool:
        """Whether a worker has to: for a store that waits, and for what may be long to read."""
        return self.admission.blocks or len(call.body) > LARGE or refers(call)

    def _stored_provider(self, call: Call) -> Route:
        return self.routes.seen_by(call.identity).stored_provider(call.dialect, call.headers.get(STORED_PROVIDER, ""))

    def _kept_id(self, call: Call) -> str | None:
        """Of the answer that a call is about, where it may be one that is kept here; if not, a vendor may have it."""
        return None if call.answers is None else DIALECTS[call.dialect].kept_id(call.path)

    def _kept(self, call: Call) -> OpenedReply | None:
        """The reply about an answer that is kept here. Raises ClientError."""
        id = self._kept_id(call)
        record = call.answers.find([id]).get(id) if id is not None and call.answers is not None else None
        if id is None or record is None or call.answers is None:
            return None
        if call.stream:
            raise InvalidRequest("stream: an answer that was translated is kept whole, and fetched without stream")
        body = encode(DIALECTS[call.dialect].read_kept(record, call.method, call.path))
        if call.method == "DELETE":
            call.answers.forget(id)
        head = Head(200, {"content-type": "application/json"}, stream=False)
        return OpenedReply(head, "", body, iter(()), LocalReply(200, {}, ()))

    def release(self, call: Call, error: NexusError) -> None:
        """For a call that was admitted and found no worker."""
        self.admission.settle(call, error)

    def serve(self, call: Call, sink: Sink) -> None:
        """Answers an admitted call; every failure ends in ``sink.end``."""
        opened: OpenedReply | None = None
        try:
            if self._holds_later(call):
                self.admission.hold(call)
                call.cancel.check()
            opened = self._kept(call) if call.action == "stored" else None
            opened = opened or self._attempts(call, sink)
            self._relay(call, opened, sink)
            self._end(call, sink, None)
            drain(opened.reply)
        except NexusError as error:
            log_attempt(call, error, "given up")
            self._end(call, sink, error)
        except Exception:
            log.exception("call failed", extra={"fields": {"id": call.id}})
            self._end(call, sink, InternalError())
        finally:
            if opened is not None:
                opened.reply.close()

    def _end(self, call: Call, sink: Sink, error: NexusError | None) -> None:
        """Settles first: the client's next call already finds what this one gave back."""
        self.admission.settle(call, error)
        sink.end(error)

    def _relay(self, call: Call, opened: OpenedReply, sink: Sink) -> None:
        call.times.waited = call.times.upstream
        call.streamed += _events(opened.first)
        published = sink.publish(opened.head, opened.first)
        if not opened.translates:
            call.forget()
        if not published:
            call.cancel.check()
            if not opened.head.stream:
                # The loop's own head has already promised a stream of events.
                raise ProtocolError(
                    f"{opened.provider} answered a streaming call with a whole body", provider=opened.provider
                )
            sink.put(opened.first)
        for piece in opened.pieces:
            if not sink.put(piece):
                raise call.cancel.reason or Cancelled("the client left")
            call.streamed += _events(piece)

    def _attempts(self, call: Call, sink: Sink) -> OpenedReply:
        if call.route is None:
            call.route = self._stored_provider(call)
        self._check_ids(call, call.route)
        return _retrying(call.route.provider.settings.retries, call, sink)(self._attempt, call, call.route)

    def _check_ids(self, call: Call, route: Route) -> None:
        """Raises NotFound where a call names what a vendor keeps for somebody else."""
        call.vendor_ids = self._ids(call) if passes(call, route) else None
        if call.vendor_ids is None:
            return
        if route.provider.own_key(call.own_headers, call.dialect) is not None:
            # The vendor tells callers with keys of their own apart.
            call.vendor_ids = None
            return
        call.vendor_ids.check(route.provider.name, DIALECTS[call.dialect].vendor_ids(call.path, call.document))

    def _attempt(self, call: Call, route: Route) -> OpenedReply:
        call.attempts += 1
        return open_answer(call, route)


def _events(piece: bytes) -> int:
    """How many events a piece holds; a whole body counts as one."""
    return max(1, piece.count(b"data:"))


def _retrying(policy: Retries, call: Call, sink: Sink) -> Retrying:
    """Exponential back-off with full jitter; ends at once when the client leaves or a head has gone out."""
    backoff = wait_random_exponential(multiplier=policy.base_delay, max=policy.max_delay)

    def worth_it(error: BaseException) -> bool:
        if sink.committed or call.cancel.reason is not None or not getattr(error, "retryable", False):
            return False
        # Coming back earlier than the vendor asked would be refused again.
        asked = getattr(error, "retry_after", None)
        return asked is None or asked <= policy.max_delay

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        return asked if asked is not None else backoff(state)

    return Retrying(
        stop=stop_after_attempt(policy.attempts),
        retry=retry_if_exception(worth_it),
        wait=wait,
        sleep=_sleeper(call),
        before_sleep=partial(_tell, call),
        reraise=True,
    )


def _tell(call: Call, state: RetryCallState) -> None:
    seconds = state.next_action.sleep if state.next_action else 0.0
    log_attempt(call, state.outcome.exception() if state.outcome else None, f"again in {seconds:.1f} s")


def _sleeper(call: Call) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        began = time.monotonic()
        call.cancel.event.wait(seconds)
        call.times.upstream += time.monotonic() - began
        call.cancel.check()

    return sleep
