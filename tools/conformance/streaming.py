"""C7: the gateway buffers nothing, relays pings and comments, and sends pings during silence.

No check depends on timing: the upstream sends its next event only after the client has seen the last one, so buffering
is always detected.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nexus.wire import Json
from tools.conformance import bodies
from tools.conformance.client import Stream
from tools.conformance.findings import Findings
from tools.conformance.fixture import BETA_QUERY, MESSAGES, Fixture, new_mark
from tools.fake_upstream import Behaviour

BANNER = "Claude Code shows that it waits after about 20 s and gives up after 300 s without a byte"


@dataclass(frozen=True, slots=True)
class Event:
    """``sign`` identifies the event at the client; ``alive`` marks events that only keep the stream alive."""

    name: str
    raw: bytes
    sign: bytes
    alive: bool = False


def event(kind: str, sign: str = "", **fields: Json) -> Event:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return Event(kind, f"event: {kind}\ndata: {data}\n\n".encode(), (sign or kind).encode(), kind == "ping")


def delta(words: str) -> Event:
    return event("content_block_delta", words, index=0, delta={"type": "text_delta", "text": f"{words} "})


STARTED: dict[str, Json] = {
    "id": "msg_conformance",
    "type": "message",
    "role": "assistant",
    "model": "claude-conformance",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 11, "output_tokens": 1},
}
OPENING = (
    event("message_start", message=STARTED),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
)
"""The start of an answer. A gateway may hold it until the first content, so that it can still try another target."""

CLOSING = (
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 6}),
    event("message_stop"),
)
ANSWER = (
    *OPENING,
    delta("first-piece"),
    event("ping", "upstream-ping", note="upstream-ping"),
    Event("a comment line", b": upstream-comment\n\n", b"upstream-comment", alive=True),
    delta("second-piece"),
    *CLOSING,
)
SILENT = (*OPENING, delta("before-the-silence"), *CLOSING)
EARLY, LATE = 0, len(OPENING) + 1
"""Indices of the events of ``SILENT`` before which the upstream is silent."""


def c07(fixture: Fixture, findings: Findings) -> None:
    if fixture.upstream is None:
        _from_outside(fixture, findings)
        return
    _step_by_step(fixture, findings)
    if fixture.silence:
        _silences(fixture, findings)
    else:
        findings.note("silence was not judged: --silence 0")


def _from_outside(fixture: Fixture, findings: Findings) -> None:
    body, betas = bodies.question(fixture.model, new_mark())
    answer = fixture.ask(body, bodies.headers(*betas))
    if findings.expect(answer.status == 200, "200", answer.brief):
        _is_event_stream(findings, answer.headers)
        findings.expect(b"message_stop" in answer.body, "a stream up to message_stop", repr(answer.body[-80:]))
    findings.needs("that nothing is buffered and pings come through")


def _step_by_step(fixture: Fixture, findings: Findings) -> None:
    with _streaming(fixture, ANSWER) as (stream, gates):
        for number, (sent, gate) in enumerate(zip(ANSWER, gates, strict=True)):
            pings = stream.pings
            gate.set()
            if sent in OPENING or stream.wait(stream.has(sent.sign), fixture.patience):
                continue
            if sent.alive and not stream.ended:
                _not_relayed(fixture, findings, sent.name, made=stream.pings - pings)
                continue
            expected = f"{sent.name} at the client before the upstream says more"
            findings.expect(False, expected, _state(stream, number, fixture.patience))
            return
        _ends_well(fixture, findings, stream)


def _not_relayed(fixture: Fixture, findings: Findings, name: str, made: int) -> None:
    if made and name == "ping":
        findings.note("pings are made anew; the upstream's own could not be distinguished from the gateway's")
        return
    what = f"{name} of the upstream relayed"
    findings.expect(False, what, f"not there after {fixture.patience:g}s")


def _state(stream: Stream, number: int, seconds: float) -> str:
    if stream.ended:
        return f"{stream.status}, and the stream ended early {stream.error}: {stream.raw[-80:]!r}"
    return f"not there after {seconds:g}s, {number} events before it are; {len(stream.raw)} bytes in all"


def _silences(fixture: Fixture, findings: Findings) -> None:
    with _streaming(fixture, SILENT) as (stream, gates):
        _filled(fixture, findings, stream, "before the first event", 0)
        for sent, gate in zip(SILENT[:LATE], gates, strict=False):
            gate.set()
            if sent not in OPENING and not stream.wait(stream.has(sent.sign), fixture.patience):
                findings.expect(False, f"{sent.name} after a silence", _state(stream, 0, fixture.patience))
                return
        _filled(fixture, findings, stream, "in the middle of an answer", len(stream.raw))
        for gate in gates:
            gate.set()
        _ends_well(fixture, findings, stream)


def _filled(fixture: Fixture, findings: Findings, stream: Stream, where: str, bytes_before: int) -> None:
    came = stream.wait(lambda: len(stream.raw) > bytes_before, fixture.silence)
    findings.expect(
        came, f"a ping of the gateway's own in a silence {where}", f"no byte in {fixture.silence:g}s; {BANNER}"
    )


def _ends_well(fixture: Fixture, findings: Findings, stream: Stream) -> None:
    stream.wait(lambda: stream.ended, fixture.patience)
    findings.expect(stream.ended and not stream.error, "a proper end", stream.error or "the connection hangs")
    _is_event_stream(findings, stream.headers)
    broken = next((frame for frame in stream.frames if frame.data is not None and not _is_json(frame.data)), None)
    findings.expect(broken is None, "JSON in every event", repr(broken.raw[:80]) if broken else "")


def _is_event_stream(findings: Findings, headers: Mapping[str, str]) -> None:
    kind = headers.get("content-type", "none")
    findings.expect(kind.startswith("text/event-stream"), "content-type: text/event-stream", kind)


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@contextmanager
def _streaming(fixture: Fixture, events: Sequence[Event]) -> Iterator[tuple[Stream, list[threading.Event]]]:
    """A request in flight, and the gates that release its events."""
    assert fixture.upstream is not None
    gates = [threading.Event() for _ in events]
    behaviour = Behaviour(events=tuple(sent.raw for sent in events), steps=tuple(gates))
    body, betas = bodies.question(fixture.model, new_mark())
    with fixture.upstream.answering(behaviour):
        try:
            with fixture.client.stream(MESSAGES + BETA_QUERY, bodies.encode(body), bodies.headers(*betas)) as stream:
                yield stream, gates
        finally:
            for gate in gates:
                gate.set()
