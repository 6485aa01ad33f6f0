"""Retries stop at the first content: before it another attempt can answer, and the client sees one answer.

In every lane, for every client; after the first content every stream ends truthfully, in the log too.
"""

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from nexus.accounting.record import CallRecord, Outcome
from nexus.limits.quota import Demand
from nexus.limits.rules import LimitKey, LimitRules
from nexus.limits.store_memory import MemoryStore
from tests.conftest import Serve
from tests.server.vendors import DISTINCT, HELLO, LANES, Lane, Stand
from tests.serving import PATHS, Nexus, Reply, rest, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

TEXT = [{"role": "user", "content": "Hi"}]

CLIENTS: dict[str, tuple[str, dict[str, object]]] = {
    "chat": (PATHS["chat"], {"messages": TEXT}),
    "messages": (PATHS["messages"], {"messages": TEXT, "max_tokens": 64}),
    "responses": (PATHS["responses"], {"input": "Hi"}),
}
STARTS = {"messages": b"event: message_start\n", "responses": b"event: response.created\n"}
ENDS = {"chat": b"data: [DONE]\n", "messages": b"event: message_stop\n", "responses": b"event: response.completed\n"}

OVERLOADED: dict[str, tuple[Behaviour, int]] = {
    "openai": (Behaviour(error_after=1, error_code="server_overloaded"), 503),
    "openai responses": (Behaviour(error_after=4, error_code="server_is_overloaded"), 503),
    "anthropic": (Behaviour(error_after=3), 529),
    "gemini": (Behaviour(error_after=0, error_type="UNAVAILABLE"), 503),
    "bedrock claude": (Behaviour(error_after=3, error_type="ServiceUnavailableException"), 529),
    "bedrock converse": (Behaviour(error_after=1, error_type="ServiceUnavailableException"), 503),
}
"""By lane: a 200, the frames of a beginning, then the vendor's error; and the status that it would have had."""

RESPONSES = Lane("openai responses", "openai", "gpt-4.1", "responses", "responses = true\n")


PAIRS = [
    (lane, client) for lane in (*DISTINCT, RESPONSES) for client in CLIENTS if (lane, client) != (RESPONSES, "chat")
]
"""OpenAI supports both of its dialects: chat passes through in its first lane."""


