"""What each failure leads to, in one table: a retry of the same candidate, another key, the next target, a cooldown.

Law: pure. Failures are classified by status and kind, never by message texts. The phase is part of a failure's name:
failures before anything is sent, before any content, and after content are different failures. ``final_error`` picks
the error for the client when nothing is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from nexus.call import Call
from nexus.dataclasses import dataclass
from nexus.errors import (
    UNSENT,
    Cancelled,
    ClientError,
    Draining,
    ErrorAnswer,
    InternalError,
    InvalidRequest,
    NexusError,
    ProtocolError,
    Unreachable,
    UnsupportedFeature,
    UpstreamTimeout,
)
from nexus.errors.failure import FailureKind, has_failed
from nexus.protocols.loader import DIALECTS
from nexus.relay.candidate import Plan, Skip

Failure = Literal[
    "not_expressible",
    "too_small",
    "over_limit",
    "no_room",
    "no_connection",
    "silence",
    "breakdown",
    "miswritten",
    "overloaded",
    "rate_limited",
    "key_refused",
    "key_forbidden",
    "callers_key",
    "missing",
    "not_here",
    "invalid",
    "too_long",
    "policy",
    "after_content",
    "over",
]
"""Nothing was sent: the target cannot express the request, its context is too small, a limit of ours or
``max_concurrency`` is reached, or it cannot be reached.

Sent, no content yet: nothing arrived in time, the vendor failed (408, 5xx, Bedrock's 424, a cut connection), rejects
what its own model wrote (Groq's 400), is overloaded (529, or an event that says so), rate-limits us, rejects the
configured key (401, 402, quota), forbids it the operation (403), rejects the caller's own key, does not know the model
or speaks no known protocol (404), does not have what the request names (403, 404), rejects the request as invalid (400,
413, 422), as too long, or for its content.

Content was passed on; or the call is over: the client disconnected, the gateway is stopping, the deadline has passed.
"""

Again = Literal["no", "at once", "after a pause"]
"""Whether the same candidate is retried: after a pause only if no other target is left."""

Next = Literal["yes", "no", "on_overflow"]
"""Whether another target is tried: any, none, or the one for long conversations."""

Cooldown = Literal["", "host", "model", "key", "key_model"]
"""What enters cooldown, or has a failure counted against it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after a failure. ``count``: only repeated failures start a cooldown; otherwise the first one does."""

    again: Again = "no"
    other_key: bool = False
    next: Next = "no"
    cooldown: Cooldown = ""
    count: bool = True


VERDICTS: Mapping[Failure, Verdict] = {
    "not_expressible": Verdict(next="yes"),
    "too_small": Verdict(next="yes"),
    "over_limit": Verdict(next="yes"),
    "no_room": Verdict(next="yes"),
    "no_connection": Verdict(again="at once", next="yes", cooldown="host"),
    # The vendor may bill it all the same, so it is never sent twice.
    "silence": Verdict(next="yes", cooldown="model"),
    "breakdown": Verdict(again="after a pause", next="yes", cooldown="model"),
    # The model is up, and answers other requests.
    "miswritten": Verdict(again="after a pause", next="yes"),
    "overloaded": Verdict(again="after a pause", next="yes", cooldown="model"),
    "rate_limited": Verdict(again="after a pause", other_key=True, next="yes", cooldown="key_model", count=False),
    "key_refused": Verdict(other_key=True, next="yes", cooldown="key", count=False),
    "key_forbidden": Verdict(other_key=True, next="yes", cooldown="key_model", count=False),
    "callers_key": Verdict(),
    "missing": Verdict(next="yes", cooldown="model"),
    # Another account may have it.
    "not_here": Verdict(other_key=True, next="yes"),
    "invalid": Verdict(),
    "too_long": Verdict(next="on_overflow"),
    # Nexus does not look for a laxer vendor.
    "policy": Verdict(),
    # The client gets the error: a second answer must not continue the first.
    "after_content": Verdict(cooldown="model"),
    "over": Verdict(),
}


DOUBTFUL = frozenset({"silence", "breakdown", "miswritten"})
"""Failures after which the vendor may have carried out the request, unless it answers 503."""

_KINDS: Mapping[str, Failure] = {
    "context_length": "too_long",
    "content_policy": "policy",
    "quota": "key_refused",
    "authentication": "key_refused",
    "permission": "key_forbidden",
    "rate_limit": "rate_limited",
    "overloaded": "overloaded",
    "timeout": "breakdown",
    "model_not_found": "missing",
    "not_found": "missing",
    "request_too_large": "invalid",
}
"""By the kind of a vendor's error; for other kinds the status decides."""

_STATUSES: Mapping[int, Failure] = {
    401: "key_refused",
    402: "key_refused",
    403: "key_forbidden",
    404: "missing",
    408: "breakdown",
    429: "rate_limited",
    529: "overloaded",
}


_GOOGLES_FILES = b"://generativelanguage.googleapis.com/"
"""Part of the URIs of files at the Gemini API, which clients of every dialect may send."""


def is_about_stored(error: NexusError, call: Call) -> bool:
    """Whether an error may be about something that the request names: if a file does not exist or is another
    account's, the vendor answers 403 or 404, and neither the key nor the model is at fault."""
    if not isinstance(error, ErrorAnswer) or error.status not in (403, 404) or not call.operation.writes:
        return False
    return _GOOGLES_FILES in call.body or DIALECTS[call.dialect].names_stored(call.path, call.document)


def failure_of(error: NexusError, *, own: bool) -> Failure:
    """Classifies the failure of an attempt before its first content. ``own``: the caller's own key was used."""
    match error:
        case UpstreamTimeout(phase="deadline") | Cancelled() | Draining():
            return "over"
        case UnsupportedFeature() | InvalidRequest():
            return "not_expressible"
        case ClientError() | InternalError():
            return "over"
        case UpstreamTimeout() | Unreachable() if error.phase in UNSENT:
            return "no_connection"
        case UpstreamTimeout():
            return "silence"
        case ProtocolError():
            return "missing"
        case ErrorAnswer() if error.failure.is_miswritten:
            return "miswritten"
        case ErrorAnswer():
            return _answered(error.failure.kind, error.status, own=own)
        case _:
            return "breakdown"


def _answered(kind: FailureKind, status: int, *, own: bool) -> Failure:
    usual: Failure = "breakdown" if has_failed(kind, status) else "invalid"
    failure = _KINDS.get(kind) or _STATUSES.get(status) or usual
    if own and kind != "quota" and status != 402 and failure in ("key_refused", "key_forbidden"):
        return "callers_key"
    return failure


def final_error(plan: Plan) -> NexusError:
    """The error for the client when every candidate was tried or skipped: the last vendor's error as it came, before
    any rejection of our own. Of rejections, a conversation that is too long comes first, because the client can shorten
    it, then what the first target could not express. Rejections that waiting helps are returned only if every target
    was skipped for one.
    """
    if plan.error is not None:
        return plan.error
    first = min(_ORDER[skip.failure] for skip in plan.skips)
    return _shortest_wait([skip for skip in plan.skips if _ORDER[skip.failure] == first])


_ORDER = {"too_small": 0, "not_expressible": 1, "no_room": 2, "over_limit": 2}
"""The order in which rejections of our own are returned."""


def _shortest_wait(skips: Sequence[Skip]) -> NexusError:
    """The error with the shortest ``retry_after``, or the first if none has one."""
    waits = [skip.error for skip in skips if skip.error.retry_after is not None]
    return min(waits, key=lambda error: error.retry_after or 0.0) if waits else skips[0].error
