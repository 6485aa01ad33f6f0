"""A call that is over as plain values, for what is kept in memory: who, how it went, and its story for people.

Marshal can write it. Never a prompt, a reply or a key; everything that a client or a vendor said is shortened.
"""

from __future__ import annotations

from typing import Any

from nexus.accounting.record import AttemptRecord, CallRecord, Outcome, milliseconds, reason
from nexus.conversation.usage import PARTS, parts_of

LONGEST = 200
"""Characters of a name, or of the reason for a failure."""

Who = tuple[str, str]
"""A user and a gateway key, "" where it was none: whose calls somebody sees who does not see everybody's."""

Attempted = tuple[str, bool, int | None, tuple[int, ...], float | None]
"""Route, whether it went well, cost in nano-dollars, the parts of its tokens, milliseconds to the first content."""

Finished = tuple[Who | None, str, float | None, tuple[Attempted, ...], dict[str, Any]]
"""Who called, the call's outcome, the gateway's own milliseconds, its attempts, and what a line shows of it."""

NO_TOKENS = (0,) * len(PARTS)


def finished_of(record: CallRecord) -> Finished:
    attempts = tuple(map(_attempted, record.attempts))
    return who_of(record), str(record.outcome), milliseconds(record.own), attempts, _line(record, attempts)


def who_of(record: CallRecord) -> Who | None:
    """None where nobody is told apart."""
    identity = record.identity
    return None if identity is None or identity.client_id is None else (identity.client_id, identity.key or "")


def _attempted(attempt: AttemptRecord) -> Attempted:
    usage, first = attempt.usage, attempt.first_content
    tokens = NO_TOKENS if usage is None else parts_of(usage)
    first_ms = None if first is None else 1000 * (first - attempt.began)
    return attempt.route, attempt.outcome is Outcome.OK, attempt.cost, tokens, first_ms


def _line(record: CallRecord, attempts: tuple[Attempted, ...]) -> dict[str, Any]:
    costs = [cost for _, _, cost, _, _ in attempts if cost is not None]
    answer, error = record.answer, record.error
    return {
        "id": record.id,
        "at": record.at,
        "caller": _short((record.identity.client_id if record.identity is not None else None) or record.caller),
        "session": record.tags.session or "",
        "protocol": record.protocol,
        "operation": "" if record.operation is None else record.operation.action,
        "model": _short(record.model),
        "route": "" if answer is None else answer.route,
        "stream": record.stream,
        "status": record.status,
        "outcome": str(record.outcome),
        "why": "" if error is None else reason(error)[:LONGEST],
        "tried": record.tried,
        "dropped": ", ".join(record.dropped)[:LONGEST],
        "first_ms": milliseconds(record.first),
        "total_ms": milliseconds(record.total),
        "own_ms": milliseconds(record.own),
        "tokens": [sum(parts) for parts in zip(*(tokens for _, _, _, tokens, _ in attempts), strict=True)],
        "cost": sum(costs) if costs or not attempts else None,
    }


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
