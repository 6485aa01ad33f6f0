"""The usage ledger records calls of every kind, never prompts or answers, and nothing twice."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nexus.accounting import books as accounting_books
from nexus.accounting import price_book
from nexus.accounting.database import Transaction
from nexus.accounting.record import reason
from nexus.errors import Overloaded, UpstreamStatus, VendorError
from nexus.server.process import running
from nexus.settings.usage import SQLITE
from nexus.telemetry import lines
from tests.conftest import Serve
from tests.server.raw import request
from tests.server.vendors import LANES, RESPONSES, Lane
from tests.serving import CHAT, MESSAGES, PATHS, Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

MARK = "a-word-of-the-prompt-5151"
ANSWER = "a-word-of-the-answer-7373"
TEXT = [{"role": "user", "content": MARK}]

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/llm/openai/v1/chat/completions", {"messages": TEXT}),
    "messages": ("/llm/anthropic/v1/messages", {"messages": TEXT, "max_tokens": 64}),
    "responses": ("/llm/openai/v1/responses", {"input": MARK}),
}


def rows(nexus: Nexus, columns: str, calls: int = 1) -> list[tuple[Any, ...]]:
    """The rows, once that many calls have been recorded."""
    books = nexus.server.books
    assert books.ledger is not None
    ledger = books.ledger

    def ask(what: str) -> list[tuple[Any, ...]]:
        ledger.flush(60)
        with books.reading() as database, database.transaction(write=False) as transaction:
            return transaction.query(f"SELECT {what} FROM attempts ORDER BY at_seconds, call_id, attempt")

    wait_until(lambda: sum(last for (last,) in ask("is_last")) >= calls)
    return ask(columns)


def test_a_temporary_store_stays_small(
    openai_upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several workers share one, in a file that is in memory."""
    monkeypatch.setattr(running, "prepared", lambda settings: f"{SQLITE}{tmp_path / 'shared.sqlite3'}")
    monkeypatch.setattr(accounting_books, "MOST_IN_MEMORY", 3)
    with Nexus.of(openai_config(openai_upstream.base_url), tmp_path) as nexus:
        for _ in range(9):
            assert nexus.chat(CHAT).status == 200
        wait_until(lambda: nexus.server.calls == {})
        assert len(rows(nexus, "attempt", calls=0)) <= 7


def files(nexus: Nexus) -> bytes:
    """The contents of all files."""
    file = Path(nexus.settings.origin.store.removeprefix(SQLITE))
    return b"".join(part.read_bytes() for part in file.parent.iterdir())


@pytest.mark.parametrize("lane", [*LANES, RESPONSES], ids=lambda lane: lane.name)
def test_every_lane_is_recorded_to_the_token(lane: Lane, serve: Serve, tmp_path: Path) -> None:
    """For each client's call, whole and streamed."""
    with FakeUpstream(lane.vendor) as upstream:
        upstream.default = Behaviour(text=ANSWER, input_tokens=31, cached_tokens=7, output_tokens=9)
        nexus = serve(lane.config(upstream, tmp_path))
        expected = []
        for client, (path, body) in CLIENTS.items():
            for stream in (False, True):
                assert nexus.post(path, {"model": "v/m", "stream": stream} | body).status == 200
                call = (1, 1, client, "generate", "v/m", lane.model, "configured", int(stream))
                expected.append((*call, 200, "ok", "ok", 31, 7, 9, "yes"))
        told = rows(
            nexus,
            "attempt, is_last, protocol, operation, route, request_model, key_class, stream, status, outcome, "
            "call_outcome, input_tokens, cache_read_tokens, output_tokens, tokens_known, raw_usage",
            calls=len(expected),
        )
        assert sorted(row[:-1] for row in told) == sorted(expected)
        assert all(json.loads(row[-1]) for row in told)
        assert MARK.encode() not in files(nexus)
        assert ANSWER.encode() not in files(nexus)


