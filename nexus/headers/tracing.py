"""Correlation of a call with other systems' traces and logs: the caller's request id and W3C trace context.

Values from clients are validated here before they are logged or forwarded; invalid ones are ignored. Source: W3C Trace
Context, level 2.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from nexus.dataclasses import dataclass, field
from nexus.late import pattern

REQUEST_ID = "x-request-id"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

CORRELATION = frozenset({REQUEST_ID, TRACEPARENT, TRACESTATE})

LONGEST_STATE = 512

_ID = pattern(r"[A-Za-z0-9][A-Za-z0-9._:/+=@~-]{0,127}")
"""Allows no characters that need quoting or that could split a log line into more fields."""

_PARENT = pattern(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-[\x21-\x7e]{1,200})?")

_SAMPLED = 0x01


def request_id(headers: Mapping[str, str]) -> str | None:
    """The caller's own request id, or None if it sent none or an invalid one."""
    value = headers.get(REQUEST_ID, "")
    return value if _ID.fullmatch(value) else None


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The caller's span as received; ``trace_id`` is 32 and ``span_id`` 16 hexadecimal digits."""

    traceparent: str
    tracestate: str
    trace_id: str
    span_id: str
    sampled: bool

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> TraceContext | None:
        """The trace context, or None without a valid traceparent, in which case tracestate is ignored too."""
        value = headers.get(TRACEPARENT, "").strip()
        match = _PARENT.fullmatch(value)
        if match is None or match[1] == "ff" or (match[1] == "00" and len(value) != 55):
            return None
        if not match[2].strip("0") or not match[3].strip("0"):
            return None
        state = headers.get(TRACESTATE, "").strip()
        readable = state.isascii() and state.isprintable() and len(state) <= LONGEST_STATE
        return cls(value, state if readable else "", match[2], match[3], bool(int(match[4], 16) & _SAMPLED))

    @property
    def headers(self) -> dict[str, str]:
        return {TRACEPARENT: self.traceparent, **({TRACESTATE: self.tracestate} if self.tracestate else {})}


def new_trace_id() -> str:
    return f"{secrets.randbits(128) or 1:032x}"


def new_span_id() -> str:
    return f"{secrets.randbits(64) or 1:016x}"


@dataclass(slots=True)
class CallTrace:
    """Our span of a call, created when the call arrives and exported when it ends, if ``sampled``.

    ``method`` and ``route`` describe the request, without parts of the path that the caller chose. ``attributes``
    are the span's, about the request. ``content`` holds prompt and answer, or None if they are not recorded.
    """

    trace_id: str
    span_id: str
    parent: TraceContext | None
    sampled: bool
    method: str = ""
    route: str = ""
    attributes: dict[str, str | int | float] = field(default_factory=dict, repr=False)
    content: Content | None = None

    def headers(self, span_id: str) -> dict[str, str]:
        """The trace context headers for the vendor; ``span_id`` is our span of the attempt."""
        state = self.parent.tracestate if self.parent is not None else ""
        parent = f"00-{self.trace_id}-{span_id}-{int(self.sampled):02x}"
        return {TRACEPARENT: parent, **({TRACESTATE: state} if state else {})}


@dataclass(slots=True)
class Content:
    """Prompt and answer in the client's dialect, at most ``room`` bytes each."""

    room: int
    request: bytes = field(default=b"", repr=False)
    answer: bytearray = field(default_factory=bytearray, repr=False)

    def keep_request(self, body: bytes) -> None:
        self.request = body[: self.room]

    def add_answer(self, piece: bytes) -> None:
        self.answer += piece[: self.room - len(self.answer)]
