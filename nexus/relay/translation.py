"""The translating lane: reads an answer in the vendor's dialect into neutral events and writes it in the client's.

No I/O. Every event passes one method, so that the tap, drops, renamed tools and the forced answer tool treat whole
answers and streams alike.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping

from nexus.accounting.record import LONGEST_NAME
from nexus.call import Call
from nexus.conversation.estimate import estimate, tokens_of
from nexus.conversation.events import (
    ContentDropped,
    Event,
    PartDelta,
    Ping,
    ResponseEnd,
    ResponseStart,
    UsageUpdate,
    has_content,
    starts_thinking,
)
from nexus.conversation.fold import fold, unfold
from nexus.conversation.parts import Request
from nexus.conversation.usage import Usage
from nexus.dataclasses import replace
from nexus.errors import VendorError
from nexus.errors.failure import VendorFailure
from nexus.models.chat_server import PLAIN, ChatServer
from nexus.protocols import loader
from nexus.protocols.codec import AnswerOrigin, Cut, Envelope, VendorRequest
from nexus.protocols.contract import AnswerStep, through
from nexus.protocols.cutter import Cutter
from nexus.protocols.dialect import AnswerRelay
from nexus.protocols.error_words import NO_ANSWER, error_words
from nexus.protocols.forced_answer import AnswerCall, ForcedAnswer
from nexus.protocols.renaming import NamesBack
from nexus.protocols.sse import Frame
from nexus.protocols.tidy import Fitted, Tidy
from nexus.relay.call_state import Attempt
from nexus.relay.empty_answer import RejectEmpty
from nexus.wire import Json, decode_leniently, encode

log = logging.getLogger("nexus.translation")


class Translation(AnswerRelay):
    """From a vendor's dialect to the client's, for one attempt."""

    def __init__(
        self,
        attempt: Attempt,
        request: Request,
        dialect: str,
        model: str,
        written: VendorRequest,
        server: ChatServer = PLAIN,
        *,
        may_be_empty: bool = True,
    ) -> None:
        """Unless the answer ``may_be_empty``, one without content raises EmptyAnswer."""
        super().__init__(attempt.tap)
        call = attempt.call
        self._attempt = attempt
        self._client, self._vendor = loader.client(call.dialect), loader.vendor(dialect)
        self._dialect = loader.DIALECTS[call.dialect]
        self._id = self._dialect.id_prefix + call.id.removeprefix("req_")
        origin = AnswerOrigin(request, self._id, model, lambda: f"call_{uuid.uuid4().hex[:24]}", server)
        self._origin = origin
        self._cutter = Cutter(written.cut, self._usage_when_cut) if written.cut != Cut() else None
        self._reported: Usage | None = None
        call_of_answer = AnswerCall(written.answer_call, origin.new_id) if written.answer_call else None
        self.unsure = not may_be_empty
        reject_empty = None if may_be_empty else RejectEmpty(attempt.route.provider.name)
        self._first = _present(reject_empty, Tidy(origin.new_id, request), self._cutter, call_of_answer)
        names = NamesBack(written.renaming) if written.renaming else None
        carrier = self._client.carrier(written.wants_thinking) if self._client.carrier is not None else None
        answer_tool = ForcedAnswer(written.answer_tool) if written.answer_tool else None
        self._last = _present(names, Fitted(self._client.room), carrier, answer_tool)
        # Whether deltas can skip ``_last``: the other steps of it pass them on unchanged.
        self._deltas_pass = names is None and (carrier is None or not carrier.thinking)
        self._reader = self._vendor.stream_reader(origin)
        self._envelope = Envelope(self._id, call.model, _now(), request, _now)
        self._writer = self._client.stream_writer(self._envelope)
        self.content_type = "text/event-stream; charset=utf-8" if call.stream else "application/json"

    @property
    def _call(self) -> Call:
        return self._attempt.call

    def with_clients_param(self, failure: VendorFailure) -> VendorFailure:
        """The failure with the client's name of the field that the vendor complains about."""
        if failure.param is None:
            return failure
        param = self._client.param_of(failure.param, self._vendor, self._call.document, self._origin.request)
        return replace(failure, param=param, vendor_param=failure.param)

    def body(self, raw: bytes) -> bytes:
        try:
            events = self._reader.read_whole(_answer_in(raw))
        except VendorError as error:
            raise VendorError(self.with_clients_param(error.failure)) from error
        self._attempt.dropped += (event.dropped for event in events if isinstance(event, ContentDropped))
        read = fold(events)
        self._reported = read.usage
        events = list(self._seen(unfold(read)))
        self.complete = True
        if self._call.stream:
            # The server ignored ``stream`` and sent a whole answer.
            return self._kept(b"".join(map(self._writer.write, events)))
        whole = self._client.write_response(fold(events), self._envelope)
        if self._call.operation.compacts and self._client.referring is not None:
            return encode(self._client.referring.write_compacted(self._call.document, whole))
        self._keep(whole)
        return encode(whole)

    def frame(self, frame: Frame) -> bytes:
        if frame.data is None:
            return frame.raw
        if self.cut or not (data := frame.data.strip()):
            return b""
        try:
            events = self._reader.feed(frame.event, data)
        except VendorError as error:
            raise VendorError(self.with_clients_param(error.failure)) from error
        written = self._write(events)
        self.ended = self._reader.complete
        self.cut = self._cutter is not None and self._cutter.cut
        return written

    def finish(self) -> bytes:
        return b"" if self.complete else self._write(self._reader.finish())

    def _write(self, events: Iterable[Event]) -> bytes:
        seen = self._seen(events)
        if not self.content:
            seen = iter(found := list(seen))
            self.content = any(map(has_content, found))
            self.begun = self.begun or self.content or any(map(starts_thinking, found))
        written = b"".join(map(self._written, seen))
        self.tap.events += written.count(b"\ndata:")
        return self._kept(written)

    def _kept(self, written: bytes) -> bytes:
        """Stores the whole answer before the client can see its end and refer to it."""
        if self.complete and self._writer.whole is not None:
            self._keep(self._writer.whole)
        return written

    def _written(self, event: Event) -> bytes:
        if isinstance(event, Ping):
            return self._dialect.keepalive(self._call.headers, self.tap.events)
        return self._writer.write(event)

    def _keep(self, answer: Mapping[str, Json]) -> None:
        reading, answers = self._attempt.state.reading, self._attempt.state.answers
        if answers is not None and reading is not None and reading.kept is not None:
            answers.keep(self._id, {"answer": answer, **reading.kept})

    def _usage_when_cut(self, size: int) -> Usage:
        """The usage that the vendor reported; an estimate for an answer that was cut before the vendor ended it."""
        if self._reported is not None:
            return self._reported
        reported = self.tap.usage
        if reported is not None and reported.total_input:
            return replace(reported, output=tokens_of(size), reasoning=0, vendor_total=None, estimated=True)
        return Usage(input=estimate(self._origin.request).total, output=tokens_of(size), estimated=True)

    def _seen(self, events: Iterable[Event]) -> Iterator[Event]:
        """The client's events in place of the vendor's."""
        for event in through(self._first, events):
            if self._deltas_pass and isinstance(event, PartDelta):
                yield event
                continue
            for last in through(self._last, (event,)):
                self._tap(last)
                yield last

    def _tap(self, event: Event) -> None:
        match event:
            case ResponseStart(model=model, usage=usage):
                self.tap.model, self.tap.usage = model or self.tap.model, usage
            case UsageUpdate(usage=usage):
                self.tap.usage = usage
            case ContentDropped(dropped=dropped):
                self._attempt.dropped.append(dropped)
            case ResponseEnd(stop=stop):
                self.complete = True
                self.tap.stop_reason = stop.raw or stop.reason
                if stop.reason == "unknown":
                    fields = {"id": self._call.id, "stop": (stop.raw or "")[:LONGEST_NAME]}
                    log.warning("unknown stop reason", extra={"fields": fields})


def _present(*steps: AnswerStep | None) -> list[AnswerStep]:
    return [step for step in steps if step is not None]


def _answer_in(raw: bytes) -> Mapping[str, Json]:
    """The object of a whole answer. Raises VendorError if there is none, ValueError for invalid JSON."""
    document = decode_leniently(raw) if raw.strip() else None
    if isinstance(document, list) and document:
        document = document[0]
    if isinstance(document, dict):
        return document
    words = error_words(document, raw) or NO_ANSWER
    raise VendorError(VendorFailure(words, "upstream", 502))


def _now() -> int:
    return int(time.time())