def test_names_from_outside_are_cut_in_every_record(
    nexus: Nexus, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Records wait in queues, and the log remembers its last words."""
    answer = {"model": LONG, "choices": [{"message": {"content": "Hi"}, "finish_reason": LONG}]}
    openai_upstream.default = Behaviour(body=json.dumps(answer).encode())
    many = {f"field-{number}": True for number in range(1000)}
    with caplog.at_level(logging.INFO):
        for body in (MESSAGES | {"model": "openai/gpt-4", LONG: True}, MESSAGES | {"model": "openai/gpt-4"} | many):
            assert nexus.messages(body).status == 200
        assert nexus.chat(CHAT | {"model": LONG}).status == 404
        rows(nexus, "1", calls=3)
    told = [lines.fields(record) for record in caplog.records]
    assert len([fields for fields in told if "total_ms" in fields]) == 3
    assert max(len(str(value)) for fields in told for value in fields.values()) < 3000


def test_a_long_error_of_a_vendor_is_not_kept_in_records(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    """Records wait in queues while a database or a collector is down."""
    records = nexus.records()
    error = {"error": {"message": "Not now. " + LONG, "code": LONG}, "more": LONG}
    openai_upstream.default = Behaviour(status=400, body=json.dumps(error).encode())
    assert nexus.chat(CHAT).json == error
    assert nexus.messages(MESSAGES | {"model": "openai/gpt-4"}).status == 400
    wait_until(lambda: len(records) == 2 and not nexus.server.calls)
    for record in records:
        failed = record.error
        assert isinstance(failed, UpstreamStatus | VendorError)
        wait_until(lambda failed=failed: len(failed.failure.message) < 20_000)  # type: ignore[misc]
        assert len(failed.message) < 20_000 and len(getattr(failed, "body", b"")) < 20_000
        assert reason(failed).startswith("openai answered 400: Not now. n")


LONG = "n" * 100_000


def test_an_impossible_number_of_tokens_does_not_lose_the_call(serve: Serve, openai_upstream: FakeUpstream) -> None:
    """It would not fit into the integers of the ledger and the metrics."""
    nexus = serve(openai_config(openai_upstream.base_url, "price = { input = 10, output = 30 }\n"))
    for tokens in (10**12, 10**15):
        openai_upstream.next(Behaviour(input_tokens=tokens, output_tokens=tokens))
        assert nexus.chat(CHAT | {"model": "openai/smart"}).status == 200
    columns = "input_tokens, cost_nano, tokens_known, raw_usage <> ''"
    assert rows(nexus, columns, calls=2) == [(10**12, None, "yes", 1), (0, None, "no", 1)]
    metrics = nexus.request("GET", "/metrics").body.decode()
    assert 'nexus_calls_total{operation="generate",outcome="ok",protocol="chat",route="openai/smart"} 2.0' in metrics


def test_without_a_thread_for_the_price_list_calls_are_recorded(
    serve: Serve, openai_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(name: str, run: object) -> None:
        raise Overloaded("no thread")

    monkeypatch.setattr(price_book, "_is_public", lambda url: True)
    monkeypatch.setattr(price_book, "start_daemon", no_thread)
    nexus = serve(openai_config(openai_upstream.base_url))
    assert nexus.chat(CHAT).status == 200
    assert rows(nexus, "outcome, cost_nano") == [("ok", None)]
    assert nexus.server.in_flight == 0


def test_prices_that_end_are_read_again_before_the_next_call(
    serve: Serve, openai_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[float] = []

    def read(at: float, routes: object) -> dict[str, Any]:
        reads.append(at)
        return {"prices": {}, "until": at}

    monkeypatch.setattr(price_book, "_is_public", lambda url: True)
    monkeypatch.setattr(price_book, "_run", read)
    monkeypatch.setattr(running, "REAP", 0.01)
    serve(openai_config(openai_upstream.base_url))
    wait_until(lambda: len(reads) >= 3)


STREAM = {**CHAT, "stream": True}
ONCE = "retries.attempts = 1\n"
SHORT = ONCE + 'timeouts = { first_byte = "100ms", silence = "100ms" }\n'

ENDS: dict[str, tuple[str, Behaviour, Mapping[str, Any], tuple[str, str, str]]] = {
    "refused by the vendor": ("", Behaviour(status=400), CHAT, ("vendor_error", "", "yes")),
    "overloaded": (ONCE, Behaviour(status=503), CHAT, ("vendor_error", "", "yes")),
    "an error in the answer": (ONCE, Behaviour(error_after=1), STREAM, ("in_band_error", "", "no")),
    "cut before the head": (ONCE, Behaviour(close_before_head=True), CHAT, ("cut", "", "no")),
    "cut in the answer": (ONCE, Behaviour(cut_after=4), STREAM, ("cut", "", "no")),
    "no answer": (SHORT, Behaviour(hang=True), CHAT, ("timeout", "first byte", "no")),
}


@pytest.mark.parametrize(("more", "behaviour", "body", "told"), ENDS.values(), ids=ENDS)
def test_every_end_has_its_outcome(
    more: str,
    behaviour: Behaviour,
    body: Mapping[str, Any],
    told: tuple[str, str, str],
    serve: Serve,
    openai_upstream: FakeUpstream,
) -> None:
    openai_upstream.default = behaviour
    text = openai_config(openai_upstream.base_url)
    nexus = serve(text.replace('type = "openai"\n', f'type = "openai"\n{more}'))
    nexus.post(PATHS["chat"], body, may_be_cut=True)
    assert rows(nexus, "outcome, timeout, tokens_known, call_outcome")[-1] == (*told, told[0])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_disconnect_is_recorded_as_cancelled(
    stream: bool, nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    openai_upstream.default = Behaviour(hold=threading.Event()) if not stream else Behaviour(endless=True)
    with socket.create_connection(("127.0.0.1", nexus.port)) as client:
        client.sendall(request(PATHS["chat"], {**CHAT, "stream": stream}))
        wait_until(lambda: len(openai_upstream.requests) == 1)
        if stream:
            assert client.recv(100)
    assert rows(nexus, "outcome, call_outcome, tokens_known") == [("cancelled", "cancelled", "no")]


KEYS = """
[server.keys.alice]
key = "nx-hushhush-alice-0123456789abcdef"
group = "dev"
[server]
max_body_size = "2KB"
"""
ALICE = {"Authorization": "Bearer nx-hushhush-alice-0123456789abcdef"}

REFUSALS: dict[str, tuple[Callable[[Nexus], Any], tuple[int, str, str, str, str]]] = {
    "no key": (lambda nexus: nexus.chat(CHAT), (401, "authentication", "", "", "")),
    "no such path": (
        lambda nexus: nexus.post("/llm/openai/v1/chat/completion", CHAT, ALICE),
        (404, "not_found", "alice", "dev", ""),
    ),
    "no such model": (
        lambda nexus: nexus.chat({**CHAT, "model": "openai/none"}, ALICE),
        (404, "model_not_found", "alice", "dev", "openai/none"),
    ),
    "too large": (
        lambda nexus: nexus.chat({**CHAT, "user": "x" * 3000}, ALICE),
        (413, "request_too_large", "alice", "dev", ""),
    ),
    "invalid JSON": (lambda nexus: nexus.chat(b"{", ALICE), (400, "invalid_request", "alice", "dev", "")),
    "bad tags": (
        lambda nexus: nexus.chat(CHAT, {**ALICE, "x-nexus-tags": "project"}),
        (400, "invalid_request", "alice", "dev", ""),
    ),
}


@pytest.mark.parametrize(("ask", "told"), REFUSALS.values(), ids=REFUSALS)
def test_a_rejected_call_is_a_row_without_an_attempt(
    ask: Callable[[Nexus], Any], told: tuple[int, str, str, str, str], serve: Serve, openai_upstream: FakeUpstream
) -> None:
    nexus = serve(KEYS + '[usage]\ntags = ["project"]\n' + openai_config(openai_upstream.base_url))
    assert ask(nexus).status == told[0]
    columns = "attempt, is_last, call_outcome, tokens_known, cost_nano, status, error, caller, group_name, model"
    assert rows(nexus, columns) == [(0, 1, "refused", "yes", 0, *told)]


def test_an_exceeded_limit_is_recorded(serve: Serve, openai_upstream: FakeUpstream) -> None:
    limit = '[llm.providers.openai.rate_limits.per_user]\ninput_token_limit = 1\ninterval = "60s"\n'
    who = "[server.client_identification]\nenabled = true\ngroup_id.gateway_key = true\n"
    nexus = serve(KEYS + who + openai_config(openai_upstream.base_url, limit))
    assert nexus.chat(CHAT, ALICE).status == 429
    assert rows(nexus, "attempt, call_outcome, status, error") == [(0, "refused", 429, "rate_limit")]


def test_other_requests_are_not_recorded(nexus: Nexus) -> None:
    assert nexus.request("GET", "/llm/openai/v1/models").status == 200
    assert nexus.request("GET", "/favicon.ico").status == 404
    assert nexus.chat(CHAT).status == 200
    assert len(rows(nexus, "call_id")) == 1


TAGGED = {
    **ALICE,
    "x-nexus-tags": "project=web, team=x",
    "User-Agent": "agent/1",
    "x-claude-code-session-id": "s1",
    "x-request-id": "web-42",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


def test_the_caller_and_its_tags_are_recorded(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(KEYS + '[usage]\ntags = ["project"]\n' + openai_config(openai_upstream.base_url))
    assert nexus.chat(CHAT, TAGGED).status == 200
    assert rows(nexus, "caller, group_name, key_name, session, user_agent, tags, response_model") == [
        ("alice", "dev", "alice", "s1", "agent/1", '{"project":"web"}', "gpt-4")
    ]
    assert rows(nexus, "request_id, trace") == [("web-42", "4bf92f3577b34da6a3ce929d0e0e4736")]
    assert "x-nexus-tags" not in {name.lower() for name, _ in openai_upstream.requests[0].headers}


ENDPOINTS: dict[str, tuple[str, bytes, tuple[str, str, int, int]]] = {
    "embeddings": ("embeddings", b'{"model":"openai/smart","input":["%s"]}', ("embeddings", "yes", 11, 0)),
    "completions": ("completions", b'{"model":"openai/smart","prompt":"%s"}', ("completions", "yes", 11, 6)),
    "moderations": ("moderations", b'{"model":"openai/smart","input":"%s"}', ("moderations", "no", 0, 0)),
    "images": ("images/generations", b'{"model":"openai/smart","prompt":"%s"}', ("images", "yes", 11, 6)),
    "a stream of images": (
        "images/generations",
        b'{"model":"openai/smart","prompt":"%s","stream":true}',
        ("images", "yes", 11, 6),
    ),
    "speech": ("audio/speech", b'{"model":"openai/smart","input":"%s","voice":"alloy"}', ("speech", "no", 0, 0)),
    "rerank": ("rerank", b'{"model":"openai/smart","query":"%s","documents":["a"]}', ("rerank", "yes", 5, 0)),
}


@pytest.mark.parametrize(("path", "body", "told"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_every_passthrough_endpoint_is_recorded(
    path: str, body: bytes, told: tuple[str, str, int, int], serve: Serve, openai_upstream: FakeUpstream
) -> None:
    """Usage that a vendor does not report in tokens is unknown, never 0."""
    listed = json.dumps([path for path, _, _ in ENDPOINTS.values()])
    text = openai_config(openai_upstream.base_url).replace(
        "[llm.providers.openai]\n", f"[llm.providers.openai]\nendpoints = {listed}\n"
    )
    nexus = serve(text)
    assert nexus.post(f"/llm/openai/v1/{path}", body.replace(b"%s", MARK.encode())).status == 200
    ((outcome, cost, *found),) = rows(
        nexus, "call_outcome, cost_nano, operation, tokens_known, input_tokens, output_tokens"
    )
    assert (outcome, tuple(found)) == ("ok", told)
    assert told[1] == "yes" or cost is None
    assert MARK.encode() not in files(nexus)


def test_the_seconds_of_a_transcript_are_recorded(serve: Serve, openai_upstream: FakeUpstream) -> None:
    usage = b'{"text": "Hi", "usage": {"type": "duration", "seconds": 9}}'
    openai_upstream.next(Behaviour(body=usage, headers=(("content-type", "application/json"),)))
    text = openai_config(openai_upstream.base_url).replace(
        "[llm.providers.openai]\n", '[llm.providers.openai]\nendpoints = ["audio/transcriptions"]\n'
    )
    nexus = serve(text)
    mark = 'Content-Disposition: form-data; name="'
    form = f'--b\r\n{mark}file"; filename="a"\r\n\r\nRIFF\r\n--b\r\n{mark}model"\r\n\r\nopenai/smart\r\n--b--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert nexus.request("POST", "/llm/openai/v1/audio/transcriptions", form.encode(), kind).status == 200
    assert rows(nexus, "tokens_known, cost_nano, raw_usage") == [("no", None, '{"type":"duration","seconds":9}')]


def test_fetching_a_stored_answer_is_not_counted_again(serve: Serve, tmp_path: Path) -> None:
    with FakeUpstream("anthropic") as upstream:
        nexus = serve(LANES[1].config(upstream, tmp_path))
        made = nexus.post("/llm/openai/v1/responses", {"model": "v/m", "input": MARK}).json
        assert nexus.request("GET", f"/llm/openai/v1/responses/{made['id']}").status == 200
        told = rows(nexus, "operation, tokens_known, input_tokens > 0", calls=2)
        assert sorted(told) == [("generate", "yes", 1), ("stored", "yes", 0)]


class Hanging:
    """A database that never answers."""

    alone: str | None = None
    has_tables = ""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[Transaction]:
        self.asked.set()
        self.go.wait()
        raise RuntimeError("the test is over")
        yield

    def check_file(self) -> None: ...

    def close(self) -> None: ...


def test_calls_continue_while_the_database_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, serve: Serve, openai_upstream: FakeUpstream
) -> None:
    hanging = Hanging()
    monkeypatch.setattr("nexus.accounting.books.open_store", lambda *_: hanging)
    monkeypatch.setattr("nexus.accounting.ledger.ROOM", 3)
    nexus = serve(openai_config(openai_upstream.base_url))
    ledger = nexus.server.books.ledger
    assert ledger is not None
    assert hanging.asked.wait(60)
    assert [nexus.chat(CHAT).status for _ in range(8)] == [200] * 8
    wait_until(lambda: ledger.lost == 5)
    assert caplog.text.count("usage is lost") == 1
    hanging.go.set()
