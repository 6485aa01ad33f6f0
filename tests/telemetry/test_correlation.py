"""A caller's x-request-id and trace context: which are valid, where they appear, and that none forges a log line."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from nexus.headers.tracing import TraceContext, request_id
from tests.conftest import Serve
from tests.server.vendors import DIALECTS, Lane
from tests.serving import openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
SENT = {"x-request-id": "web-42/a.b:c", "traceparent": PARENT, "tracestate": "vendor=a,other=b"}

READ: dict[str, tuple[str, bool]] = {
    "a uuid": ("0b7c5f0e-5a7a-4a0e-9d0e-7f4c1f2b3a4d", True),
    "a load balancer's": ("Root=1-67891233-abcdef012345678912345678", True),
    "base64": ("Zm9v/YmFy+w==", True),
    "the longest": ("a" * 128, True),
    "too long": ("a" * 129, False),
    "nothing": ("", False),
    "two words": ("abc status=200", False),
    "a line break": ("abc\nlevel=error", False),
    "an escape": ("abc\x1b[31m", False),
    "a quote": ('abc" status="200', False),
    "two header lines": ("abc,def", False),
    "not ASCII": ("äbc", False),
}


@pytest.mark.parametrize(("value", "counts"), READ.values(), ids=READ.keys())
def test_only_short_and_safe_request_ids_are_accepted(value: str, counts: bool) -> None:
    assert request_id({"x-request-id": value}) == (value if counts else None)


CONTEXTS: dict[str, tuple[str, bool]] = {
    "sampled": (PARENT, True),
    "not sampled": (f"00-{TRACE}-{SPAN}-00", True),
    "a later version": (f"cc-{TRACE}-{SPAN}-01-what-the-future-holds", True),
    "more than version 00 has": (f"{PARENT}-more", False),
    "no version": (f"ff-{TRACE}-{SPAN}-01", False),
    "no trace": (f"00-{'0' * 32}-{SPAN}-01", False),
    "no span": (f"00-{TRACE}-{'0' * 16}-01", False),
    "capitals": (PARENT.upper(), False),
    "too short": (PARENT[:-1], False),
    "a line break": (f"{PARENT}\nx: y", False),
}


@pytest.mark.parametrize(("value", "counts"), CONTEXTS.values(), ids=CONTEXTS.keys())
def test_only_valid_w3c_trace_contexts_are_accepted(value: str, counts: bool) -> None:
    found = TraceContext.of({"traceparent": value, "tracestate": "a=b"})
    assert (found is not None) == counts
    if found is not None:
        assert found.headers == {"traceparent": value, "tracestate": "a=b"}


def test_an_overlong_tracestate_is_dropped_without_the_traceparent() -> None:
    found = TraceContext.of({"traceparent": PARENT, "tracestate": "a" * 513})
    assert found is not None and found.headers == {"traceparent": PARENT}


def call(serve: Serve, lane: Lane, upstream: FakeUpstream, folder: Path, dialect: str, sent: dict[str, str]) -> Any:
    nexus = serve(lane.config(upstream, folder))
    most = {"max_tokens": 64} if dialect == "messages" else {}
    body = {"model": "v/m", "messages": [{"role": "user", "content": "Hello!"}], **most}
    return (nexus.chat if dialect == "chat" else nexus.messages)(body, sent)


@pytest.mark.parametrize("dialect", ["chat", "messages"])
@pytest.mark.parametrize("lane", DIALECTS, ids=lambda lane: lane.name)
def test_every_vendor_gets_the_callers_ids(
    serve: Serve, lane: Lane, dialect: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The fake vendors check signatures, so signed requests must stay valid."""
    caplog.set_level(logging.INFO, "nexus")
    with FakeUpstream(lane.vendor) as upstream:
        reply = call(serve, lane, upstream, tmp_path, dialect, SENT)
        seen = upstream.requests[-1]
    assert (reply.status, {name: seen.header(name) for name in SENT}) == (200, SENT)
    assert reply.headers["x-request-id"] == SENT["x-request-id"]
    assert reply.headers["x-nexus-request-id"].startswith("req_")
    fields = line(caplog)
    assert (fields["id"], fields["request_id"], fields["trace"]) == (
        reply.headers["x-nexus-request-id"],
        SENT["x-request-id"],
        TRACE,
    )


def line(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Fields of the access log line, which is written after the client gets its answer."""

    def found() -> list[Any]:
        return [record for record in caplog.records if record.name == "nexus.access"]

    wait_until(lambda: bool(found()))
    fields: dict[str, Any] = found()[-1].fields
    return fields


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_vendors_request_id_is_returned_besides_the_callers(
    serve: Serve, openai_upstream: FakeUpstream, stream: bool
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url))
    body = {"model": "openai/gpt-4", "stream": stream, "messages": [{"role": "user", "content": "Hello!"}]}
    without = nexus.chat(body).headers
    headers = nexus.chat(body, SENT).headers
    assert headers["x-request-id"] == SENT["x-request-id"]
    assert without["x-request-id"] != headers["x-nexus-upstream-request-id"] != SENT["x-request-id"]
    assert openai_upstream.requests[0].header("x-request-id") == without["x-nexus-request-id"]
    assert openai_upstream.requests[0].header("traceparent") is None


def test_errors_return_the_callers_request_id(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url))
    refused = nexus.chat({"model": "nobody/knows", "messages": []}, SENT)
    unknown = nexus.request("GET", "/nowhere", headers=SENT)
    openai_upstream.next(Behaviour(status=400))
    vendors = nexus.chat({"model": "openai/gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}, SENT)
    assert [(reply.status, reply.headers["x-request-id"]) for reply in (refused, unknown, vendors)] == [
        (404, SENT["x-request-id"]),
        (404, SENT["x-request-id"]),
        (400, SENT["x-request-id"]),
    ]


FORGED = {"x-request-id": "abc level=error", "traceparent": "00-nonsense", "tracestate": "a=b"}


def test_invalid_ids_are_neither_forwarded_nor_logged(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if a rule forwards every client header."""
    rule = '[[llm.providers.openai.headers]]\nrule = "forward"\npattern = "^(x-|trace)"\n'
    nexus = serve(openai_config(openai_upstream.base_url, rule))
    caplog.set_level(logging.INFO, "nexus")
    reply = nexus.chat({"model": "openai/gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}, FORGED)
    seen = openai_upstream.requests[-1]
    assert seen.header("x-request-id") == reply.headers["x-nexus-request-id"]
    assert (seen.header("traceparent"), seen.header("tracestate")) == (None, None)
    assert (line(caplog)["request_id"], line(caplog)["trace"]) == (None, None)
    assert "abc level=error" not in json.dumps([*reply.headers.values()])
