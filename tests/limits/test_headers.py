"""Rate limit headers, by dialect."""

import pytest

from nexus.limits.headers import headers_for
from nexus.limits.quota import SECOND, Demand, Dimension, Quota, Refused, Standing
from nexus.limits.refusal import LimitExceeded, interval_words
from nexus.protocols.messages.dialect import moment
from nexus.protocols.openai_protocol import duration

NOW = 1_790_000_000.25


def standing(dimension: Dimension, limit: int, used: int, reset: float = 60) -> Standing:
    return Standing(Quota("k", dimension, limit, 60 * SECOND, "provider p"), used, round(reset * SECOND))


THREE = (standing("input_tokens", 1000, 100), standing("output_tokens", 500, 400, 12.2), standing("requests", 10, 1))


def test_openai_clients_get_openais_headers() -> None:
    assert headers_for("chat", THREE, NOW) == {
        "x-nexus-limit": "own",
        "x-ratelimit-limit-tokens": "500",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "13s",
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "1m0s",
    }
    assert headers_for("responses", THREE, NOW) == headers_for("chat", THREE, NOW)


def test_anthropic_clients_get_anthropics_headers() -> None:
    assert headers_for("messages", THREE, NOW) == {
        "x-nexus-limit": "own",
        "anthropic-ratelimit-input-tokens-limit": "1000",
        "anthropic-ratelimit-input-tokens-remaining": "900",
        "anthropic-ratelimit-input-tokens-reset": "2026-09-21T14:14:21Z",
        "anthropic-ratelimit-output-tokens-limit": "500",
        "anthropic-ratelimit-output-tokens-remaining": "100",
        "anthropic-ratelimit-output-tokens-reset": "2026-09-21T14:13:33Z",
        "anthropic-ratelimit-requests-limit": "10",
        "anthropic-ratelimit-requests-remaining": "9",
        "anthropic-ratelimit-requests-reset": "2026-09-21T14:14:21Z",
        "anthropic-ratelimit-tokens-limit": "500",
        "anthropic-ratelimit-tokens-remaining": "100",
        "anthropic-ratelimit-tokens-reset": "2026-09-21T14:13:33Z",
    }


def test_headers_name_only_limited_dimensions() -> None:
    assert headers_for("chat", (), NOW) == {}
    assert set(headers_for("chat", THREE[2:], NOW)) == {
        "x-nexus-limit",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    }


def test_an_overdrawn_limit_reports_zero_remaining() -> None:
    headers = headers_for("chat", (standing("input_tokens", 10, 99),), NOW)
    assert headers["x-ratelimit-remaining-tokens"] == "0"


def refusal(wait: int | None) -> LimitExceeded:
    state = standing("input_tokens", 1000, 990)
    return LimitExceeded(Refused(Demand(state.quota, 20), state, wait))


def test_a_refusal_carries_rate_limit_headers() -> None:
    headers = refusal(5 * SECOND).reply_headers("chat")
    assert headers["x-nexus-limit"] == "own"
    assert headers["x-ratelimit-remaining-tokens"] == "10"
    assert "x-should-retry" not in headers


def test_a_request_above_the_limit_is_marked_as_not_retryable() -> None:
    assert refusal(None).reply_headers("messages")["x-should-retry"] == "false"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (360, "6m0s"), (3723, "1h2m3s")])
def test_durations_are_written_as_openai_writes_them(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_reset_times_are_rounded_up() -> None:
    assert moment(0.0) == "1970-01-01T00:00:00Z"
    assert moment(0.001) == "1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("interval", "text"), [(60 * SECOND, "1m"), (90 * SECOND, "90s"), (86_400 * SECOND, "1d"), (1500, "1.5ms")]
)
def test_intervals_are_named_in_their_largest_unit(interval: int, text: str) -> None:
    assert interval_words(interval) == text
