"""Event streams converted to server-sent events: events unchanged for any chunking, errors by name, and truncation
never hidden.
"""

import json
import random
from typing import Any

import pytest

from nexus.cancel import Cancel
from nexus.errors import NexusError, ProtocolError, Unreachable, UpstreamTimeout
from nexus.protocols.eventstream import EventMessage, encode, event_message
from nexus.protocols.sse import Frame, FrameDecoder
from nexus.providers.bedrock.replies import EVENT_STREAM, StreamReply, Writer, write_converse_event, write_invoke_event
from nexus.upstream.request import LocalReply, UpstreamReply
from nexus.wire import encode as encode_json
from tests.providers.bedrock.fakes import (
    CONVERSE_EVENTS,
    CONVERSE_STREAM,
    MESSAGE_EVENTS,
    MESSAGE_STREAM,
    Fake,
    answer,
    chunk,
    exception,
    provider,
    provider_request,
    stream,
)

INVOKE, CONVERSE = write_invoke_event, write_converse_event


def pieces_of(raw: bytes) -> dict[str, list[bytes]]:
    """The same bytes, cut in four ways."""
    rng, cut = random.Random(7), []
    rest = raw
    while rest:
        size = rng.randint(1, 40)
        cut.append(rest[:size])
        rest = rest[size:]
    halves = [raw[: len(raw) // 2], raw[len(raw) // 2 :]]
    return {"whole": [raw], "halves": halves, "random": cut, "bytes": [bytes([byte]) for byte in raw]}


def reading(raw: bytes | list[bytes], write: Writer, request_id: str = "") -> tuple[list[Frame], NexusError | None]:
    """The resulting frames, and the error after them."""
    headers = {"content-type": EVENT_STREAM} | ({"x-amzn-requestid": request_id} if request_id else {})
    reply = StreamReply(LocalReply(200, headers, [raw] if isinstance(raw, bytes) else raw), "bedrock", write)
    decoder, frames = FrameDecoder(), []
    try:
        while piece := reply.read():
            frames += decoder.feed(piece)
    except NexusError as error:
        return frames, error
    finally:
        assert decoder.rest == b""
    return frames, None


def events(frames: list[Frame]) -> list[tuple[str | None, Any]]:
    return [(frame.event, json.loads(frame.data or "")) for frame in frames]


@pytest.mark.parametrize("cut", ["whole", "halves", "random", "bytes"])
class TestStreams:
    def test_events_of_messages_are_read_in_any_pieces(self, cut: str) -> None:
        frames, error = reading(pieces_of(MESSAGE_STREAM)[cut], INVOKE)
        assert error is None
        assert events(frames) == [(event["type"], event) for event in MESSAGE_EVENTS]

    def test_events_of_converse_are_read_in_any_pieces(self, cut: str) -> None:
        frames, error = reading(pieces_of(CONVERSE_STREAM)[cut], CONVERSE)
        assert error is None
        assert events(frames) == list(CONVERSE_EVENTS)

    def test_a_corrupt_frame_is_an_error_after_the_frames_before_it(self, cut: str) -> None:
        broken = bytearray(MESSAGE_STREAM)
        start = len(MESSAGE_STREAM) - len(chunk(MESSAGE_EVENTS[-1]))
        broken[start + 60] ^= 1
        frames, error = reading(pieces_of(bytes(broken))[cut], INVOKE)
        assert len(frames) == len(MESSAGE_EVENTS) - 1
        assert isinstance(error, ProtocolError)
        assert "Checksum" in error.message

    def test_a_cut_stream_is_an_error(self, cut: str) -> None:
        frames, error = reading(pieces_of(MESSAGE_STREAM[:-1])[cut], INVOKE)
        assert len(frames) == len(MESSAGE_EVENTS) - 1
        assert isinstance(error, Unreachable)


def test_the_json_of_an_event_does_not_change() -> None:
    raw = b'{ "type" : "new_event", "x": 1.0e5, "y":"\\u00e4\xc3\xa4\xe2\x80\xa8", "x": 2 }'
    frames, _ = reading(chunk(raw), INVOKE)
    assert frames[0].raw == b"event: new_event\ndata: " + raw + b"\n\n"


def test_line_ends_between_tokens_do_not_end_the_event() -> None:
    frames, _ = reading(chunk(b'{"type":\n"ping",\r\n"x": 1}'), INVOKE)
    assert events(frames) == [("ping", {"type": "ping", "x": 1})]


def test_an_initial_response_is_not_an_event() -> None:
    frames, error = reading(event_message("initial-response", b"{}") + MESSAGE_STREAM, INVOKE)
    assert (len(frames), error) == (len(MESSAGE_EVENTS), None)


FAILURES = {
    "throttlingException": ("Too many tokens, please wait.", "rate_limit_error"),
    "serviceUnavailableException": ("Try later.", "overloaded_error"),
    "validationException": ("prompt is too long: 9 tokens > 8 maximum", "invalid_request_error"),
    "modelTimeoutException": ("It took too long.", "timeout_error"),
    "internalServerException": ("It failed.", "api_error"),
    "modelStreamErrorException": ("It broke.", "api_error"),
    "somethingNewException": ("It is new.", "api_error"),
}


@pytest.mark.parametrize(("name", "failure"), FAILURES.items(), ids=FAILURES.keys())
def test_an_exception_becomes_the_dialects_error(name: str, failure: tuple[str, str]) -> None:
    words, kind = failure
    frames, error = reading(chunk(MESSAGE_EVENTS[0]) + exception(name, words), INVOKE, request_id="aws-1")
    assert error is None
    assert events(frames)[1:] == [
        ("error", {"type": "error", "error": {"type": kind, "message": words}, "request_id": "aws-1"})
    ]


def test_an_error_message_becomes_the_dialects_error() -> None:
    message = EventMessage(
        b"", {":message-type": "error", ":error-code": "ThrottlingException", ":error-message": "slow"}
    )
    frames, _ = reading(encode(message), INVOKE)
    assert events(frames)[0][1]["error"] == {"type": "rate_limit_error", "message": "slow"}


def test_converse_keeps_exceptions_for_its_reader() -> None:
    frames, error = reading(exception("throttlingException", "slow"), CONVERSE)
    assert error is None
    assert events(frames) == [("throttlingException", {"message": "slow"})]


GARBAGE = {
    "not an event stream": b"<html>" * 10,
    "invalid base64": event_message("chunk", encode_json({"bytes": "%%%"})),
    "invalid JSON inside": chunk(b"garbage"),
    "no type": chunk(b'{"a":1}'),
    "a type that would be a line": chunk(b'{"type":"a\\nb"}'),
    "invalid JSON": event_message("chunk", b"garbage"),
    "no kind": encode(EventMessage(b"{}", {})),
}


@pytest.mark.parametrize("raw", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_a_protocol_error_after_the_valid_events(raw: bytes) -> None:
    frames, error = reading(chunk(MESSAGE_EVENTS[0]) + raw, INVOKE)
    assert len(frames) == 1
    assert isinstance(error, ProtocolError)
    assert error.provider == "bedrock"


# -- over the wire -----------------------------------------------------------------------------------------------


def opened(url: str, cancel: Cancel | None = None, **more: Any) -> UpstreamReply:
    bedrock = provider(url)
    return bedrock.send(bedrock.prepare(provider_request(**more)), cancel or Cancel())


def test_a_broken_connection_is_unreachable() -> None:
    broken = stream(MESSAGE_STREAM[:-20], ends=False)
    with Fake([broken]) as fake, opened(fake.url, stream=True) as reply, pytest.raises(Unreachable):
        list(iter(reply.read, b""))


def test_a_whole_answer_passes() -> None:
    with Fake([answer(b'{ "id": 1.0 }', x_amzn_requestid="aws-2")]) as fake, opened(fake.url) as reply:
        assert (reply.read(), reply.read()) == (b'{ "id": 1.0 }', b"")
        assert reply.headers["request-id"] == "aws-2"


def test_a_silent_stream_is_a_timeout() -> None:
    with Fake([stream(chunk(MESSAGE_EVENTS[0]), stalls=True)]) as fake, opened(fake.url, stream=True) as reply:
        assert reply.read()
        reply.end_within(0.05)
        with pytest.raises(UpstreamTimeout):
            reply.read()


def test_a_message_that_never_ends_is_a_timeout() -> None:
    begun = chunk(MESSAGE_EVENTS[0])[:-1]
    with Fake([stream(begun, stalls=True)]) as fake, opened(fake.url, stream=True) as reply:
        reply.begin_piece(0.05)
        with pytest.raises(UpstreamTimeout):
            reply.read()


SAID: dict[str, tuple[int, bytes, str, tuple[str, str] | None]] = {
    # status, body, x-amzn-errortype, kind and message (None: the body is already in the dialect)
    "throttled": (429, b'{"message":"Too many requests"}', "ThrottlingException", ("rate_limit", "Too many requests")),
    "no access": (403, b'{"Message":"no"}', "AccessDeniedException", ("permission", "no")),
    "no such model": (404, b'{"message":"gone"}', "ResourceNotFoundException", ("model_not_found", "gone")),
    "wrong": (
        400,
        b'{"message":"messages: at least one"}',
        "ValidationException",
        ("invalid_request", "messages: at least one"),
    ),
    "Claude's own": (400, b'{"type":"error","error":{"type":"invalid_request_error","message":"x"}}', "", None),
    "invalid JSON": (502, b"Bad gateway", "", ("upstream", "Bad gateway")),
}


@pytest.mark.parametrize(("status", "body", "kind", "expected"), SAID.values(), ids=SAID.keys())
def test_errors_keep_their_messages(status: int, body: bytes, kind: str, expected: tuple[str, str] | None) -> None:
    headers = {"x_amzn_requestid": "aws-3"} | ({"x_amzn_errortype": f"{kind}:http://internal/"} if kind else {})
    with Fake([answer(body, status, **headers)]) as fake:
        bedrock = provider(fake.url)
        with opened(fake.url) as reply:
            read = reply.read()
            assert (reply.status, read, reply.read()) == (status, body, b"")
            failure = bedrock.read_error("messages", reply.status, reply.headers, read)
    if expected is None:
        assert failure is None
        # A reader of another dialect still understands it.
        assert bedrock.read_error("converse", status, {}, body) is not None
    else:
        assert failure is not None
        assert (failure.kind, failure.message, failure.request_id) == (*expected, "aws-3")
