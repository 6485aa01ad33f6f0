"""A finished call as plain values, for recent activity in memory: who called, the outcome, and a line to display.

Can be marshalled. Never contains a prompt, a reply or a key; texts of clients and vendors are truncated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nexus.accounting.record import AttemptRecord, CallRecord, Outcome, milliseconds, reason
from nexus.auth.identity import Who
from nexus.conversation.usage import PARTS, parts_of

LONGEST = 200
"""Maximum length of a name or of the reason for a failure."""

Attempted = tuple[str, bool, int | None, tuple[int, ...], float | None]
"""Route, success, cost in nano-dollars, tokens by part, milliseconds to first content."""

Finished = tuple[Who | None, str, float | None, tuple[Attempted, ...], dict[str, Any] | None]
"""Caller, the call's outcome, the gateway's own milliseconds, the attempts, and the line if it is to be displayed."""

NO_TOKENS = (0,) * len(PARTS)


CALLS = 20
"""Number of last calls to display, of everyone and of each caller."""


def finished_calls(records: Sequence[CallRecord]) -> list[Finished]:
    """The calls of a batch, each with a line unless its caller has CALLS later ones in it."""
    later: Counter[Who | None] = Counter()
    calls: list[Finished] = []
    for record in reversed(records):
        who = who_of(record)
        calls.append(_finished(record, who, is_shown=later[who] < CALLS))
        later[who] += 1
    return calls[::-1]


def _finished(record: CallRecord, who: Who | None, *, is_shown: bool) -> Finished:
    attempts = tuple(map(_attempted, record.attempts))
    line = _line(record, attempts) if is_shown else None
    return who, str(record.outcome), milliseconds(record.own), attempts, line


def who_of(record: CallRecord) -> Who | None:
    """The caller, or None if callers are not identified."""
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
