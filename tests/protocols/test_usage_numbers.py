"""Token counts as servers in other languages write them: a float counts like an integer."""

import importlib

import pytest

from nexus.conversation.usage import Usage
from nexus.protocols import loader
from nexus.wire import Json, count

USAGE = {
    "chat": {"prompt_tokens": 12.0, "completion_tokens": 3.0, "prompt_tokens_details": {"cached_tokens": 2.0}},
    "responses": {"input_tokens": 12.0, "output_tokens": 3.0, "input_tokens_details": {"cached_tokens": 2.0}},
    "messages": {"input_tokens": 10.0, "output_tokens": 3.0, "cache_read_input_tokens": 2.0},
    "converse": {"inputTokens": 10.0, "outputTokens": 3.0, "cacheReadInputTokens": 2.0},
    "gemini": {"promptTokenCount": 12.0, "candidatesTokenCount": 3.0, "cachedContentTokenCount": 2.0},
}


@pytest.mark.parametrize(("dialect", "wire"), USAGE.items(), ids=USAGE)
def test_floats_are_counted(dialect: str, wire: Json) -> None:
    read = importlib.import_module(f"nexus.protocols.{dialect}.usage").read_usage
    assert read(wire) == Usage(input=10, cache_read=2, output=3)
    assert all(isinstance(value, int) for value in (read(wire).input, read(wire).cache_read, read(wire).output))


@pytest.mark.parametrize(
    ("value", "counted"),
    [
        *((12, 12), (12.0, 12), (12.2, 13), (10**400, 0), (0.0, 0), (-1.5, 0), (-1, 0)),
        *((float("inf"), 0), (float("nan"), 0), (True, 0), ("12", 0), (None, 0), ([12], 0)),
    ],
)
def test_which_values_are_counts(value: Json, counted: int) -> None:
    assert count(value) == counted


@pytest.mark.parametrize(
    ("dialect", "name"), [("responses", "input_tokens"), ("messages", "input_tokens"), ("gemini", "totalTokens")]
)
def test_a_vendors_token_count_is_read(dialect: str, name: str) -> None:
    counter = loader.vendor(dialect).count
    assert counter is not None
    assert counter.read_count({name: 7, "more": []}) == 7
    for broken in ({}, {name: "7"}, {name: -1}, {name: True}):
        with pytest.raises(ValueError, match=name):
            counter.read_count(broken)
