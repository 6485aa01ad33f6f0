"""C8 and C9: the upstream's errors as the client receives them.

Claude Code acts on the upstream's wording, status and headers, so these must match; only the token
``capability_rejected:`` in a message may replace the wording.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from nexus.wire import Json, mapping, text
from tools.conformance import bodies
from tools.conformance.client import Answer
from tools.conformance.compare import difference
from tools.conformance.findings import Findings
from tools.conformance.fixture import BETA_QUERY, MESSAGES, Fixture, new_mark, split
from tools.conformance.streaming import OPENING
from tools.fake_upstream import Behaviour

TOKEN = "capability_rejected:"

INVALID: Mapping[str, str] = {
    "thinking": "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: 'disabled'",
    "a signature": "messages.2.content.0: Invalid `signature` in `thinking` block",
    "bound thinking": "messages.2.content.0: this `thinking` block is bound to a different conversation",
    "a system message among the others": f"Unexpected value(s) `{bodies.SYSTEM}` for the `anthropic-beta` header.",
    "the advisor tool": "tools.3: Input tag 'advisor_20260301' found using 'type' does not match any of the expected "
    "tags: 'custom'",
    "a long prompt": "prompt is too long: 210031 tokens > 200000 maximum",
}
"""The messages of requests that Anthropic rejects as invalid, by what is wrong with them."""

REFUSALS: tuple[tuple[str, int, str, str], ...] = (
    *((what, 400, "invalid_request_error", words) for what, words in INVALID.items()),
    ("a large request", 413, "request_too_large", "Request exceeds the maximum size"),
    ("overload", 529, "overloaded_error", "Overloaded"),
)

PLAN = {
    "anthropic-ratelimit-unified-status": "allowed_warning",
    "anthropic-ratelimit-unified-reset": "1793491200",
    "anthropic-ratelimit-unified-5h-utilization": "0.93",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
    "anthropic-ratelimit-unified-made-up-for-later": "x",
}
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
WHOLE_SECONDS = re.compile(r"\d+")


def c08(fixture: Fixture, findings: Findings) -> None:
    if fixture.upstream is None:
        findings.needs("error bodies")
        return
    for what, status, kind, words in REFUSALS:
        raw = error_body(kind, words)
        # Gateways that obey this header do not retry, which saves time here.
        answer = _refused(fixture, status, raw, {"x-should-retry": "false"})
        if not findings.expect(answer.status == status, f"a refusal of {what}: {status}", answer.brief):
            continue
        if TOKEN in text(mapping(mapping(answer.json).get("error")).get("message")):
            findings.note(f"the refusal of {what} carries a {TOKEN} token instead of the upstream's words")
            continue
        found = difference(json.loads(raw), answer.json, "body")
        if findings.expect(found is None, f"the upstream's body for {what}", found or "") and answer.body != raw:
            findings.note("error bodies are serialised anew on their way")
    _in_the_stream(fixture, findings)


def error_body(kind: str, words: str) -> bytes:
    """An error body with white space and members that re-serialising would lose."""
    whole = {"type": "error", "error": {"type": kind, "message": words, "details": None}, "request_id": "req_011"}
    return json.dumps(whole, indent=1).encode()


def _refused(fixture: Fixture, status: int, raw: bytes, headers: Mapping[str, str]) -> Answer:
    assert fixture.upstream is not None
    body, betas = bodies.question(fixture.model, new_mark())
    with fixture.upstream.answering(Behaviour(status=status, body=raw, headers=tuple(headers.items()))):
        return fixture.ask(body, bodies.headers(*betas))


def _in_the_stream(fixture: Fixture, findings: Findings) -> None:
    """Checks the error event: the client recognises a broken stream by it, and retries without streaming."""
    assert fixture.upstream is not None
    wanted: Json = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded (in-band)"}}
    frame = f"event: error\ndata: {json.dumps(wanted)}\n\n".encode()
    body, betas = bodies.question(fixture.model, new_mark())
    events = tuple(event.raw for event in OPENING)
    with (
        fixture.upstream.answering(Behaviour(events=(*events, frame))),
        fixture.client.stream(MESSAGES + BETA_QUERY, bodies.encode(body), bodies.headers(*betas)) as stream,
    ):
        stream.wait(lambda: stream.ended, fixture.patience)
    found = [json.loads(frame.data) for frame in stream.frames if frame.event == "error" and frame.data]
    seen = f"{len(found)} error events: {bytes(stream.raw[-80:])!r}"
    findings.expect(wanted in found, "the upstream's error event within a stream", seen)


def c09(fixture: Fixture, findings: Findings) -> None:
    if fixture.upstream is None:
        findings.needs("headers of the upstream's answers")
        return
    never = {"x-should-retry": "false"}
    _headers(fixture, findings, 429, {"retry-after": "41", **never, **PLAN})
    _headers(fixture, findings, 429, {"retry-after": "3600", **never})
    _headers(fixture, findings, 529, {"x-should-retry": "true"})
    _headers(fixture, findings, 200, PLAN)
    answer = _refused(fixture, 503, error_body("api_error", "Unavailable"), {"retry-after": DATE, **never})
    wait = answer.headers.get("retry-after", "")
    if wait and not WHOLE_SECONDS.fullmatch(wait):
        # Only a note: Anthropic never sends a date, so a gateway that only relays its answers breaks no rule.
        findings.note("an upstream's retry-after that is a date is not made into whole seconds")


def _headers(fixture: Fixture, findings: Findings, status: int, wanted: Mapping[str, str]) -> None:
    """Checks that the client gets the same values."""
    assert fixture.upstream is not None
    body, betas = bodies.question(fixture.model, new_mark())
    raw = (
        error_body("rate_limit_error" if status == 429 else "overloaded_error", "Slow down") if status >= 400 else None
    )
    with fixture.upstream.answering(Behaviour(status=status, body=raw, headers=tuple(wanted.items()))):
        answer = fixture.ask(body, bodies.headers(*betas))
    if not findings.expect(answer.status == status, f"{status}, as the upstream says", answer.brief):
        return
    for name, value in wanted.items():
        seen = answer.headers.get(name, "")
        findings.expect(split(seen) == [value], f"{name}: {value} on a {status}", seen or "none")
