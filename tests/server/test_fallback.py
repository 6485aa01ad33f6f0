"""Every row of the table of failures, whole and streamed: which targets are called, which are in cooldown, which
answers.

The table gives the expected result; a row without a test is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from nexus.gateway.verdicts import VERDICTS, Failure
from nexus.relay.candidate import Candidate
from tests.conftest import Serve
from tests.server.vendors import providers
from tests.serving import BEGINS, BODIES, ENDS, PATHS, Nexus, Reply, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

LANES = {
    ("chat", "passthrough"): ("openai", "gpt-4.1", "responses = false"),
    ("chat", "translated"): ("anthropic", "claude-sonnet-4-5", ""),
    ("responses", "passthrough"): ("openai", "gpt-4.1", "responses = true"),
    ("responses", "translated"): ("anthropic", "claude-sonnet-4-5", ""),
    ("messages", "passthrough"): ("anthropic", "claude-sonnet-4-5", ""),
    ("messages", "translated"): ("openai", "gpt-4.1", "responses = false"),
}
"""By client and lane: the vendors' type, their model, and what else stands in their tables."""

ONCE = '\n[llm.providers.v1.retries]\nattempts = 2\nbase_delay = "1ms"\nmax_delay = "1ms"\n'


@dataclass(frozen=True)
class Row:
    """``by`` is the first target's behaviour, by vendor type; ``first`` and ``model`` are settings in its tables.

    ``asked`` is how often it is called, if not once.
    """

    failure: Failure
    by: Callable[[str], Behaviour] = lambda kind: Behaviour()
    first: str = ""
    model: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    prepare: Callable[[Nexus], object] = lambda nexus: None
    asked: int | None = None
    streams: bool | None = None


def status(code: int, *headers: tuple[str, str], error_code: str | None = None) -> Callable[[str], Behaviour]:
    return lambda kind: Behaviour(status=code, headers=headers, error_code=error_code if kind == "openai" else None)


def too_long(kind: str) -> Behaviour:
    if kind == "openai":
        return Behaviour(status=400, error_code="context_length_exceeded", message="too long")
    return Behaviour(status=400, message="prompt is too long: 210000 tokens > 200000 maximum")


def policy(kind: str) -> Behaviour:
    # Anthropic refuses inside an answer, and has no such error.
    return Behaviour(status=400, error_code="content_policy_violation" if kind == "openai" else None)


OWN = (("x-provider-api-key", "sk-hushhush-own-0123456789"),)
USED_UP = "rate_limits.per_user = { request_limit = 1, interval = '1h' }"

OVERLOADED: dict[str, tuple[bytes, ...]] = {
    "openai": (b'data: {"error":{"message":"busy","type":"server_error","code":"server_is_overloaded"}}\n\n',),
    "anthropic": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    ),
}
ROWS: dict[str, Row] = {
    "context too small": Row("too_small", model="context = 5", asked=0),
    "own limit": Row("over_limit", model=USED_UP, prepare=lambda nexus: spend(nexus), asked=0),
    "no room": Row(
        "no_room",
        first="max_concurrency = 1",
        prepare=lambda nexus: nexus.server.kept.router.rooms.enter("v1", None),
        asked=0,
    ),
    "no connection": Row("no_connection", first='proxy = "http://127.0.0.1:9"', asked=0),
    "no first byte": Row("silence", lambda kind: Behaviour(hang=True), first='timeouts.first_byte = "80ms"'),
    "no first byte of the model": Row(
        "silence", lambda kind: Behaviour(hang=True), model='timeouts = { first_byte = "80ms" }'
    ),
    "nothing within patience": Row("silence", lambda kind: Behaviour(hang=True), streams=True),
    "408": Row("breakdown", status(408)),
    "500": Row("breakdown", status(500)),
    "503": Row("breakdown", status(503)),
    "closed before the head": Row("breakdown", lambda kind: Behaviour(close_before_head=True)),
    "cut before content": Row("breakdown", lambda kind: Behaviour(cut_after=0)),
    "529": Row("overloaded", status(529)),
    "error in band before content": Row("overloaded", lambda kind: Behaviour(events=OVERLOADED[kind]), streams=True),
    "429": Row("rate_limited", status(429, ("retry-after", "60"))),
    "401": Row("key_refused", status(401)),
    "402": Row("key_refused", status(402)),
    "403": Row("key_forbidden", status(403)),
    "401 of the caller's key": Row("callers_key", status(401), first="forward_token = true", headers=OWN),
    "404": Row("missing", status(404)),
    "invalid JSON": Row("missing", lambda kind: Behaviour(garbage="json"), streams=False),
    "400": Row("invalid", status(400)),
    "413": Row("invalid", status(413)),
    "422": Row("invalid", status(422)),
    "too long": Row("too_long", too_long),
    "content policy": Row("policy", policy),
    "cut after content": Row("after_content", lambda kind: Behaviour(cut_after=6), streams=True),
}

