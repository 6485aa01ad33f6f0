"""A call in progress: its attempts so far, each with its own state, and their overall result.

Law: written by one thread at a time: the loop before and after a worker has the call, the worker in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from nexus.accounting.record import Charge, KeyClass, Outcome, outcome_of
from nexus.call import Call
from nexus.cancel import Cancel
from nexus.conversation.usage import Usage, parts_of
from nexus.dataclasses import dataclass, field, replace
from nexus.errors import Cancelled, ErrorAnswer, NexusError, UpstreamStatus, UpstreamTimeout
from nexus.headers.tracing import REQUEST_ID, CallTrace, new_span_id
from nexus.protocols.answer_relay import Tap
from nexus.protocols.error_words import decode_error, error_words
from nexus.wire import encode

if TYPE_CHECKING:
    from nexus.limits.reservation import Reservation
    from nexus.protocols.codec import ReadRequest
    from nexus.provider.route import Route
    from nexus.relay.candidate import Candidate, Plan
    from nexus.relay.file_call import Booked, FileCall
    from nexus.response_store.responses import Answers
    from nexus.response_store.vendor_ids import VendorIds

Phase = Literal["prepared", "sent", "answered", "content"]
"""How far an attempt got: nothing sent, request sent, head received, content passed on."""

LONGEST_TRIED = 1000
"""Approximate maximum length of the header that lists all attempts; the first and the last are always in it."""


@dataclass(slots=True)
class Attempt:
    """One attempt at a call. ``number`` counts from 1, ``dropped`` names what request and answer lost, ``status`` is
    the vendor's, ``streamed`` is the number of answer events passed on; ``error`` is None while in flight and on
    success. ``on_begun`` is called once, when the model begins a streamed answer, thinking included. Times are
    monotonic seconds.
    """

    state: CallState = field(repr=False)
    candidate: Candidate
    number: int
    cancel: Cancel = field(repr=False)
    route: Route = field(init=False)
    phase: Phase = "prepared"
    tap: Tap = field(default_factory=Tap)
    dropped: list[str] = field(default_factory=list)
    streamed: int = 0
    error: NexusError | None = None
    key: KeyClass | None = None
    status: int | None = None
    on_begun: Callable[[], None] = field(default=lambda: None, repr=False)
    began: float = field(default_factory=time.monotonic)
    first_content: float | None = None
    ended: float | None = None
    span_id: str = ""

    def __post_init__(self) -> None:
        self.route = self.candidate.route

    @property
    def correlation(self) -> dict[str, str]:
        """Headers that let the vendor's logs and traces be correlated with ours."""
        call, trace = self.call, self.state.trace
        if trace is not None:
            context = trace.headers(self.span_id)
        else:
            context = call.context.headers if call.context is not None else {}
        return {REQUEST_ID: call.request_id or call.id, **context}

    @property
    def call(self) -> Call:
        return self.state.call

    def fail(self, error: NexusError) -> None:
        """Keeps the error that an attempt ended with, once it is no longer raised."""
        # Its frames hold the call, which holds the error: break the cycle, so that a large body need not wait for the
        # collector.
        self.error = error.with_traceback(None)
        error.__cause__ = error.__context__ = None
        self.end()

    def end(self) -> None:
        self.ended = self.ended or time.monotonic()

    @property
    def vendor_status(self) -> int | None:
        """The vendor's status; for an error inside a successful response, the status that the error stands for."""
        return self.error.status if isinstance(self.error, ErrorAnswer) else self.status

    @property
    def outcome_text(self) -> str:
        """The outcome in one word: the vendor's status, or why there was none."""
        outcome = outcome_of(self.error)
        answered = outcome in (Outcome.OK, Outcome.VENDOR_ERROR, Outcome.IN_BAND_ERROR)
        return str(self.vendor_status) if answered and self.vendor_status is not None else outcome

    @property
    def usage(self) -> Usage | None:
        """What the vendor reported; None if it reported no tokens at all."""
        usage = self.tap.usage
        return usage if usage is not None and any(parts_of(usage)) else None

    @property
    def may_be_billed(self) -> bool:
        """Whether the vendor may charge for the input: it began a successful answer, or was working when Nexus gave
        up."""
        match self.error:
            case Cancelled():
                return self.phase != "prepared"
            case UpstreamTimeout(phase="first byte" | "patience" | "deadline"):
                return self.phase != "prepared"
            case _:
                # One of several requests may have been answered before another failed.
                return (self.status is not None and self.status < 300) or self.usage is not None

    def again(self) -> Attempt:
        return self.state.begin(self.candidate, self.cancel)


LONGEST_ERROR = 16 * 1024
"""Maximum length of a vendor's error once the call is over."""


