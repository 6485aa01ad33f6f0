"""The dialect besides its answers: errors, pings, lists, and passthrough."""

import json
from typing import Any

import pytest
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent

from nexus.errors import InternalError, InvalidRequest, RateLimited, StreamInterrupted, UpstreamStatus, VendorError
from nexus.errors.failure import VendorFailure
from nexus.protocols.answer_relay import Tap
from nexus.protocols.codec import Target
from nexus.protocols.dialect import AnswerRelay, BrokenStream, ModelCard
from nexus.protocols.openai_protocol import TYPES
from nexus.protocols.operation import GENERATE
from nexus.protocols.responses.dialect import DIALECT
from nexus.protocols.responses.write_error import IN_BAND
from nexus.protocols.sse import FrameDecoder
from nexus.wire import decode
from tests.protocols.kit import relayed

from .kit import RECORDED, frames

PUBLIC = "openai/smart"
VENDOR = "gpt-5.2-2026-01-15"


def test_an_invalid_input_is_rejected() -> None:
    accepted: list[dict[str, Any]] = [{"input": "x"}, {"input": []}, {"input": None}, {"prompt": {"id": "x"}}]
    for good in accepted:
        DIALECT.check(good, GENERATE)
    with pytest.raises(InvalidRequest) as error:
        DIALECT.check({"input": 5}, GENERATE)
    assert error.value.param == "input"


def test_errors_have_openais_shape() -> None:
    body = json.loads(DIALECT.write_error(InvalidRequest("no", param="input.0"), "req_1"))
    assert body == {"error": {"message": "no", "type": "invalid_request_error", "param": "input.0", "code": None}}
    assert json.loads(DIALECT.write_error(InternalError(), "r"))["error"]["code"] == "internal_error"


def test_error_codes_for_streams_belong_to_existing_types() -> None:
    assert set(IN_BAND) <= set(TYPES)


def interrupted() -> StreamInterrupted:
    return StreamInterrupted("cut", provider="p")


def answered(body: bytes) -> UpstreamStatus:
    return UpstreamStatus(VendorFailure("slow", "rate_limit", 429, provider="p"), status=429, headers={}, body=body)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        pytest.param(interrupted(), "server_error", "cut", id="cut"),
        pytest.param(
            VendorError(VendorFailure("long", "context_length", 400)), "context_length_exceeded", "long", id="long"
        ),
        pytest.param(
            VendorError(VendorFailure("no money", "quota", 429)), "insufficient_quota", "no money", id="quota"
        ),
        pytest.param(VendorError(VendorFailure("bad", "content_policy", 400)), "invalid_prompt", "bad", id="policy"),
        pytest.param(VendorError(VendorFailure("busy", "overloaded", 529)), "server_error", "busy", id="overloaded"),
        pytest.param(
            RateLimited("slow", retry_after=1.2), "rate_limit_exceeded", "slow Please try again in 2s.", id="rate limit"
        ),
        pytest.param(answered(b'{"error":{"code":"own","message":"words"}}'), "own", "words", id="the vendor's own"),
        pytest.param(answered(b"<html>"), "server_error", "p answered 429", id="not JSON data"),
        pytest.param(InternalError(), "server_error", InternalError().message, id="bug"),
    ],
)
def test_a_broken_stream_ends_with_an_error_and_a_failed_response(error: Any, code: str, message: str) -> None:
    codex = {"originator": "codex_cli_rs"}
    first, second = frames(DIALECT.error_frame(error, BrokenStream("req_abc", "a/m", codex, 7, begun=True)))
    assert (first["type"], first["code"], first["message"]) == ("error", code, message)
    assert second["type"] == "response.failed"
    assert second["response"]["id"] == "resp_abc", "the id that a translation gives"
    assert second["response"]["error"] == {"code": code, "message": message}
    assert (second["response"]["model"], second["response"]["created_at"]) == ("a/m", 7)
    assert first["sequence_number"] < second["sequence_number"]
    assert "error" not in first, "the SDK would take it for an HTTP error"
    ResponseErrorEvent.model_validate(first, strict=True)
    if code in ("server_error", "rate_limit_exceeded", "invalid_prompt"):
        ResponseFailedEvent.model_validate(second, strict=True)


def test_the_ping_is_a_comment_that_ends_no_event() -> None:
    decoder = FrameDecoder()
    assert decoder.feed(DIALECT.ping) == [], "a blank line would end an event without data"
    [frame] = decoder.feed(b"data: {}\n\n")
    assert frame.data == "{}"


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        pytest.param({"x-codex-window-id": "w:0"}, True, id="Codex by its own headers"),
        pytest.param({"originator": "codex_exec"}, True, id="Codex by its origin"),
        pytest.param({"user-agent": "OpenAI/Python 3.57.0"}, False, id="the SDK"),
        pytest.param({}, False, id="an unknown client"),
    ],
)
def test_only_codex_gets_keepalive_events(headers: dict[str, str], counts: bool) -> None:
    event = b': nexus\nevent: keepalive\ndata: {"type":"keepalive","sequence_number":4}\n\n'
    assert DIALECT.keepalive(headers, 5) == (event if counts else b": nexus ping\n")


def test_model_lists_and_token_counts_are_written() -> None:
    models = DIALECT.write_models([ModelCard("a/b", "a", 7)], {})
    assert models["data"] == [{"id": "a/b", "object": "model", "created": 7, "owned_by": "a"}]
    assert DIALECT.write_count(5) == {"object": "response.input_tokens", "input_tokens": 5}


# -- passthrough ---------------------------------------------------------------------------------------------------


def relay() -> AnswerRelay:
    return DIALECT.passing.passthrough({}, PUBLIC, Tap())


def test_requests_change_only_in_their_model() -> None:
    raw = (
        b'{ "input":[{"type":"future","model":"openai/smart"},{"type":"additional_tools","tools":[]}],'
        b'"model" : "openai/smart", "tools":[{"type":"namespace","x":1.0,"x":1e5}], "store":true,'
        b'"previous_response_id":"resp_0" }'
    )
    edited = DIALECT.passing.edit_request(raw, decode(raw), Target(VENDOR)).body
    assert edited == raw.replace(b'"model" : "openai/smart"', b'"model" : "gpt-5.2-2026-01-15"')


def test_a_stream_is_not_complete_before_its_last_event() -> None:
    raw = RECORDED.stream("text")
    passthrough = relay()
    relayed(passthrough, raw[: raw.index(b"event: response.completed")])
    assert (passthrough.complete, passthrough.ended, passthrough.tap.stop_reason) == (False, False, None)


def test_only_a_failed_response_may_follow_an_error_event() -> None:
    passthrough = relay()
    error = b'event: error\ndata: {"type":"error","code":"server_error","message":"x","param":null}\n\n'
    assert relayed(passthrough, error) == error
    assert (passthrough.complete, passthrough.ended, passthrough.tap.stop_reason) == (False, True, "error")
    failed = b'data: {"type":"response.failed","response":{"status":"failed"}}\n\n'
    assert relayed(passthrough, failed) == failed
    assert passthrough.complete


def test_an_error_without_a_type_ends_the_stream() -> None:
    passthrough = relay()
    error = b'data: {"error":{"type":"server_error","message":"the queue is full","code":503}}\n\n'
    assert relayed(passthrough, error) == error
    assert passthrough.failure is not None
    assert (passthrough.failure.message, passthrough.failure.status) == ("the queue is full", 503)
    assert passthrough.ended
