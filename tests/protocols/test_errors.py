"""Every error, as clients of either dialect read it.

The table below names every error class and every kind of vendor failure; a test walks the class tree to prove it.
"""

import json
from collections.abc import Iterator
from typing import get_args

import pytest
from openai.types.shared import ErrorObject

from nexus import errors
from nexus.errors import MethodNotAllowed, NexusError, UpstreamError, UpstreamStatus, VendorError
from nexus.errors.failure import FailureKind, VendorFailure
from nexus.protocols.dialect import BrokenStream
from nexus.protocols.loader import DIALECTS
from nexus.protocols.messages.write_error import write_error as write_messages
from nexus.protocols.openai_protocol import write_error as write_chat

INVALID = "invalid_request_error"

# Class: status, type and code for chat, type for messages.
TREE: dict[type[NexusError], tuple[int, str, str | None, str]] = {
    errors.NexusError: (500, "server_error", "internal_error", "api_error"),
    errors.ClientError: (400, INVALID, None, INVALID),
    errors.InvalidRequest: (400, INVALID, None, INVALID),
    errors.UnsupportedFeature: (400, INVALID, "unsupported_feature", INVALID),
    errors.AuthenticationFailed: (401, INVALID, "invalid_api_key", "authentication_error"),
    errors.PermissionDenied: (403, "permission_error", None, "permission_error"),
    errors.NotFound: (404, INVALID, "not_found", "not_found_error"),
    errors.ModelNotFound: (404, INVALID, "model_not_found", "not_found_error"),
    errors.MethodNotAllowed: (405, INVALID, "method_not_allowed", INVALID),
    errors.NoWebSocket: (426, INVALID, "no_websocket", INVALID),
    errors.RequestTooLarge: (413, INVALID, "request_too_large", "request_too_large"),
    errors.RequestTimeout: (408, INVALID, "request_timeout", "timeout_error"),
    errors.HeadTooLarge: (431, INVALID, "head_too_large", INVALID),
    errors.UnsupportedMediaType: (415, INVALID, "unsupported_media_type", INVALID),
    errors.RateLimited: (429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"),
    errors.Overloaded: (503, "server_error", "overloaded", "overloaded_error"),
    errors.ContextTooLong: (400, INVALID, "context_length_exceeded", INVALID),
    errors.Draining: (503, "server_error", "overloaded", "overloaded_error"),
    errors.UpstreamError: (502, "server_error", None, "api_error"),
    errors.Unreachable: (502, "server_error", "upstream_unreachable", "api_error"),
    errors.UpstreamTimeout: (504, "server_error", "upstream_timeout", "timeout_error"),
    errors.ProtocolError: (502, "server_error", "upstream_protocol", "api_error"),
    errors.UpstreamStatus: (418, "server_error", None, "api_error"),
    errors.VendorError: (418, "server_error", None, "api_error"),
    errors.StreamInterrupted: (502, "server_error", "stream_interrupted", "api_error"),
    errors.Cancelled: (499, "server_error", "cancelled", "api_error"),
    errors.InternalError: (500, "server_error", "internal_error", "api_error"),
}

# Vendor failures by kind: type and code for chat, type for messages.
FAILURES: dict[FailureKind, tuple[str, str | None, str]] = {
    "invalid_request": (INVALID, None, INVALID),
    "authentication": (INVALID, "invalid_api_key", "authentication_error"),
    "permission": ("permission_error", None, "permission_error"),
    "model_not_found": (INVALID, "model_not_found", "not_found_error"),
    "not_found": (INVALID, "not_found", "not_found_error"),
    "request_too_large": (INVALID, "request_too_large", "request_too_large"),
    "context_length": (INVALID, "context_length_exceeded", INVALID),
    "content_policy": (INVALID, "content_policy_violation", INVALID),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded", "rate_limit_error"),
    "quota": ("insufficient_quota", "insufficient_quota", "rate_limit_error"),
    "overloaded": ("server_error", "overloaded", "overloaded_error"),
    "timeout": ("server_error", "upstream_timeout", "timeout_error"),
    "upstream": ("server_error", None, "api_error"),
}

# Anthropic's documented error types.
DOCUMENTED = {
    INVALID,
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
}

MESSAGE = 'it "broke" at é'


def tree(root: type[NexusError] = NexusError) -> Iterator[type[NexusError]]:
    if root is not errors.ErrorAnswer:  # Only its kinds are raised.
        yield root
    for branch in root.__subclasses__():
        if branch.__module__ == errors.__name__:
            yield from tree(branch)


def answered(body: bytes) -> UpstreamStatus:
    failure = VendorFailure(MESSAGE, "upstream", 418, provider="vendor")
    return UpstreamStatus(failure, status=418, headers={}, body=body)


def an(kind: type[NexusError]) -> NexusError:
    if kind is errors.InternalError:
        return errors.InternalError()
    if kind is errors.ContextTooLong:
        return errors.ContextTooLong(9, 8)
    if kind is UpstreamStatus:
        return answered(b"<html>")
    if issubclass(kind, VendorError):
        return kind(VendorFailure(MESSAGE, "upstream", 418))
    if issubclass(kind, UpstreamError):
        return kind(MESSAGE, provider="vendor")
    if issubclass(kind, MethodNotAllowed):
        return kind(MESSAGE, allow=("GET",))
    return kind(MESSAGE, param="messages")


def check_chat(body: bytes, error: NexusError, kind: str, code: str | None) -> None:
    written = json.loads(body)
    assert list(written) == ["error"]
    assert written["error"] == {"message": error.message, "type": kind, "param": error.param, "code": code}
    ErrorObject.model_validate(written["error"], strict=True)


def check_messages(body: bytes, error: NexusError, kind: str, words: str = "") -> None:
    assert kind in DOCUMENTED
    inner = {"type": kind, "message": words + error.message}
    assert json.loads(body) == {"type": "error", "error": inner, "request_id": "req_1"}


def in_band(dialect: str, error: NexusError) -> bytes:
    """The data of what ends a broken stream."""
    return DIALECTS[dialect].error_frame(error, BrokenStream("req_1", "m", {}, 0, True)).partition(b"data: ")[2]


def test_the_tables_are_complete() -> None:
    assert set(tree()) == set(TREE)
    assert set(FAILURES) == set(get_args(FailureKind))


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.__name__) for kind in TREE])
def test_every_error_is_written_in_both_dialects(kind: type[NexusError]) -> None:
    status, chat_type, chat_code, messages_type = TREE[kind]
    error = an(kind)
    assert error.status == status
    for chat in (write_chat(error), in_band("chat", error)):
        check_chat(chat, error, chat_type, chat_code)
    for messages in (write_messages(error, "req_1"), in_band("messages", error)):
        check_messages(messages, error, messages_type)