@dataclass
class House:
    lane: Lane
    client: str
    upstream: FakeUpstream
    nexus: Nexus
    records: list[CallRecord] = field(default_factory=list)

    def ask(self) -> Reply:
        path, body = CLIENTS[self.client]
        return self.nexus.post(path, {"model": "v/m", "stream": True} | body, may_be_cut=True)

    def record(self) -> CallRecord:
        wait_until(lambda: len(self.records) == 1)
        return self.records.pop()


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0].name} for {pair[1]}")
def house(request: pytest.FixtureRequest, stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    lane, client = request.param
    standing = stand(lane)
    house, server = House(lane, client, standing.upstream, standing.nexus), standing.nexus.server
    monkeypatch.setattr(server, "consumers", (*server.consumers, house.records.append))
    yield house
    wait_until(lambda: not server.calls)
    assert standing.upstream.violations == []
    assert server.kept.limits.open == 0


def words(client: str, stream: bytes) -> str:
    """All text that a client reads from a stream."""
    found = ""
    for line in stream.splitlines():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        match client:
            case "chat":
                found += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
            case "messages":
                found += event.get("delta", {}).get("text", "")
            case _ if event["type"] == "response.output_text.delta":
                found += event["delta"]
    return found


def starts(client: str, stream: bytes) -> int:
    if client in STARTS:
        return stream.count(STARTS[client])
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    return len({chunk["id"] for chunk in chunks if "id" in chunk})


def test_an_error_before_the_first_content_only_fails_the_attempt(house: House) -> None:
    failure, status = OVERLOADED[house.lane.name]
    house.upstream.next(failure)
    client, reply = house.client, house.ask()
    assert (reply.status, words(client, reply.body), starts(client, reply.body)) == (200, HELLO, 1)
    assert reply.body.count(b"error") == reply.body.count(b'"error":null')
    assert ENDS[client] in reply.body
    name = reply.headers["x-nexus-route"].partition("/")[0] + "/m"
    assert reply.headers["x-nexus-tried"] == f"{name}={status}, {name}=200"
    first, second = house.upstream.requests[-2:]
    assert first.body == second.body
    record = house.record()
    assert (record.status, record.error) == (200, None)
    told = [(one.number, one.key, one.outcome, one.status) for one in record.attempts]
    assert told == [(1, "configured", Outcome.IN_BAND_ERROR, status), (2, "configured", Outcome.OK, 200)]
    times = [when for one in record.attempts for when in (one.began, one.ended)]
    assert times == sorted(times)
    failed, answer = record.attempts
    assert failed.tokens_known in ("partly", "no")
    assert failed.first_content is None
    assert answer.first_content is not None
    assert record.queued is not None
    assert record.queued <= answer.first_content <= answer.ended
    assert answer.usage is not None
    assert (answer.tokens_known, answer.usage.adds_up, answer.route) == ("yes", True, name)
    assert answer.usage.raw


def test_the_client_gets_the_last_attempts_error(house: House) -> None:
    """As the vendor reported it on a passthrough stream; otherwise with the status that it would have had."""
    failure, status = OVERLOADED[house.lane.name]
    house.upstream.next(failure, replace(failure, message="the vendor's last words"))
    client, reply = house.client, house.ask()
    assert b"the vendor's last words" in reply.body
    assert reply.status == (200 if house.lane.passes == client else status)
    assert reply.headers["x-nexus-tried"].endswith(f"={status}")
    assert starts(client, reply.body) <= 1
    assert ENDS[client] not in reply.body
    record = house.record()
    assert record.error is not None
    assert (record.error.status, [one.outcome for one in record.attempts]) == (status, [Outcome.IN_BAND_ERROR] * 2)


def test_an_error_after_content_ends_the_answer_with_an_error(house: House) -> None:
    failure, status = OVERLOADED[house.lane.name]
    behind = (failure.error_after or 0) + 3
    house.upstream.next(replace(failure, error_after=behind, message="the vendor's last words"))
    client, reply = house.client, house.ask()
    assert words(client, reply.body).startswith("Hello")
    assert HELLO not in words(client, reply.body)
    assert b"the vendor's last words" in reply.body
    assert ENDS[client] not in reply.body
    assert (len(house.upstream.requests), starts(client, reply.body)) == (1, 1)
    record = house.record()
    assert record.error is not None
    assert (record.status, record.error.status) == (200, status)
    (attempt,) = record.attempts
    assert (attempt.outcome, attempt.status) == (Outcome.IN_BAND_ERROR, status)
    assert attempt.first_content is not None


BREAKS: dict[str, Callable[[int | None], Behaviour]] = {
    "cut": lambda frames: Behaviour(cut_after=frames),
    "reset": lambda frames: Behaviour(reset_after=frames),
    "ends": lambda frames: Behaviour(end_after=frames),
}


def test_a_stream_that_breaks_at_its_start_is_retried(house: House) -> None:
    """Each lane in each way, with another client."""
    how = list(BREAKS.values())[list(CLIENTS).index(house.client)]
    house.upstream.next(how(OVERLOADED[house.lane.name][0].error_after))
    client, reply = house.client, house.ask()
    assert (reply.status, words(client, reply.body), starts(client, reply.body)) == (200, HELLO, 1)
    assert [one.outcome for one in house.record().attempts] == [Outcome.CUT, Outcome.OK]


SILENT = '[server]\nearly_ping = "50ms"\nping_interval = "20ms"\n'


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("answers", [True, False], ids=["then an answer", "then none"])
def test_after_an_early_head_another_attempt_answers_in_the_same_stream(
    serve: Serve, tmp_path: Path, client: str, answers: bool
) -> None:
    with FakeUpstream("anthropic") as upstream:
        nexus = serve(SILENT + LANES[1].config(upstream, tmp_path))
        go = threading.Event()
        upstream.next(Behaviour(hold=go, reset_after=1), Behaviour() if answers else Behaviour(status=529))
        path, body = CLIENTS[client]
        connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=60)
        connection.request("POST", path, json.dumps({"model": "v/m", "stream": True} | body), JSON)
        reply = connection.getresponse()
        assert (reply.status, reply.headers["x-nexus-route"], reply.headers["x-nexus-attempts"]) == (200, None, None)
        assert reply.readline().startswith(b": nexus")
        go.set()
        raw, _ = rest(reply)
        connection.close()
        route = "v/claude-sonnet-4-5"
        told = f": nexus route={route} tried=v/m=cut, v/m={200 if answers else 529}\n"
        assert raw.count(told.encode()) == 1
        assert (words(client, raw), ENDS[client] in raw) == ((HELLO, True) if answers else ("", False))
        assert (b"error" in raw.replace(b'"error":null', b"")) is not answers


