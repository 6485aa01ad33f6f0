"""The names of OpenTelemetry's GenAI conventions, in the two supported versions.

Sources, November 2026: open-telemetry/semantic-conventions-genai v0.1.0 (client-inference, gen-ai-token-metrics,
gen-ai-metrics) and open-telemetry/semantic-conventions v1.36.0 (gen-ai-spans, gen-ai-metrics).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from nexus.dataclasses import dataclass

InstrumentKind = Literal["seconds", "tokens", "sum"]
"""A histogram of seconds or tokens, or a counter of tokens ("sum")."""

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
EACH = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
TOKENS = tuple(4**power for power in range(14))


@dataclass(frozen=True, slots=True)
class OtelMetric:
    name: str
    kind: InstrumentKind
    bounds: tuple[float, ...] = ()

    @property
    def unit(self) -> str:
        return "s" if self.kind == "seconds" else "{token}"


@dataclass(frozen=True, slots=True)
class Conventions:
    """``usage`` maps a span's token attributes to parts of the usage. Metrics that a version lacks are None.
    ``counters`` and ``histograms`` are by part; the histograms are per operation.
    """

    schema_url: str
    provider: str
    usage: Mapping[str, str]
    says_stream: bool
    inference: OtelMetric
    other: OtelMetric
    first_chunk: OtelMetric | None
    each_chunk: OtelMetric | None
    counters: Mapping[str, OtelMetric]
    histograms: Mapping[str, OtelMetric]
    by_type: OtelMetric | None


REQUEST = OtelMetric("gen_ai.server.request.duration", "seconds", SECONDS)
FIRST_TOKEN = OtelMetric("gen_ai.server.time_to_first_token", "seconds", FIRST)
EACH_TOKEN = OtelMetric("gen_ai.server.time_per_output_token", "seconds", EACH)

_OPERATION = OtelMetric("gen_ai.client.operation.duration", "seconds", SECONDS)
_INFERENCE = "gen_ai.client.inference"
_USAGE: Mapping[str, str] = {
    "input_tokens": "total_input",
    "output_tokens": "total_output",
    "cache_read.input_tokens": "cache_read",
    "cache_write.input_tokens": "cache_write",
    "reasoning.output_tokens": "reasoning",
}

V0_1 = Conventions(
    schema_url="https://opentelemetry.io/schemas/gen-ai/0.1.0",
    provider="gen_ai.provider.name",
    usage={f"gen_ai.usage.{name}": part for name, part in _USAGE.items()},
    says_stream=True,
    inference=OtelMetric(f"{_INFERENCE}.duration", "seconds", SECONDS),
    other=_OPERATION,
    first_chunk=OtelMetric(f"{_INFERENCE}.time_to_first_chunk", "seconds", SECONDS),
    each_chunk=OtelMetric(f"{_INFERENCE}.time_per_output_chunk", "seconds", SECONDS),
    counters={part: OtelMetric(f"{_INFERENCE}.usage.{name}", "sum") for name, part in _USAGE.items()},
    histograms={
        "total_input": OtelMetric(f"{_INFERENCE}.operation.input_tokens", "tokens", TOKENS),
        "total_output": OtelMetric(f"{_INFERENCE}.operation.output_tokens", "tokens", TOKENS),
    },
    by_type=None,
)

V1_36 = Conventions(
    schema_url="https://opentelemetry.io/schemas/1.36.0",
    provider="gen_ai.system",
    usage={"gen_ai.usage.input_tokens": "total_input", "gen_ai.usage.output_tokens": "total_output"},
    says_stream=False,
    inference=_OPERATION,
    other=_OPERATION,
    first_chunk=None,
    each_chunk=None,
    counters={},
    histograms={},
    by_type=OtelMetric("gen_ai.client.token.usage", "tokens", TOKENS),
)

VERSIONS: Mapping[str, Conventions] = {"0.1": V0_1, "1.36": V1_36}


def metrics_of(names: Conventions) -> tuple[OtelMetric, ...]:
    found = (
        *(names.inference, names.other, names.first_chunk, names.each_chunk, names.by_type),
        *(*names.counters.values(), *names.histograms.values()),
        *(REQUEST, FIRST_TOKEN, EACH_TOKEN),
    )
    return tuple(dict.fromkeys(metric for metric in found if metric is not None))