@pytest.mark.parametrize("kind", sorted(FAILURES))
def test_every_vendor_failure_is_written_in_both_dialects(kind: FailureKind) -> None:
    chat_type, chat_code, messages_type = FAILURES[kind]
    error = VendorError(VendorFailure(MESSAGE, kind, 400, provider="vendor", request_id="theirs"))
    check_chat(write_chat(error), error, chat_type, chat_code)
    # Claude Code recognizes by these words that it must compact.
    words = "prompt is too long: " if kind == "context_length" else ""
    check_messages(write_messages(error, "req_1"), error, messages_type, words)


def test_a_message_with_the_words_is_not_prefixed() -> None:
    error = VendorError(VendorFailure("prompt is too long: 9 > 8", "context_length", 400))
    check_messages(write_messages(error, "req_1"), error, INVALID)


def test_internal_errors_reveal_no_details() -> None:
    expected = "internal error in the gateway; the log has the details under this request id"
    assert errors.InternalError().message == expected


def test_an_unknown_kind_is_internal() -> None:
    class Novel(NexusError):
        kind = "novel"

    check_chat(write_chat(Novel(MESSAGE)), Novel(MESSAGE), "server_error", "internal_error")
    check_messages(write_messages(Novel(MESSAGE), "req_1"), Novel(MESSAGE), "api_error")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}, id="usual"),
        pytest.param({"error": {"message": "x", "future": [1]}, "also": 1}, id="more fields"),
    ],
)
def test_a_vendors_error_keeps_its_fields_in_a_chat_stream(said: dict[str, object]) -> None:
    error = answered(json.dumps(said).encode())
    assert json.loads(in_band("chat", error)) == said


def test_a_vendors_error_keeps_its_fields_in_a_messages_stream() -> None:
    said = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "theirs"}
    assert json.loads(in_band("messages", answered(json.dumps(said).encode()))) == said