JSON = {"Content-Type": "application/json"}


FAILED = {"object": "response", "id": "resp_1", "status": "failed", "output": [], "model": "gpt-4"}


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_response_with_status_failed_is_a_failed_attempt(serve: Serve, tmp_path: Path, attempts: int) -> None:
    with FakeUpstream("openai") as upstream:
        lane = replace(RESPONSES, more=f"{RESPONSES.more}retries.attempts = {attempts}\n")
        nexus = serve(lane.config(upstream, tmp_path))
        failed = FAILED | {"error": {"code": "server_error", "message": "try again"}}
        upstream.next(Behaviour(body=json.dumps(failed).encode()))
        reply = nexus.post("/llm/openai/v1/responses", {"model": "v/m", "input": "Hi"})
    assert (reply.status, reply.json["status"]) == (200, "completed" if attempts > 1 else "failed")
    assert reply.json["model"] == "v/m"


OVERLOAD = Behaviour(error_after=3)
ESTIMATED = 9
"""Estimated tokens of such a request if the vendor reports none."""

SPENT: dict[str, tuple[list[Behaviour], dict[str, int]]] = {
    "it began twice": ([OVERLOAD, OVERLOAD], {"input_tokens": 22, "output_tokens": 1, "requests": 1}),
    "once, and then answered": ([OVERLOAD, Behaviour()], {"input_tokens": 22, "output_tokens": 6, "requests": 1}),
    "once, and then refused": (
        [OVERLOAD, Behaviour(status=529)],
        {"input_tokens": 11, "output_tokens": 0, "requests": 1},
    ),
    "it rejected both": ([Behaviour(status=529)] * 2, {"input_tokens": 0, "output_tokens": 0, "requests": 0}),
    "it reported usage, then a client error": (
        [replace(OVERLOAD, error_type="invalid_request_error")],
        {"input_tokens": 11, "output_tokens": 1, "requests": 1},
    ),
    "it timed out": ([Behaviour(hang=True)], {"input_tokens": ESTIMATED, "output_tokens": 0, "requests": 1}),
}
SPENDING = """
rate_limits.per_user = { request_limit = 100, input_token_limit = 10000, output_token_limit = 10000, interval = "600s" }
"""


@pytest.mark.parametrize(
    ("client", "behaviours", "spent"),
    [(client, *case) for client, case in zip(itertools.cycle(CLIENTS), SPENT.values(), strict=False)],
    ids=SPENT.keys(),
)
def test_usage_of_failed_attempts_counts_if_the_vendor_may_charge_for_it(
    serve: Serve, tmp_path: Path, client: str, behaviours: list[Behaviour], spent: dict[str, int]
) -> None:
    path, body = CLIENTS[client]
    with FakeUpstream("anthropic") as upstream:
        patience = 'timeouts.first_byte = "80ms"' if behaviours[0].hang else ""
        nexus = serve(replace(LANES[1], more=patience + SPENDING).config(upstream, tmp_path))
        upstream.next(*behaviours)
        nexus.post(path, {"model": "v/m", "stream": True} | body)
        limits = nexus.server.kept.limits
        wait_until(lambda: limits.open == 0)
    table = nexus.settings.llm.providers["v"].rate_limits
    quotas = LimitRules().resolve(LimitKey("address:127.0.0.1", None, "v", "m", table, None))
    assert isinstance(limits.store, MemoryStore)
    booked = limits.store.book([Demand(quota, 0) for quota in quotas])
    assert {standing.quota.dimension: standing.used for standing in booked.standings} == spent
