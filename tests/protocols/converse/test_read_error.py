"""Errors are classified by type and status, never by their messages."""

import json

import pytest

from nexus.protocols.converse.read_error import read_error

from .published import service

BY_TYPE = {
    "AccessDeniedException": (403, "permission"),
    "UnrecognizedClientException": (403, "authentication"),
    "ExpiredTokenException": (403, "authentication"),
    "InvalidSignatureException": (403, "authentication"),
    "IncompleteSignatureException": (400, "authentication"),
    "MissingAuthenticationTokenException": (403, "authentication"),
    "ResourceNotFoundException": (404, "model_not_found"),
    "UnknownOperationException": (404, "not_found"),
    "ThrottlingException": (429, "rate_limit"),
    "TooManyRequestsException": (429, "rate_limit"),
    "ServiceQuotaExceededException": (400, "quota"),
    "ModelNotReadyException": (429, "overloaded"),
    "ServiceUnavailableException": (503, "overloaded"),
    "ModelTimeoutException": (408, "timeout"),
    "ModelErrorException": (424, "upstream"),
    "InternalServerException": (500, "upstream"),
    "InternalServerError": (500, "upstream"),
    "ValidationException": (400, "invalid_request"),
    "SerializationException": (400, "invalid_request"),
}


@pytest.mark.parametrize(("name", "expected"), BY_TYPE.items())
@pytest.mark.parametrize("form", ["{}", "{}:http://internal.amazon.com/coral/com.amazon.bedrock/", "aws.bedrock#{}"])
def test_errors_are_classified_by_type(name: str, expected: tuple[int, str], form: str) -> None:
    status, kind = expected
    body = b'{"message":"as the vendor says it"}'
    from_header = read_error(status, {"x-amzn-errortype": form.format(name), "x-amzn-requestid": "r-1"}, body)
    in_body = read_error(status, {}, json.dumps({"__type": form.format(name), "Message": "as it says"}).encode())
    assert (from_header.kind, from_header.status, from_header.request_id) == (kind, status, "r-1")
    assert from_header.message == "as the vendor says it"
    assert (in_body.kind, in_body.message, in_body.request_id) == (kind, "as it says", None)


@pytest.mark.parametrize("operation", ["Converse", "ConverseStream"])
def test_every_published_error_has_a_row(operation: str) -> None:
    for shape in service().operation_model(operation).error_shapes:
        assert BY_TYPE[shape.name][0] == shape.metadata["error"]["httpStatusCode"]


def test_messages_of_other_errors_do_not_decide_the_kind() -> None:
    body = b'{"message":"ThrottlingException: too many tokens, please wait; the content filter blocked it"}'
    assert read_error(400, {"x-amzn-errortype": "ValidationException"}, body).kind == "invalid_request"
    body = b'{"message":"ValidationException: Input is too long for requested model."}'
    assert read_error(429, {"x-amzn-errortype": "ThrottlingException"}, body).kind == "rate_limit"


def test_the_status_of_the_models_own_server_decides() -> None:
    body = b'{"message":"failed","originalStatusCode":503,"resourceName":"m"}'
    assert read_error(424, {"x-amzn-errortype": "ModelErrorException"}, body).kind == "overloaded"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"message":7}', b"\xff"])
def test_malformed_bodies_still_give_an_error(body: bytes) -> None:
    error = read_error(400, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, body)
    assert error.message and error.retry_after == 0.0
