"""Instructions for a fake upstream's answer to one request.

A value only. The default of every field means "like a healthy vendor". Fields combine, and take effect in the order of
their definition.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from tools.fake_upstream.parts import FALLBACK_TOOL, Call, Part, Text, Thinking

Garbage = Literal["http", "json", "sse"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One answer.

    "After N events" counts the frames of a streamed answer. For an answer that is not streamed, ``cut_after`` and
    ``reset_after`` count bytes of the body instead, so that it is shorter than its content length. Every wait watches
    the socket and detects a disconnect immediately.
    """

    # Before the head.
    hang: bool = False  # never answer; wait until the peer disconnects
    delay: float = 0.0
    close_before_head: bool = False  # FIN instead of an answer
    reset_after: int | None = None  # RST after N events; 0 is before the head
    # Not HTTP; 200 with invalid JSON; 200 with an invalid event stream.
    garbage: Garbage | None = None

    # The head. ``headers`` replace the generated header of the same name.
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = True  # False: the end of the connection ends a stream

    # The body. ``body`` and ``events`` are sent as they are; the other fields are for a generated body.
    body: bytes | None = None
    events: tuple[bytes, ...] | None = None
    text: str = "Hello from the fake upstream."
    thinking: str = ""  # signed, before the text; openai: ``reasoning_content``, as compatible servers send it
    tool_call: bool = False  # call the first tool of the request instead of ``text``
    tool_arguments: str = '{"city": "Paris"}'
    tool_calls: tuple[tuple[str, str], ...] = ()  # (name, arguments as JSON): parallel calls, also instead of ``text``
    parts: tuple[Part, ...] | None = None  # these parts in this order, instead of all of the above
    stop_reason: str | None = None  # in the vendor's own terms
    block_reason: str | None = None  # google: ``promptFeedback`` instead of an answer
    message: str | None = None  # of the error body, if ``status`` is an error
    error_type: str | None = None  # google: the status, such as RESOURCE_EXHAUSTED; bedrock: the exception
    error_code: str | None = None  # openai: the code; google: the reason of ErrorInfo, or a quota id for a 429
    error_param: str | None = None  # openai: the field that the error names
    retry_delay: float | None = None  # google: RetryInfo
    token_lifetime: int = 3600  # vertex: seconds, of the issued access token

    # Token counts are disjoint here, except reasoning; each vendor adds them up in its own way.
    input_tokens: int = 11
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 6
    reasoning_tokens: int = 0  # part of ``output_tokens``

    # The pace of a stream. ``hold`` also delays an answer that is not streamed, before its head.
    hold: threading.Event | None = None
    steps: tuple[threading.Event, ...] = ()  # the first events of a stream wait for one each
    first_event_delay: float = 0.0
    event_delay: float = 0.0
    only_before: int | None = None  # ``event_delay`` applies only before this event, counted from 0
    piece_size: int | None = None  # re-cut the stream's bytes into chunks of this size, across frames
    endless: bool = False  # repeat the first delta until the peer disconnects

    # How a stream ends.
    end_after: int | None = None  # end the HTTP body properly but the event stream early
    error_after: int | None = None  # send the vendor's in-band error event, then end properly
    cut_after: int | None = None  # FIN in the middle of the HTTP body

    @property
    def is_whole(self) -> bool:
        """Whether the answer is a complete success, as a healthy vendor would send it."""
        broken = (
            self.reset_after,
            self.garbage,
            self.body,
            self.events,
            self.end_after,
            self.error_after,
            self.cut_after,
        )
        never = self.hang or self.endless or self.close_before_head
        return self.status < 300 and not never and all(one is None for one in broken)


def plan(behaviour: Behaviour, first_tool: str | None) -> list[Part]:
    """The parts that ``behaviour`` asks for, given the name of the request's first tool."""
    if behaviour.parts is not None:
        return list(behaviour.parts)
    parts: list[Part] = [Thinking(behaviour.thinking)] if behaviour.thinking else []
    if behaviour.tool_call:
        parts.append(Call(first_tool or FALLBACK_TOOL, behaviour.tool_arguments))
    parts += [Call(name, arguments) for name, arguments in behaviour.tool_calls]
    if not (behaviour.tool_call or behaviour.tool_calls):
        parts.append(Text(behaviour.text))
    return parts
