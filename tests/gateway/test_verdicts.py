"""How errors are classified, by status and kind, and the most important rows of the table."""

import pytest

from nexus.errors import (
    Cancelled,
    Draining,
    NexusError,
    ProtocolError,
    Unreachable,
    UnsupportedFeature,
    UpstreamStatus,
    UpstreamTimeout,
    VendorError,
)
from nexus.errors.failure import VendorFailure
from nexus.gateway.verdicts import VERDICTS, Failure, failure_of
from nexus.protocols.chat.read_error import read_error
from nexus.protocols.converse.read_error import read_error as read_bedrocks


def status(code: int, body: bytes = b"{}") -> UpstreamStatus:
    return UpstreamStatus(read_error(code, {}, body), status=code, headers={}, body=body)


def timeout(phase: str) -> UpstreamTimeout:
    return UpstreamTimeout("late", provider="v").at(phase, "late")


QUOTA = b'{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}'


def bedrocks(code: int, body: bytes) -> UpstreamStatus:
    """Source: AWS documents a 424 for ModelErrorException and ModelStreamErrorException."""
    failure = read_bedrocks(code, {"x-amzn-errortype": "ModelErrorException"}, body)
    return UpstreamStatus(failure, status=code, headers={}, body=body)


LONG = b'{"error":{"message":"long","type":"invalid_request_error","code":"context_length_exceeded"}}'
FOUND: dict[str, tuple[NexusError, bool, Failure]] = {
    "a field that the vendor lacks": (UnsupportedFeature("n"), False, "not_expressible"),
    "no name": (Unreachable("x", provider="v").at("dns", "no such host"), False, "no_connection"),
    "no connection in time": (timeout("connect"), False, "no_connection"),
    "no first byte in time": (timeout("first byte"), False, "silence"),
    "patience": (timeout("patience"), False, "silence"),
    "deadline": (timeout("deadline"), False, "over"),
    "a cut": (Unreachable("x", provider="v").at("body", "reset"), False, "breakdown"),
    "invalid JSON": (ProtocolError("x", provider="v"), False, "missing"),
    "the client disconnected": (Cancelled("x"), False, "over"),
    "the gateway stops": (Draining("x"), False, "over"),
    "an unknown 4xx": (status(418), False, "invalid"),
    "an unknown 5xx": (status(599), False, "breakdown"),
    "Bedrock's model failed": (bedrocks(424, b'{"message":"The model failed."}'), False, "breakdown"),
    "Bedrock's model rejected": (bedrocks(424, b'{"message":"x","originalStatusCode":400}'), False, "invalid"),
    "Google cancelled by itself": (VendorError(VendorFailure("x", "upstream", 499)), False, "breakdown"),
    "Bedrock's model failed in a stream": (VendorError(VendorFailure("x", "upstream", 424)), False, "breakdown"),
    "a quota as 429": (status(429, QUOTA), False, "key_refused"),
    "a quota of the caller's": (status(429, QUOTA), True, "key_refused"),
    "429 of the caller's": (status(429), True, "rate_limited"),
    "403 of the caller's": (status(403), True, "callers_key"),
    "402 of the caller's": (status(402), True, "key_refused"),
    "too long": (status(400, LONG), False, "too_long"),
    "too long, read for another dialect": (VendorError(VendorFailure("x", "context_length", 400)), False, "too_long"),
    "policy": (VendorError(VendorFailure("x", "content_policy", 400)), False, "policy"),
    "overloaded in band": (VendorError(VendorFailure("x", "overloaded", 200)), False, "overloaded"),
    "limited in band": (VendorError(VendorFailure("x", "rate_limit", 200)), False, "rate_limited"),
}


@pytest.mark.parametrize(("error", "own", "failure"), FOUND.values(), ids=FOUND.keys())
def test_how_errors_are_classified(error: NexusError, own: bool, failure: Failure) -> None:
    assert failure_of(error, own=own) == failure


def test_which_failures_stop_a_call_and_which_move_to_the_next_target() -> None:
    """Written by hand, because the generated test of all rows takes the table as correct."""
    by_next = {
        way: {name for name, verdict in VERDICTS.items() if verdict.next == way} for way in ("no", "on_overflow")
    }
    assert by_next["no"] == {"callers_key", "invalid", "policy", "after_content", "over"}
    assert by_next["on_overflow"] == {"too_long"}
    assert {name for name, verdict in VERDICTS.items() if verdict.other_key} == {
        "rate_limited",
        "key_refused",
        "key_forbidden",
        "not_here",
    }
    assert {name for name, verdict in VERDICTS.items() if verdict.again != "no"} == {
        "no_connection",
        "breakdown",
        "miswritten",
        "overloaded",
        "rate_limited",
    }
    cooldowns = {name: verdict.cooldown for name, verdict in VERDICTS.items() if verdict.cooldown and not verdict.count}
    assert cooldowns == {"rate_limited": "key_model", "key_refused": "key", "key_forbidden": "key_model"}
