"""What a fake upstream is told to do with one request.

A value, nothing else. Every field left alone means "like a healthy vendor"; fields combine, and the order in
which they take effect is the order in which they stand here.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from tools.fake_upstream.parts import FALLBACK_TOOL, Call, Part, Text, Thinking

Garbage = Literal["http", "json", "sse", "crc"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One answer.

    "After N events" counts the frames of a streamed answer. For an answer that is not streamed, ``cut_after`` and
    ``reset_after`` count bytes of the body instead, which then promises more than it delivers. Every wait watches
    the socket: a peer that leaves is noticed at once.
    """

    # Before the head.
    hang: bool = False  # never answer; wait until the peer goes
    delay: float = 0.0
    close_before_head: bool = False  # FIN instead of an answer
    reset_after: int | None = None  # RST after N events; 0 is before the head
    # Not HTTP at all; 200 with broken JSON; 200 with a broken event stream; the last byte of the stream's first delta
    # changed, which on bedrock belongs to its checksum.
    garbage: Garbage | None = None

    # The head. ``headers`` replace the generated header of the same name.
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = True  # False: a stream is delimited by the end of the connection
    gzip: bool = False  # compress the body, whatever the client accepts

    # The body. ``body`` and ``events`` are literal; the rest is for generated ones.
    body: bytes | None = None
    events: tuple[bytes, ...] | None = None
    text: str = "Hello from the fake upstream."
    thinking: str = ""  # signed, before the text; openai: ``reasoning_content``, as the compatible servers have it
    tool_call: bool = False  # call the first tool of the request instead of saying ``text``
    tool_arguments: str = '{"city": "Paris"}'
    tool_calls: tuple[tuple[str, str], ...] = ()  # (name, arguments as JSON): parallel calls, instead of ``text`` too
    parts: tuple[Part, ...] | None = None  # literal parts in this order, instead of all of the above
    interleaved: bool = False  # openai, Converse: the arguments of parallel calls are streamed in turns
    call_ids: bool = True  # google: function calls have ids
    stop_reason: str | None = None  # in the vendor's own words
    stop_sequence: str | None = None  # anthropic, Converse: the one that was hit
    block_reason: str | None = None  # google: ``promptFeedback`` instead of an answer
    message: str | None = None  # of the error body when ``status`` is one
    error_type: str | None = None  # google: the status, such as RESOURCE_EXHAUSTED; bedrock: the exception
    error_code: str | None = None  # openai: the code; google: the reason of ErrorInfo, or a quota's id when 429
    error_param: str | None = None  # openai: the field that the error blames
    retry_delay: float | None = None  # google: RetryInfo
    token_lifetime: int = 3600  # vertex: seconds, of the access token that is given out

    # Token counts are disjoint here; each vendor adds them up in its own way.
    input_tokens: int = 11
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 6
    reasoning_tokens: int = 0  # part of ``output_tokens``

    # The pace of a stream. ``hold`` also holds an answer that is not streamed, before its head.
    hold: threading.Event | None = None
    steps: tuple[threading.Event, ...] = ()  # one that each of the first events of a stream waits for
    first_event_delay: float = 0.0
    event_delay: float = 0.0
    only_before: int | None = None  # ``event_delay`` comes before this event alone, counted from 0
    piece_size: int | None = None  # re-cut the stream's bytes into chunks of this size, across frames
    endless: bool = False  # repeat the first delta until the peer goes

    # How a stream ends.
    end_after: int | None = None  # the HTTP body ends properly, the event stream early
    error_after: int | None = None  # the vendor's in-band error event, then a proper end
    cut_after: int | None = None  # FIN in the middle of the HTTP body
    close_after: bool = False  # a complete answer, then FIN, without having announced it

    @property
    def is_whole(self) -> bool:
        """Whether the answer is one, and all of it, as the vendor means it."""
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