ELSEWHERE: dict[Failure, str] = {
    "not_expressible": "test_a_target_that_does_not_support_the_request_is_skipped",
    "miswritten": "test_what_a_model_miswrote_is_the_vendors_failure",
    "not_here": "tests/server/test_not_there.py",
    "over": "test_no_target_is_called_after_the_deadline",
}
"""The tests of the other rows."""


def test_every_row_of_the_table_is_tested() -> None:
    assert {row.failure for row in ROWS.values()} | set(ELSEWHERE) == set(VERDICTS)


def spend(nexus: Nexus) -> None:
    assert nexus.post(PATHS["chat"], {"model": "v1/m", **BODIES["chat"], "max_tokens": 16}).status == 200


@pytest.fixture
def fakes(client: str, lane: str) -> Iterator[list[FakeUpstream]]:
    with ExitStack() as stack:
        yield [stack.enter_context(FakeUpstream(LANES[client, lane][0])) for _ in range(3)]


CASES = [
    pytest.param(row, client, lane, stream, id=f"{name}, {client} {lane} {'stream' if stream else 'unary'}")
    for number, (name, row) in enumerate(ROWS.items())
    for stream in (False, True)
    if row.streams in (None, stream) and (not name.isdecimal() or stream == bool(number % 2))
    for client, lane in [list(LANES)[(2 * number + 3 * stream + number // 3) % 6]]
]
"""Each row whole and streamed, once on a passthrough lane and once on a translating one, with alternating clients; a
status, which comes before both, in one of them."""


@pytest.mark.parametrize(("row", "client", "lane", "stream"), CASES)
def test_a_failure_of_the_first_target(
    serve: Serve, fakes: list[FakeUpstream], row: Row, client: str, lane: str, stream: bool
) -> None:
    (kind, model, more), verdict = LANES[client, lane], VERDICTS[row.failure]
    tables = [(f"v{number}", kind, fake, more, model) for number, fake in enumerate(fakes, 1)]
    text = providers(*tables).replace('type = "', f'{row.first}\ntype = "', 1)
    text = text.replace("[llm.providers.v1.models.m]", f"[llm.providers.v1.models.m]\n{row.model}") + ONCE
    patience = 'patience = "80ms"\n' if row.streams and row.failure == "silence" else ""
    nexus = serve(f'{text}[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\non_overflow = "v3/m"\n{patience}')
    row.prepare(nexus)
    for fake in fakes:
        fake.requests.clear()
    fakes[0].default = row.by(kind)

    body = {"model": "smart", "stream": stream, **BODIES[client]}
    reply = nexus.post(PATHS[client], body, dict(row.headers), may_be_cut=True)

    answers = {"yes": 1, "no": 0, "on_overflow": 2}[verdict.next]
    asked = [1 if row.asked is None else row.asked, int(answers == 1), int(answers == 2)]
    # A fake may read a request after its sender has given up.
    wait_until(lambda: len(fakes[0].requests) >= asked[0])
    assert [len(fake.requests) for fake in fakes] == asked
    if answers:
        whole(client, reply, stream=stream)
        assert reply.headers["x-nexus-route"] == f"v{answers + 1}/{model}"
        assert reply.headers["x-nexus-tried"].startswith("v1/m=")
        assert reply.headers["x-nexus-tried"].endswith(f"v{answers + 1}/m=200")
    elif row.failure == "after_content":
        assert reply.status == 200 and b"v2" not in reply.body
    else:
        assert reply.status == row.by(kind).status
        assert "x-nexus-tried" not in reply.headers
    rested(nexus, row.failure)
    assert nexus.runtime.gateway.admission.limits.open == 0
    assert nexus.server.kept.router.rooms.running("v2") == 0


MISWRITTEN = Behaviour(status=400, error_code="tool_use_failed", message="Failed to call a function.")
IN_BAND = (
    b'data: {"error":{"message":"Failed to call a function.","type":"invalid_request_error",'
    b'"code":"tool_use_failed","failed_generation":"<function=f>","status_code":400}}\n\n'
)
"""Source: langchain4j #2585."""


@pytest.mark.parametrize(
    ("client", "lane", "stream", "behaviour", "shown"),
    [
        ("chat", "passthrough", False, MISWRITTEN, 400),
        ("responses", "passthrough", True, MISWRITTEN, 400),
        ("messages", "translated", False, MISWRITTEN, 502),
        ("messages", "translated", True, Behaviour(events=(IN_BAND,)), 502),
    ],
)
def test_what_a_model_miswrote_is_the_vendors_failure(
    serve: Serve, fakes: list[FakeUpstream], client: str, lane: str, stream: bool, behaviour: Behaviour, shown: int
) -> None:
    kind, model, more = LANES[client, lane]
    text = providers(*((f"v{number}", kind, fake, more, model) for number, fake in enumerate(fakes[:2], 1)))
    nexus = serve(f'{text}{ONCE}[llm.models.smart]\ntargets = ["v1/m", "v2/m"]\n')
    fakes[0].default = behaviour
    whole(client, nexus.post(PATHS[client], {"model": "smart", "stream": stream, **BODIES[client]}), stream=stream)
    alone = nexus.post(PATHS[client], {"model": "v1/m", "stream": stream, **BODIES[client]})
    assert alone.status == shown and b"Failed to call a function." in alone.body
    assert len(fakes[0].requests) == 3, "one attempt if another target is left, else two"
    rested(nexus, "miswritten")


def whole(client: str, reply: Reply, *, stream: bool) -> None:
    """One answer, complete and from a single attempt, with the requested model name."""
    assert reply.status == 200, reply.body
    assert b"Hello from the fake upstream." in reply.body or b"Hello" in reply.body
    if stream:
        assert reply.body.count(BEGINS[client]) == reply.body.count(ENDS[client]) == 1
        assert b"verloaded" not in reply.body and b"busy" not in reply.body
    else:
        assert reply.json["model"] == "smart"


def rested(nexus: Nexus, failure: Failure) -> None:
    """Only failures that count according to the table are counted or start a cooldown."""
    verdict, cooldowns = VERDICTS[failure], nexus.server.kept.router.cooldowns
    route = nexus.runtime.gateway.routes.find("v1/m").targets[0]
    candidate = Candidate(route, route.provider.accounts[0])
    now = cooldowns.clock()
    cooling = {name for name in ("host", "model", "key", "key_model") if cooldowns.end([getattr(candidate, name)], now)}
    assert cooling == (set() if verdict.count else {verdict.cooldown})
    failed = {
        name
        for name in ("host", "model", "key", "key_model")
        if (state := cooldowns._states.get(getattr(candidate, name))) is not None and state.failures
    }
    assert failed == ({verdict.cooldown} - {""} if verdict.count else set())
