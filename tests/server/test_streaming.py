"""Streams: when bytes are sent, keepalives during silence, and how a broken stream ends.

A broken stream carries the dialect's error event and never looks complete.
"""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import openai
import pytest

from tests.conftest import Serve
from tests.serving import CHAT, MESSAGES, Nexus, anthropic_config, openai_config, rest
from tools.fake_upstream import Behaviour, FakeUpstream

CHAT_STREAM = {**CHAT, "stream": True}
MESSAGES_STREAM = {**MESSAGES, "stream": True}
RESPONSES = {"model": "openai/gpt-4", "input": "Hello!", "stream": True}
COMMENTS = (b": still here\n\n",) * 1000
QUICK = '[server]\nping_interval = "20ms"\nearly_ping = "30ms"\n'


@contextmanager
def streaming(
    nexus: Nexus, path: str, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})})
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def chat(nexus: Nexus) -> Any:
    return streaming(nexus, "/llm/openai/v1/chat/completions", CHAT_STREAM)


def messages(nexus: Nexus) -> Any:
    return streaming(nexus, "/llm/anthropic/v1/messages", MESSAGES_STREAM)


@pytest.mark.parametrize("path", ["/llm/openai/v1/chat/completions", "/llm/anthropic/v1/messages"])
def test_a_vendor_that_only_pings_times_out(serve: Serve, openai_upstream: FakeUpstream, path: str) -> None:
    first = b'data: {"id":"c","model":"gpt-4","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    nexus = serve(openai_config(openai_upstream.base_url) + '[llm.providers.openai.timeouts]\nsilence = "150ms"\n')
    openai_upstream.next(Behaviour(events=(first, *COMMENTS), event_delay=0.02))
    body = {**CHAT_STREAM, "max_tokens": 9}
    with streaming(nexus, path, body) as response:
        raw, whole = rest(response)
    assert b"only pings" in raw
    assert not whole