def _shorten(error: NexusError) -> None:
    """Frees all but the beginning of a vendor's error: records wait in queues, and only its first words are logged."""
    error.message = error.message[:LONGEST_ERROR]
    if isinstance(error, UpstreamStatus) and len(error.body) > LONGEST_ERROR:
        words = error_words(decode_error(error.body), error.body)
        error.body = encode({"error": {"message": words[:LONGEST_ERROR]}})
    if isinstance(error, ErrorAnswer):
        error.failure = replace(error.failure, message=error.failure.message[:LONGEST_ERROR], verbatim=b"")


@dataclass(slots=True)
class CallState:
    """The state of a call. ``reading`` is filled when the call is first needed in neutral form, ``answers`` are earlier
    ones that it may refer to, None if none are stored; ``vendor_ids`` is None if the owners of ids are not stored,
    ``pinned`` says that they are for the choice of an account, because there are several, ``resolves`` that the request
    refers only to answers that the gateway stores, which no vendor can look up, ``remembered`` are the ids that were
    stored. ``reservation`` is for the attempts from ``held_from`` on, ``charges`` are what budgets were charged so far.
    ``file_call`` is the state of a call about files or batches, ``booked`` the usage of batch requests. ``skipped`` are
    targets that were not tried, each with the number of attempts before it.
    ``status`` and ``error`` are what the client got.

    Times are monotonic seconds: ``taken`` is when a worker took the call, ``first_byte`` when the client got its
    answer; ``waited`` is the time a worker spent waiting for others, ``waited_at_head`` its value when the answer
    began; ``read_at`` is when something last came from a vendor.
    """

    call: Call
    answers: Answers | None = field(default=None, repr=False)
    vendor_ids: VendorIds | None = field(default=None, repr=False)
    pinned: bool = False
    resolves: bool = False
    remembered: set[str] = field(default_factory=set, repr=False)
    route: Route | None = None
    plan: Plan | None = field(default=None, repr=False)
    reservation: Reservation | None = None
    charges: list[Charge] = field(default_factory=list)
    file_call: FileCall | None = field(default=None, repr=False)
    booked: tuple[Booked, ...] = ()
    held_from: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    reading: ReadRequest | None = field(default=None, repr=False)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    status: int | None = None
    error: NexusError | None = None
    taken: float | None = None
    trace: CallTrace | None = None
    first_byte: float | None = None
    waited: float = 0.0
    read_at: float = 0.0
    waited_at_head: float = 0.0
    _none: Tap = field(default_factory=Tap, repr=False)

    def forget(self, *, translates: bool) -> None:
        """Frees the request, because its answer has begun. A passed document keeps its switches. A translated one stays
        whole, because errors and the stored answer name its fields.
        """
        if translates:
            self.call = self.call.sent()
            return
        self.call, self.reading = self.call.forgotten(), None
        if self.file_call is not None:
            self.file_call.forget()
        self.call.free_body()

    def part(self) -> None:
        """The call is over and recorded: breaks the cycles that would keep it, and its request, until the collector
        runs."""
        self.reservation = None
        for attempt in self.attempts:
            del attempt.state
            if attempt.error is not None:
                _shorten(attempt.error)

    def begin(self, candidate: Candidate, cancel: Cancel | None = None) -> Attempt:
        """Begins the next attempt. ``cancel`` ends only the attempt; the call's own cancel ends it too."""
        attempt = Attempt(self, candidate, len(self.attempts) + 1, cancel or self.call.cancel)
        if self.trace is not None:
            attempt.span_id = new_span_id()
        self.attempts.append(attempt)
        return attempt

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def tap(self) -> Tap:
        """The tap of the attempt whose answer the client gets."""
        return self.attempts[-1].tap if self.attempts else self._none

    @property
    def usage(self) -> Usage | None:
        """What was reported for that answer."""
        return self.attempts[-1].usage if self.attempts else None

    @property
    def dropped(self) -> list[str]:
        return self.attempts[-1].dropped if self.attempts else []

    @property
    def streamed(self) -> int:
        return self.attempts[-1].streamed if self.attempts else 0

    @property
    def failure(self) -> NexusError | None:
        """The call's error, including one that reached the client in the vendor's own bytes."""
        return self.error or (self.attempts[-1].error if self.attempts else None)

    @property
    def tried(self) -> str:
        """Each attempt, by the configured name of its model, with its outcome, and the skipped targets; "" if there was
        only one attempt.
        """
        if len(self.attempts) + len(self.skipped) < 2:
            return ""
        tried: list[str] = []
        for number, attempt in enumerate(self.attempts):
            tried += [text for before, text in self.skipped if before == number]
            tried.append(f"{attempt.route.name}={attempt.outcome_text}")
        tried += [text for before, text in self.skipped if before >= len(self.attempts)]
        whole, last = ", ".join(tried), tried[-1]
        if len(whole) <= LONGEST_TRIED:
            return whole
        return f"{whole[: LONGEST_TRIED - len(last)].rpartition(', ')[0]}, ..., {last}"

    def mark_first_byte(self) -> None:
        if self.first_byte is None:
            self.first_byte = time.monotonic()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time inside as waiting for others."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.waited += time.monotonic() - began
