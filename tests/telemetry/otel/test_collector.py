"""The real server exports spans, metrics and context to a real collector, and never waits for a dead one."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.telemetry.otel.exporting import LOST
from tests.conftest import Serve
from tests.scraped import Scraped
from tests.server import test_files as files
from tests.server.vendors import LANES, Lane
from tests.serving import CHAT, MESSAGES, Nexus, anthropic_config, openai_config, wait_until
from tests.telemetry.otel.collector import HttpCollector, grpc_collector
from tests.telemetry.test_correlation import PARENT, SENT, SPAN, TRACE
from tools.fake_upstream import Behaviour, FakeUpstream

STREAM = {**CHAT, "stream": True}


def telemetry(url: str, more: str = "", protocol: str = "http", tracing: str = "") -> str:
    return f"""
[telemetry]
{more}
[telemetry.exporters.otlp]
enabled = true
protocol = "{protocol}"
endpoint = "{url}"
timeout = "2s"
[telemetry.exporters.otlp.batch_export]
scheduled_delay = "100ms"
max_export_batch_size = 1
[telemetry.tracing]
{tracing}
"""


@pytest.fixture
def collector() -> Iterator[HttpCollector]:
    with HttpCollector() as collector:
        yield collector


@pytest.fixture
def serve(collector: HttpCollector, serve: Serve) -> Serve:
    """Servers stop before their collector, because they export on shutdown."""
    return serve


def metrics(nexus: Nexus, collector: HttpCollector) -> dict[str, list[Any]]:
    """The metrics exported when the server stops."""
    nexus.__exit__()
    wait_until(lambda: bool(collector.metrics))
    return collector.metrics


def points(found: dict[str, list[Any]], name: str) -> dict[tuple[Any, ...], float]:
    """Sums by model, kind of token and error."""
    sums: dict[tuple[Any, ...], float] = {}
    for told, point in found[name]:
        kind = told.get("gen_ai.token.type", told.get("gen_ai.token.modality"))
        key = (told.get("gen_ai.request.model"), kind, told.get("error.type"))
        # Points with different response models arrive in the order in which their calls ended.
        more = point.as_int if point.DESCRIPTOR.name == "NumberDataPoint" else point.sum
        sums[key] = sums.get(key, 0) + more
    return sums


def test_a_call_is_a_span_with_one_child_span_per_attempt(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url, 'service_name = "edge"'))
    openai_upstream.next(Behaviour(status=503), Behaviour(input_tokens=100, cached_tokens=40, output_tokens=7))
    reply = nexus.chat(STREAM, SENT)
    (server,) = collector.wait().server()
    first, second = sorted(collector.client(), key=lambda span: span.start)
    assert (server.trace_id, server.parent) == (TRACE, SPAN)
    assert [span.parent for span in (first, second)] == [server.span_id] * 2
    assert [seen.header("traceparent") for seen in openai_upstream.requests] == [
        f"00-{TRACE}-{span.span_id}-01" for span in (first, second)
    ]
    assert openai_upstream.requests[0].header("tracestate") == SENT["tracestate"]
    assert server.start <= first.start <= first.end <= second.start <= second.end <= server.end
    assert (server.name, [span.name for span in (first, second)]) == (
        "POST /llm/openai/v1/chat/completions",
        ["chat gpt-4"] * 2,
    )
    assert [(span.status, span.attributes.get("error.type")) for span in (server, first, second)] == [
        (0, None),
        (2, "503"),
        (0, None),
    ]
    assert (
        server.attributes
        | {
            "nexus.model.original": "openai/gpt-4",
            "nexus.tries": 2,
            "nexus.outcome": "ok",
            "nexus.call.id": reply.headers["x-nexus-request-id"],
            "nexus.request.id": SENT["x-request-id"],
            "http.response.status_code": 200,
        }
        == server.attributes
    )
    assert not [name for name in server.attributes if name.startswith("gen_ai.usage")]
    assert (
        second.attributes
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4",
            "gen_ai.request.stream": True,
            "gen_ai.usage.input_tokens": 140,
            "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.output_tokens": 7,
            "server.address": "127.0.0.1",
            "nexus.attempt": 2,
        }
        == second.attributes
    )
    assert second.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert second.attributes["gen_ai.response.time_to_first_chunk"] > 0
    assert (server.resource["service.name"], server.schema) == ("edge", "https://opentelemetry.io/schemas/gen-ai/0.1.0")


def test_input_tokens_include_cached_tokens_for_anthropic(
    serve: Serve, anthropic_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(anthropic_config(anthropic_upstream.base_url) + telemetry(collector.url))
    anthropic_upstream.next(Behaviour(input_tokens=100, cached_tokens=40, output_tokens=7))
    usage = nexus.messages(MESSAGES).json["usage"]
    (span,) = collector.wait().client()
    total = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage.get("cache_creation_input_tokens", 0)
    assert span.attributes["gen_ai.usage.input_tokens"] == total == 140
    found = metrics(nexus, collector)
    model = "claude-sonnet-4-5"
    assert points(found, "gen_ai.client.inference.usage.input_tokens") == {(model, "unknown", None): 140}
    assert points(found, "gen_ai.client.inference.usage.cache_read.input_tokens") == {(model, "unknown", None): 40}


def test_metrics_of_a_failed_and_a_successful_call(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url))
    openai_upstream.next(Behaviour(status=400), Behaviour(input_tokens=30, output_tokens=5))
    nexus.chat(STREAM)
    nexus.chat(STREAM)
    collector.wait(2)
    found = metrics(nexus, collector)
    assert found.keys() == {
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.time_per_output_chunk",
        *(f"gen_ai.client.inference.usage.{part}_tokens" for part in ("input", "output", "cache_read.input")),
        *(f"gen_ai.client.inference.usage.{part}_tokens" for part in ("cache_write.input", "reasoning.output")),
        *(f"gen_ai.client.inference.operation.{part}_tokens" for part in ("input", "output")),
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
    }
    assert {told.get("error.type"): point.count for told, point in found["gen_ai.client.inference.duration"]} == {
        None: 1,
        "400": 1,
    }
    assert points(found, "gen_ai.client.inference.usage.input_tokens") == {("gpt-4", "unknown", None): 30}


def test_the_usage_of_a_batch_is_a_span_of_its_own_and_counts_in_every_metric(
    serve: Serve, anthropic_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(files.config(None, anthropic_upstream) + telemetry(collector.url))
    with files.claude(nexus) as client:
        id = client.messages.batches.create(requests=[files.entry(0, "sonnet")]).id
        anthropic_upstream.files.run(id)
        assert len(list(client.messages.batches.results(id))) == 1
    wait_until(lambda: len(collector.client()) >= 4)
    *_, download, batch = collector.client()
    assert (download.attributes["nexus.outcome"], batch.attributes["gen_ai.usage.input_tokens"]) == ("ok", 11)
    assert len({span.span_id for span in collector.client()}) == len(collector.client())
    scraped = Scraped.of(nexus, {"Authorization": f"Bearer {files.READER}"})
    assert scraped.by("route", "usage_reports_total", known="yes") == {"claude/sonnet": 1}
    found = points(metrics(nexus, collector), "gen_ai.client.inference.usage.input_tokens")
    assert found == {("claude-sonnet-4-5", "unknown", None): 11}


def test_semconv_1_36_names_are_used_when_configured(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url, 'semconv = "1.36"'))
    openai_upstream.next(Behaviour(input_tokens=30, output_tokens=5))
    nexus.chat(STREAM)
    (span,) = collector.wait().client()
    assert span.attributes | {"gen_ai.system": "openai", "gen_ai.usage.input_tokens": 30} == span.attributes
    assert "gen_ai.provider.name" not in span.attributes and "gen_ai.request.stream" not in span.attributes
    found = metrics(nexus, collector)
    assert found.keys() == {
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
    }
    assert points(found, "gen_ai.client.token.usage") == {("gpt-4", "input", None): 30, ("gpt-4", "output", None): 5}


PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "vertex gemini": "gcp.vertex_ai",
    "vertex claude": "gcp.vertex_ai",
    "bedrock claude": "aws.bedrock",
    "bedrock converse": "aws.bedrock",
}


@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.name)
def test_every_vendor_has_its_provider_name_and_gets_our_traceparent(
    serve: Serve, lane: Lane, collector: HttpCollector, tmp_path: Path
) -> None:
    with FakeUpstream(lane.vendor) as upstream:
        nexus = serve(lane.config(upstream, tmp_path) + telemetry(collector.url))
        reply = nexus.messages({**MESSAGES, "model": "v/m"})
        (span,) = collector.wait().client()
        told = upstream.requests[-1].header("traceparent")
    assert (reply.status, told) == (200, f"00-{span.trace_id}-{span.span_id}-01")
    assert span.attributes["gen_ai.provider.name"] == PROVIDERS[lane.name]
    assert span.attributes["gen_ai.request.model"] == lane.model


SAMPLING: dict[str, tuple[str, str | None, bool]] = {
    "all": ("sampling = 1.0", None, True),
    "none": ("sampling = 0.0", None, False),
    "the caller samples": ("sampling = 0.0", PARENT, True),
    "the caller does not sample": ("sampling = 1.0", f"{PARENT[:-1]}0", False),
    "the caller's decision is ignored": ("sampling = 1.0\nparent_based_sampler = false", f"{PARENT[:-1]}0", True),
}


@pytest.mark.parametrize(("tracing", "parent", "sampled"), SAMPLING.values(), ids=SAMPLING.keys())
def test_sampling_follows_settings_and_the_callers_decision(
    serve: Serve,
    openai_upstream: FakeUpstream,
    collector: HttpCollector,
    tracing: str,
    parent: str | None,
    sampled: bool,
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url, tracing=tracing))
    nexus.chat(CHAT, {"traceparent": parent} if parent else {})
    told = openai_upstream.requests[-1].header("traceparent") or ""
    nexus.__exit__()
    assert (len(collector.spans), told[-2:]) == ((2, "01") if sampled else (0, "00"))


def test_grpc_export_sends_the_configured_headers(serve: Serve, openai_upstream: FakeUpstream) -> None:
    for received, url in grpc_collector():
        headers = '[telemetry.exporters.otlp.grpc]\nheaders = { x-api-key = "otlp-hushhush-key" }\n'
        nexus = serve(openai_config(openai_upstream.base_url) + telemetry(url, protocol="grpc") + headers)
        nexus.chat(CHAT)
        assert len(received.wait().spans) == 2
        assert received.headers[0]["x-api-key"] == "otlp-hushhush-key"
        nexus.__exit__()
        assert "gen_ai.client.inference.duration" in received.metrics


def test_http_export_sends_the_configured_headers(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    headers = '[telemetry.exporters.otlp.http]\nheaders = [{ name = "X-Api-Key", value = "otlp-hushhush-key" }]\n'
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url) + headers)
    nexus.chat(CHAT)
    collector.wait()
    assert (collector.paths[0], collector.headers[0]["x-api-key"]) == ("/v1/traces", "otlp-hushhush-key")


def test_the_span_of_a_refused_call_names_the_reason(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url))
    nexus.chat({**CHAT, "model": "openai/nothing"})
    (span,) = collector.wait().spans
    assert (span.attributes["nexus.refused_by"], span.attributes["nexus.tries"]) == ("model_not_found", 0)
    assert "gen_ai.server.request.duration" in metrics(nexus, collector)


PATHS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a stored answer": ("/llm/openai/v1/responses/resp_of_somebody", {}, "GET /llm/openai/v1/..."),
    "the Vertex format": (
        "/llm/vertex/v1/projects/p/locations/l/publishers/anthropic/models/openai/gpt-4:rawPredict",
        {**MESSAGES, "anthropic_version": "vertex-2023-10-16"},
        "POST /llm/vertex/v1/...",
    ),
}


@pytest.mark.parametrize(("path", "body", "name"), PATHS.values(), ids=PATHS.keys())
def test_span_names_contain_nothing_chosen_by_the_client(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector, path: str, body: dict[str, Any], name: str
) -> None:
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url))
    if body:
        nexus.post(path, {key: value for key, value in body.items() if key != "model"})
    else:
        nexus.request("GET", path)
    assert [span.name for span in collector.wait().server()] == [name]


def test_content_is_exported_only_with_capture_content(
    serve: Serve, openai_upstream: FakeUpstream, collector: HttpCollector
) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    secret = "sk-hushhush-house-0123456789"
    asked = {**CHAT, "tools": [tool], "messages": [{"role": "user", "content": f"Remember {secret}"}]}
    silent = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url))
    silent.chat(asked)
    collector.wait()
    assert "Remember" not in str(collector.spans)
    silent.__exit__()
    nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url, "capture_content = true"))
    openai_upstream.next(*[Behaviour(text="Noted, thank you.")] * 2)
    nexus.chat(asked)
    nexus.chat({**asked, "stream": True})
    for span in collector.wait(3).client()[1:]:
        told = span.attributes["gen_ai.input.messages"]
        assert "Remember" in told and secret not in told
        assert '"content": "Noted, thank you."' in span.attributes["gen_ai.output.messages"]


def test_a_dead_collector_does_not_delay_calls_and_barely_delays_shutdown(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.telemetry.otel.exporting.Exporting.close.__defaults__", (0.3,))
    with HttpCollector() as collector:
        collector.hold.set()
        few = "max_queue_size = 4\nmax_export_batch_size = 2"
        config = telemetry(collector.url).replace("max_export_batch_size = 1", few)
        nexus = serve(openai_config(openai_upstream.base_url) + config)
        assert [nexus.chat(CHAT).status for _ in range(3)] == [200] * 3
        assert collector.asked.wait(60)
        assert [nexus.chat(CHAT).status for _ in range(12)] == [200] * 12
        nexus.__exit__()
        exporting = nexus.server.exporting
        assert exporting is not None and exporting.lost > 0
    told = [record.getMessage() for record in caplog.records if record.name.startswith(("nexus.telemetry", "opentel"))]
    assert told.count("the OpenTelemetry collector is unavailable; what cannot be exported is dropped") == 1
    assert told[-1] == "calls that were not exported to the OpenTelemetry collector"
    assert len(told) == 2, "failed retries of the SDK are not logged"


def test_a_rejecting_collector_is_logged_once(
    serve: Serve, openai_upstream: FakeUpstream, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    # On a busy machine the last export takes longer than a second, and the SDK logs that it came after the end.
    monkeypatch.setattr("nexus.telemetry.otel.exporting.Exporting.close.__defaults__", (60.0,))
    with HttpCollector(status=401) as collector:
        nexus = serve(openai_config(openai_upstream.base_url) + telemetry(collector.url))
        for number in range(3):
            nexus.chat(CHAT)
            wait_until(lambda least=number: len(collector.paths) > least)  # type: ignore[misc]
        nexus.__exit__()
    told = [record.getMessage() for record in caplog.records if record.name.startswith(("nexus.telemetry", "opentel"))]
    assert len(told) == 2
    (lost, *_) = [record.fields for record in caplog.records if record.getMessage() == LOST]  # type: ignore[attr-defined]
    assert "401" in lost["why"], "the SDK's reason"
