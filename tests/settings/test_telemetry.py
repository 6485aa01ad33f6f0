"""[telemetry]: invalid settings and their messages."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from nexus.settings import SettingsError, load, secrets
from nexus.settings.telemetry import NO_OTEL
from tests.serving import openai_config

REFUSED: dict[str, tuple[str, str]] = {
    "another version": ('[telemetry]\nsemconv = "1.37"', "telemetry.semconv"),
    "logs": ("[telemetry.logs]", "telemetry.logs: is not supported: the log goes to stderr"),
    "propagation": ("[telemetry.tracing.propagation]\ntrace_context = true", "telemetry.tracing.propagation: is not"),
    "collect": ("[telemetry.tracing.collect]\nmax_events_per_span = 1", "telemetry.tracing.collect: is not supported"),
    "concurrent exports": (
        "[telemetry.exporters.otlp.batch_export]\nmax_concurrent_exports = 2",
        "telemetry.exporters.otlp.batch_export.max_concurrent_exports: is not supported",
    ),
    "sampling": ("[telemetry.tracing]\nsampling = 1.5", "telemetry.tracing.sampling"),
    "too long a wait": ('[telemetry.exporters.otlp]\ntimeout = "2m"', "telemetry.exporters.otlp.timeout"),
    "a key that grpc keeps": (
        '[telemetry.exporters.otlp.grpc]\nheaders = { grpc-timeout = "1" }',
        "telemetry.exporters.otlp.grpc.headers: has a name that begins with grpc-",
    ),
    "the other protocol's table": (
        '[telemetry.exporters.otlp]\nenabled = true\n[telemetry.exporters.otlp.http]\nheaders = { a = "b" }',
        "telemetry.exporters.otlp.http: has no effect with protocol",
    ),
    "a path for grpc": (
        '[telemetry.exporters.otlp]\nenabled = true\nendpoint = "http://c:4317/v1"',
        "telemetry.exporters.otlp.endpoint: has a path",
    ),
    "credentials in the address": (
        '[telemetry.exporters.otlp]\nendpoint = "http://u:p@c:4317"',
        "telemetry.exporters.otlp.endpoint: must not contain credentials",
    ),
    "half a certificate": (
        f'[telemetry.exporters.otlp.grpc.tls]\ncert = "{__file__}"',
        "telemetry.exporters.otlp.grpc.tls.key: is missing",
    ),
    "a file that cannot exist": (
        '[telemetry.exporters.otlp.http.tls]\nca = "ca\\u0000.pem"',
        "telemetry.exporters.otlp.http.tls.ca: names no file that exists",
    ),
}


def problems(folder: Path, toml: str) -> str:
    file = folder / "nexus.toml"
    file.write_text(openai_config("http://127.0.0.1:9") + toml)
    with pytest.raises(SettingsError) as refused:
        load(file, {})
    return "\n".join(str(problem) for problem in refused.value.problems)


@pytest.mark.parametrize(("toml", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_settings_are_reported_by_name(toml: str, said: str, tmp_path: Path) -> None:
    assert said in problems(tmp_path, toml)


def test_a_missing_package_is_reported_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def lacking(name: str, package: str | None = None) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
        return find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", lacking)
    said = problems(tmp_path, "[telemetry.exporters.otlp]\nenabled = true")
    assert f"telemetry.exporters.otlp.enabled: {NO_OTEL}" in said
    assert "pip install 'nexus-llm-router[otel]'" in said


def test_exporter_headers_are_secrets(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    listed = 'headers = [{ name = "X-Api-Key", value = "otlp-hushhush-key" }]'
    file.write_text(openai_config("http://127.0.0.1:9") + f"[telemetry.exporters.otlp.grpc]\n{listed}\n")
    settings = load(file, {})
    assert "otlp-hushhush-key" in secrets(settings) and "otlp-hushhush-key" not in repr(settings)
    assert [*settings.telemetry.exporters.otlp.grpc.headers] == ["x-api-key"]


def test_a_nexus_0_6_file_keeps_its_meaning(tmp_path: Path) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text(
        openai_config("http://127.0.0.1:9")
        + """
[telemetry]
service_name = "edge"
resource_attributes = { region = "eu" }
[telemetry.exporters.otlp]
enabled = true
endpoint = "http://collector:4317"
protocol = "grpc"
timeout = "60s"
[telemetry.exporters.otlp.batch_export]
scheduled_delay = "5s"
max_queue_size = 2048
max_export_batch_size = 512
[telemetry.tracing]
sampling = 0.15
parent_based_sampler = false
[telemetry.metrics.exporters.otlp]
enabled = true
protocol = "http"
endpoint = "http://metrics:4318"
"""
    )
    telemetry = load(file, {}).telemetry
    assert telemetry.traces_to is not None and telemetry.traces_to.url == "http://collector:4317"
    assert telemetry.metrics_to is not None and telemetry.metrics_to.url == "http://metrics:4318"