def test_a_vendor_that_pings_after_its_last_event_gets_five_seconds_in_total(
    serve: Serve, openai_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete answer: only the terminator is missing."""
    monkeypatch.setattr("nexus.relay.stream.TERMINATOR_SECONDS", 0.2)
    last = (
        b'data: {"id":"c","model":"gpt-4","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    )
    nexus = serve(openai_config(openai_upstream.base_url))
    openai_upstream.next(Behaviour(events=(last, *COMMENTS), event_delay=0.02))
    with streaming(nexus, "/llm/openai/v1/chat/completions", CHAT_STREAM) as response:
        raw, whole = rest(response)
    assert whole
    assert b"still here" in raw


def test_the_head_waits_for_the_first_event_and_no_longer(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    first_frame = b'data: {"id":"c","model":"gpt-4","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    openai_upstream.next(Behaviour(events=(first_frame,), endless=False, end_after=1))
    with chat(nexus) as response:
        assert response.status == 200
        assert b'"content":"a"' in response.readline()


class TestPings:
    def test_pings_are_sent_during_silence_inside_a_stream(
        self, serve: Serve, anthropic_upstream: FakeUpstream
    ) -> None:
        nexus = serve(QUICK + anthropic_config(anthropic_upstream.base_url))
        anthropic_upstream.next(Behaviour(event_delay=0.05))
        with messages(nexus) as response:
            body, ended = rest(response)
        assert ended
        assert b': nexus\nevent: ping\ndata: {"type":"ping"}\n\n' in body
        assert body.endswith(b'event: message_stop\ndata: {"type": "message_stop"}\n\n') or b"message_stop" in body

    def test_the_head_is_sent_early_while_the_vendor_is_silent(
        self, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(QUICK + openai_config(openai_upstream.base_url))
        go = threading.Event()
        openai_upstream.next(Behaviour(hold=go))
        with chat(nexus) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.readline() == b": nexus ping\n"
            go.set()
            body, ended = rest(response)
        assert ended
        assert body.endswith(b"data: [DONE]\n\n")

    @pytest.mark.parametrize("own", [True, False], ids=["passed through", "translated"])
    def test_responses_clients_see_published_events_only(
        self, serve: Serve, openai_upstream: FakeUpstream, own: bool
    ) -> None:
        """Nexus sends comments during silence, which the SDK does not show; only Codex counts events as a
        sign of life.
        """
        config = openai_config(openai_upstream.base_url)
        nexus = serve(
            QUICK + config.replace("[llm.providers.openai.models.gpt-4]", f"responses = {str(own).lower()}", 1)
        )
        asked = RESPONSES | {"model": "openai/smart"}
        silent = Behaviour(delay=0.1, event_delay=0.1, only_before=5)
        for headers, events in (({}, False), ({"x-codex-window-id": "w:0"}, True)):
            openai_upstream.next(silent)
            with streaming(nexus, "/llm/openai/v1/responses", asked, headers) as response:
                body, ended = rest(response)
            assert ended
            kinds = [line for line in body.split(b"\n") if line.startswith(b"event: ")]
            assert (b"event: keepalive" in kinds) == events
            assert (b": nexus ping\n" in body) != events
            assert b": nexus ping\n\n" not in body, "some SDKs interpret a blank line as an event without data"
        openai_upstream.next(silent)
        with (
            openai.OpenAI(base_url=nexus.openai, api_key="unused") as client,
            client.responses.stream(model="openai/smart", input="Hi") as stream,
        ):
            told = [(event.type, event.sequence_number) for event in stream]
        assert (told[0], told[-1][0]) == (("response.created", 0), "response.completed")
        assert "keepalive" not in [kind for kind, _ in told]

    def test_a_responses_stream_that_has_not_begun_gets_comments(
        self, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(QUICK + openai_config(openai_upstream.base_url))
        go = threading.Event()
        openai_upstream.next(Behaviour(hold=go))
        with streaming(nexus, "/llm/openai/v1/responses", RESPONSES) as response:
            assert [response.readline() for _ in range(2)] == [b": nexus ping\n"] * 2
            go.set()
            body, ended = rest(response)
        assert ended
        assert body.startswith((b": nexus route=openai/gpt-4\nevent: response.created\n", b": nexus ping\n"))

    def test_codex_gets_events_instead_from_the_beginning(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = serve(QUICK + openai_config(openai_upstream.base_url))
        go = threading.Event()
        openai_upstream.next(Behaviour(hold=go))
        codex = {"x-codex-turn-metadata": "{}"}
        with streaming(nexus, "/llm/openai/v1/responses", RESPONSES, codex) as response:
            assert [response.readline() for _ in range(3)] == [
                b": nexus\n",
                b"event: keepalive\n",
                b'data: {"type":"keepalive","sequence_number":0}\n',
            ]
            go.set()
            assert rest(response)[1]

    @pytest.mark.parametrize("own", [True, False], ids=["passed through", "translated"])
    def test_the_sdk_shows_the_failure_of_a_broken_responses_stream(
        self, serve: Serve, openai_upstream: FakeUpstream, own: bool
    ) -> None:
        """It accepts only the id of the response that began."""
        config = openai_config(openai_upstream.base_url)
        nexus = serve(config.replace("[llm.providers.openai.models.gpt-4]", f"responses = {str(own).lower()}", 1))
        openai_upstream.next(Behaviour(cut_after=6))
        told: list[str] = []
        with (
            openai.OpenAI(base_url=nexus.openai, api_key="unused", max_retries=0) as client,
            client.responses.stream(model="openai/smart", input="Hi") as stream,
            suppress(openai.APIConnectionError),
        ):
            told += (event.type for event in stream)
        assert told[-2:] == ["error", "response.failed"]

    def test_a_responses_stream_without_events_is_begun_for_its_error(
        self, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        """OpenAI's SDK shows no error that comes before ``response.created``."""
        nexus = serve(QUICK + openai_config(openai_upstream.base_url))
        openai_upstream.next(*[Behaviour(status=429, delay=0.1, message="slow down, said the vendor")] * 2)
        told: list[tuple[str, str]] = []
        client = openai.OpenAI(base_url=nexus.openai, api_key="unused", max_retries=0)
        with client, client.responses.stream(model="openai/smart", input="Hi") as stream, suppress(openai.APIError):
            for event in stream:
                told.append((event.type, getattr(event, "message", "")))
        assert [kind for kind, _ in told][:2] == ["response.created", "error"]
        assert "slow down, said the vendor" in told[1][1]

    def test_a_call_that_is_not_streamed_gets_no_pings(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = serve(QUICK + openai_config(openai_upstream.base_url))
        openai_upstream.next(Behaviour(delay=0.1))
        assert nexus.chat(CHAT).json["object"] == "chat.completion"


def test_the_idle_timeout_breaks_the_stream(serve: Serve, openai_upstream: FakeUpstream) -> None:
    nexus = serve(openai_config(openai_upstream.base_url, '[llm.providers.openai.timeouts]\nidle = "100ms"\n'))
    openai_upstream.next(Behaviour(event_delay=5.0, only_before=3))
    with chat(nexus) as response:
        body, ended = rest(response)
    assert b"no data for 0.1 s" in body
    assert not ended


def test_a_vendors_own_error_event_passes_and_nothing_follows(nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
    anthropic_upstream.next(Behaviour(error_after=5, message="the vendor's own words"))
    with messages(nexus) as response:
        body, _ = rest(response)
    assert body.count(b"event: error") == 1
    assert b"the vendor's own words" in body


def test_a_stream_without_its_terminator_is_complete_once_it_has_a_finish_reason(
    nexus: Nexus, openai_upstream: FakeUpstream
) -> None:
    frame = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    openai_upstream.next(Behaviour(events=(frame,)))
    with chat(nexus) as response:
        body, ended = rest(response)
    assert ended
    assert b"error" not in body


def test_a_slow_reader_pauses_the_vendor(nexus: Nexus, openai_upstream: FakeUpstream) -> None:
    openai_upstream.next(Behaviour(endless=True, text="x" * 2000))
    with chat(nexus) as response:
        response.readline()
        openai_upstream.wait_for_stall(quiet=0.25, timeout=20)
        # Kernel buffers on both sides and one channel: far less than a gateway without backpressure would have
        # buffered.
        assert openai_upstream.bytes_sent < 40_000_000
    openai_upstream.wait_for_disconnects(1, timeout=60)
