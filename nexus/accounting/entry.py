"""One row of the ledger: an attempt at a call, or a call that no attempt was made for.

Names, numbers and the vendor's own counts; never a prompt, a reply or a key.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Literal

from nexus.dataclasses import dataclass

TokensKnown = Literal["yes", "partly", "no"]
"""Whether the vendor said what the attempt used: in full, in part (the answer was cut, or some of it was estimated), or
not at all. "yes" where it used nothing: it never got the request, or refused it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``attempt`` counts from 1, 0 where none was made; ``last`` marks the one that the call ended with. ``at`` is when
    the call came, in Unix seconds; times are in milliseconds, from then: until a worker had the call, until the attempt
    began, until its first content, until its end. ``own`` is the gateway's own, of the whole call.

    ``caller`` is who called, ``key`` the name of the gateway key. ``model`` is the name asked for, ``request_model``
    what the vendor was asked for, ``response_model`` what it answered as, ``route`` the configured name. ``key_class``
    is whose vendor key was used: "configured", "caller", or "" where none was. ``tags`` is canonical JSON of the
    allow-listed tags. ``request_id`` is the caller's own name for the call, ``trace`` the id of its trace.

    ``status`` is the vendor's, of a call without attempts the client's; ``outcome`` is the attempt's, ``call_outcome``
    what the client got of the whole; ``timeout`` says what took too long, ``error`` is the kind of what went wrong.
    Token parts are disjoint. ``cost`` is in nano-dollars, None where no price is known; ``price_source`` says where the
    price is from.
    """

    call_id: str
    attempt: int
    last: bool
    at: float
    caller: str = ""
    group: str = ""
    key: str = ""
    session: str = ""
    agent: str = ""
    request_class: str = ""
    user_agent: str = ""
    request_id: str = ""
    trace: str = ""
    tags: str = "{}"
    protocol: str = ""
    operation: str = ""
    model: str = ""
    request_model: str = ""
    response_model: str = ""
    route: str = ""
    key_class: str = ""
    stream: bool = False
    status: int | None = None
    outcome: str = ""
    call_outcome: str = ""
    timeout: str = ""
    error: str = ""
    stop: str = ""
    queue_ms: float | None = None
    began_ms: float | None = None
    first_ms: float | None = None
    total_ms: float | None = None
    own_ms: float | None = None
    tokens_known: TokensKnown = "no"
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    raw_usage: str = ""
    service_tier: str = ""
    cost: int | None = None
    price_source: str = ""
    dropped: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """What an attempt adds to one period of a budget, in nano-dollars."""

    budget: str
    subject: str
    period: str
    nano: int


def milliseconds(seconds: float | None) -> float | None:
    """As people and tables are told it."""
    return None if seconds is None else round(1000 * max(0.0, seconds), 1)


PARTS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning")
"""The disjoint parts of an attempt's tokens, as fields of a usage and of an entry, and columns of the tables."""

parts_of = attrgetter(*PARTS)
