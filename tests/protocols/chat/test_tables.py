"""The chat dialect's tables: unsupported fields, stop reasons, usage and errors."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.conversation.parts import StopReason
from nexus.conversation.usage import Usage
from nexus.errors.failure import FailureKind
from nexus.protocols import error_words
from nexus.protocols.chat import stops
from nexus.protocols.chat.read_error import read_error, read_stream_error
from nexus.protocols.chat.usage import merge_usage, read_usage, write_usage
from nexus.protocols.embeddings import floats
from nexus.wire import Json, encode


def test_every_stop_reason_has_a_row() -> None:
    assert set(stops._WRITE) == set(get_args(StopReason))


# usage


@given(*[st.integers(0, 9)] * 5)
def test_usage_is_read_and_written(fresh: int, cached: int, wrote: int, output: int, reasoning: int) -> None:
    usage = Usage(fresh, cached, wrote, 0, output, reasoning)
    wire = write_usage(usage)
    assert read_usage(wire) == usage
    assert wire["total_tokens"] == usage.total == wire["prompt_tokens"] + wire["completion_tokens"]


def test_the_ttl_of_a_cache_write_is_lost() -> None:
    assert read_usage(write_usage(Usage(cache_write_5m=1, cache_write_1h=2))) == Usage(cache_write_5m=3)


DETAILS: dict[str, tuple[dict[str, Json], Usage]] = {
    "nothing": ({}, Usage()),
    "nulls": ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(5, output=2)),
    "cached tokens and reasoning are included": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
        Usage(4, 16, output=5, reasoning=4),
    ),
    "LiteLLM's writes": (
        {"prompt_tokens": 9, "completion_tokens": 1, "cache_creation_input_tokens": 4},
        Usage(5, cache_write_5m=4, output=1),
    ),
    "Databricks' reads": (
        {"prompt_tokens": 9, "completion_tokens": 1, "cache_read_input_tokens": 4},
        Usage(5, 4, output=1),
    ),
    "Mistral's reads": ({"prompt_tokens": 9, "completion_tokens": 1, "num_cached_tokens": 4}, Usage(5, 4, output=1)),
    "cached tokens not included in the prompt": (
        {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 7}},
        Usage(2, 7, output=1),
    ),
    "reasoning not included in the completion": (
        {
            "prompt_tokens": 2,
            "completion_tokens": 9,
            "total_tokens": 16,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        Usage(2, output=9, reasoning=5),
    ),
    "more reasoning than completion": (
        {"prompt_tokens": 2, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 5}},
        Usage(2, output=1, reasoning=5),
    ),
    "more reasoning than completion, which the total includes (OpenRouter)": (
        {
            "prompt_tokens": 43,
            "completion_tokens": 10,
            "total_tokens": 53,
            "completion_tokens_details": {"reasoning_tokens": 11},
        },
        Usage(43, reasoning=10),
    ),
    "reasoning in the total only": (
        {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 8},
        Usage(2, output=1, reasoning=5),
    ),
    "unexpected values": ({"prompt_tokens": "5", "completion_tokens": -2, "total_tokens": True}, Usage()),
}


@pytest.mark.parametrize("case", DETAILS)
def test_usage_of_real_servers_is_read(case: str) -> None:
    wire, expected = DETAILS[case]
    assert read_usage(wire) == expected


def test_usage_merges_field_by_field() -> None:
    merged = merge_usage(
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}},
        {"prompt_tokens": None, "completion_tokens": 3, "prompt_tokens_details": {"audio_tokens": 0}},
    )
    assert read_usage(merged) == Usage(3, 2, output=3)


# errors


def _openai(code: str | None, kind: str = "invalid_request_error") -> Json:
    return {"error": {"message": "said", "type": kind, "param": None, "code": code}}


FAILURES: dict[str, tuple[int, Json, str]] = {
    "context": (400, _openai("context_length_exceeded"), "context_length"),
    "llama.cpp's context": (
        400,
        {"error": {"code": 400, "message": "said", "type": "exceed_context_size_error", "n_ctx": 1}},
        "context_length",
    ),
    "key": (401, _openai("invalid_api_key"), "authentication"),
    "status only": (401, _openai(None), "authentication"),
    "quota": (429, _openai("insufficient_quota", "insufficient_quota"), "quota"),
    "rate": (429, _openai("rate_limit_exceeded", "tokens"), "rate_limit"),
    "payment": (402, {"error": {"message": "said", "code": 402}}, "quota"),
    "model": (404, _openai("model_not_found"), "model_not_found"),
    "path": (404, _openai(None), "not_found"),
    "Mistral, model": (400, _openai("1500", "invalid_model"), "model_not_found"),
    "Azure deployment": (404, _openai("DeploymentNotFound"), "model_not_found"),
    "Azure filter": (
        400,
        {"error": {"message": "said", "code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        "content_policy",
    ),
    "policy": (400, _openai("content_policy_violation"), "content_policy"),
    "region": (403, _openai("unsupported_country_region_territory", "request_forbidden"), "permission"),
    "large": (413, _openai(None), "request_too_large"),
    "overloaded": (503, _openai(None, "server_error"), "overloaded"),
    "busy by code": (500, _openai("server_overloaded", "server_error"), "overloaded"),
    "server": (500, _openai(None, "server_error"), "upstream"),
    "Groq, tool call": (400, _openai("tool_use_failed"), "upstream"),
    "Groq, JSON": (400, _openai("json_validate_failed"), "upstream"),
    "timeout": (504, _openai(None), "timeout"),
    "Google": (429, [{"error": {"code": 429, "message": "said", "status": "RESOURCE_EXHAUSTED"}}], "rate_limit"),
    "vLLM": (400, {"object": "error", "message": "said", "type": "BadRequestError", "code": 400}, "invalid_request"),
    "Ollama": (404, {"error": "said"}, "not_found"),
    "FastAPI": (422, {"detail": "said"}, "invalid_request"),
    "teapot": (418, {"message": "said"}, "invalid_request"),
    "unexpected code": (400, {"error": {"message": "said", "code": {"a": 1}, "type": 5}}, "invalid_request"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_errors_are_classified(case: str) -> None:
    status, body, kind = FAILURES[case]
    read = read_error(status, {"x-request-id": "req_1", "retry-after": "2"}, encode(body))
    assert (read.kind, read.status, read.message) == (kind, status, "said")
    assert (read.request_id, read.retry_after) == ("req_1", 2.0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error":{}}', b'{"detail":[{"loc":[]}]}', b"7"])
def test_errors_without_a_message_are_classified_by_status(body: bytes) -> None:
    read = read_error(502, {}, body)
    assert read.kind == "upstream" and "502" in read.message
    assert read.request_id is None and read.retry_after is None


def test_every_kind_is_known_and_has_a_status() -> None:
    assert set(error_words.STATUS_OF) == set(get_args(FailureKind))


def test_error_messages_never_decide_the_kind() -> None:
    """Except that a conversation is too long: tests/protocols/test_context_length.py."""
    read = read_error(400, {}, encode({"error": {"message": "rate_limit_exceeded quota content_filter"}}))
    assert read.kind == "invalid_request"


def test_a_code_of_many_digits_is_no_status() -> None:
    """Python refuses to read so many."""
    failure = read_stream_error({"error": {"message": "said", "code": "9" * 5000}})
    assert (failure.kind, failure.message) == ("upstream", "said")


@pytest.mark.parametrize("number", [10**400, 1e300], ids=["integer", "float"])
def test_numbers_that_no_vector_has_are_a_broken_answer(number: float) -> None:
    with pytest.raises(ValueError, match="vector"):
        floats([number])
