"""Token counts: by the vendor if it can count, else an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nexus.conversation.estimate import estimate
from nexus.errors import ErrorAnswer, UpstreamError, VendorError
from nexus.errors.failure import VendorFailure
from nexus.headers import own
from nexus.protocols import loader
from nexus.protocols.answer_relay import Tap
from nexus.protocols.contract import Counter
from nexus.protocols.dialect import AnswerRelay, Dialect
from nexus.protocols.error_words import error_words
from nexus.protocols.loader import FORMS
from nexus.relay.answer import OpenedReply, own_answer
from nexus.relay.call_state import Attempt
from nexus.relay.lanes import Lane, clients_names, edited, fitted, request_for
from nexus.relay.reading import reading
from nexus.wire import Json, count, decode, encode, mapping

_NOT_COUNTED = frozenset({404, 405, 501})
"""Statuses of servers that cannot count tokens."""


def choose_count(attempt: Attempt) -> Lane | None:
    """The lane in which the vendor counts tokens itself; None if it does not."""
    call, route = attempt.call, attempt.route
    provider = route.provider
    dialects = provider.dialects_of(route.model, route.settings)
    if call.dialect in dialects and provider.counts_in(call.dialect) and not attempt.state.resolves:
        passed = edited(attempt)
        return Lane(request_for(attempt, passed.body), _count(attempt, None), False, passed.dropped)
    counting = next((dialect for dialect in (*dialects, *provider.also_counts_in) if provider.counts_in(dialect)), None)
    counter = None if counting is None else loader.vendor(counting).count
    if counting is None or counter is None:
        return None
    target = provider.target(counting, route.model, route.settings)
    read = reading(attempt.state)
    with clients_names(attempt, read.request):
        request, _ = fitted(read.request, target, call.model)
    with clients_names(attempt, request):
        body = encode(counter.write_count(request, target))
    return Lane(request_for(attempt, body, counting), _count(attempt, counter), True)


def _count(attempt: Attempt, counter: Counter | None) -> Count:
    return Count(attempt.tap, FORMS[attempt.call.form], counter.read_count if counter else None)


class Count(AnswerRelay):
    """The answer to a token count request; the client's own dialect passes as it is."""

    content_type: str | None = "application/json"

    def __init__(self, tap: Tap, dialect: Dialect, read: Callable[[Mapping[str, Json]], int] | None) -> None:
        super().__init__(tap)
        self._dialect = dialect
        self._read = read

    def body(self, raw: bytes) -> bytes:
        document = decode(raw)
        answer = mapping(document)
        self.complete = True
        if not any(name in answer for name in _COUNTED):
            words = error_words(document, raw) or "the vendor answered 200 without a count"
            raise VendorError(VendorFailure(words, "upstream", 502))
        # Claude on Bedrock may answer a request in the client's dialect in Amazon's, or the reverse.
        total = answer.get("inputTokens", answer.get("input_tokens"))
        read = None if "inputTokens" in answer else self._read
        counted = self._dialect.write_count(count(total) if read is None else read(answer))
        return raw if self._read is None and counted.keys() <= answer.keys() else encode(counted)


_COUNTED = ("input_tokens", "inputTokens", "totalTokens", "total_tokens")
"""The fields in which the dialects return a count."""


def cannot_count(error: UpstreamError, attempt: Attempt, lane: Lane | None) -> bool:
    if isinstance(error, VendorError) and error.failure.uncountable:
        return True
    if isinstance(error, ErrorAnswer) and error.status in _NOT_COUNTED:
        return True
    # The server answered in a dialect that it does not promise to support.
    route = attempt.route
    promised = route.provider.dialects_of(route.model, route.settings)
    return attempt.phase == "answered" and lane is not None and lane.request.dialect not in promised


def estimated(attempt: Attempt) -> OpenedReply:
    """For models without a token counter: an estimate, marked as one."""
    tokens = estimate(reading(attempt.state).request).total
    body = encode(FORMS[attempt.call.form].write_count(tokens))
    return own_answer(attempt.route.provider.name, body, {own.ESTIMATED: "true"})
