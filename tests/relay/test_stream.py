"""When each part of a stream is forwarded, for every way its bytes may be chunked."""

import json
from collections.abc import Callable, Iterator

import pytest

from nexus.conversation.parts import Request
from nexus.errors import ProtocolError, StreamInterrupted, Unreachable, UpstreamError, VendorError
from nexus.headers.redaction import Redactor
from nexus.protocols.codec import VendorRequest
from nexus.protocols.loader import DIALECTS
from nexus.relay.call_state import Attempt
from nexus.relay.stream import MAX_HELD, Stream
from nexus.relay.translation import Translation
from nexus.upstream.request import LocalReply
from tests.laws.kit import new_attempt


def event(kind: str, **members: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "house/alias", "content": [], "usage": {}}
START = event("message_start", message=MESSAGE)
PING = event("ping")
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
WORD = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Grüße"})
MORE = event("content_block_delta", index=0, delta={"type": "text_delta", "text": " again"})
CLOSE = event("content_block_stop", index=0)
STOP = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1})
END = event("message_stop")
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
GARBAGE = b"event: content_block_delta\ndata: {broken\n\n"

BEGINNING = START + BLOCK + PING

Pieces = Callable[[bytes], Iterator[bytes]]


def by(size: int) -> Pieces:
    return lambda raw: (raw[at : at + size] for at in range(0, len(raw), size))


CUTS: dict[str, Pieces] = {
    "whole": lambda raw: iter([raw]),
    "byte by byte": by(1),
    **{f"by {size}": by(size) for size in (7, 64, 200)},
}

cuts = pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())


def run(attempt: Attempt, raw: bytes, cut: Pieces) -> tuple[list[bytes], UpstreamError | None]:
    """The forwarded pieces, and the error that ended them."""
    client, call = attempt.call.dialect, attempt.call
    if client == "messages":
        relay = DIALECTS[client].passing.passthrough(call.document, call.model, attempt.tap)
    else:
        relay = Translation(attempt, Request(()), "messages", "m", VendorRequest({}))
    stream = Stream(attempt, relay, LocalReply(200, {}, cut(raw)), Redactor.of(()), passes=True)
    pieces: list[bytes] = []
    try:
        for piece in stream.pieces():
            pieces.append(piece)
    except UpstreamError as error:
        return pieces, error
    return pieces, None


@pytest.fixture
def passed() -> Attempt:
    return new_attempt("messages", stream=True)


@pytest.fixture(params=["chat", "responses"])
def translated(request: pytest.FixtureRequest) -> Attempt:
    return new_attempt(request.param, stream=True)


@cuts
def test_the_beginning_is_sent_with_the_first_content(passed: Attempt, cut: Pieces) -> None:
    raw = BEGINNING + WORD + MORE + CLOSE + STOP + END
    pieces, error = run(passed, raw, cut)
    assert (b"".join(pieces), error) == (raw, None)
    assert pieces[0].startswith(BEGINNING + WORD)


def test_nothing_else_is_held_back(passed: Attempt) -> None:
    pieces, _ = run(passed, BEGINNING + WORD + MORE + CLOSE + STOP + END, by(1))
    assert pieces == [BEGINNING + WORD, MORE, CLOSE, STOP, END]


FAILED: dict[str, tuple[bytes, type[UpstreamError]]] = {
    "an error at once": (ERROR, VendorError),
    "an error in the beginning": (BEGINNING + ERROR, VendorError),
    "nothing": (b"", Unreachable),
    "half a beginning": (START + BLOCK[:20], Unreachable),
    "a beginning": (BEGINNING, Unreachable),
}


@cuts
@pytest.mark.parametrize(("raw", "kind"), FAILED.values(), ids=FAILED.keys())
def test_a_translated_stream_that_ends_before_content_is_a_failed_attempt(
    translated: Attempt, raw: bytes, kind: type[UpstreamError], cut: Pieces
) -> None:
    pieces, error = run(translated, raw, cut)
    assert (pieces, type(error)) == ([], kind)
    assert error is not None and error.retryable
    assert not isinstance(error, VendorError) or (error.failure.verbatim, error.in_band, error.status) == (
        b"",
        True,
        529,
    )


@cuts
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        pytest.param(ERROR, VendorError, id="an error"),
        pytest.param(GARBAGE, ProtocolError, id="garbage"),
        pytest.param(b"", StreamInterrupted, id="nothing"),
    ],
)
def test_content_before_a_fault_is_sent(
    translated: Attempt, end: bytes, kind: type[UpstreamError], cut: Pieces
) -> None:
    pieces, error = run(translated, BEGINNING + WORD + end, cut)
    assert "Grüße" in b"".join(pieces).decode()
    assert type(error) is kind


@cuts
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(START + STOP + END, id="no block"),
        pytest.param(START + STOP, id="no terminator"),
        pytest.param(BEGINNING + CLOSE + STOP + END, id="an empty block"),
    ],
)
def test_an_answer_without_content_is_complete(passed: Attempt, raw: bytes, cut: Pieces) -> None:
    pieces, error = run(passed, raw, cut)
    assert (b"".join(pieces), error) == (raw, None)


@cuts
def test_a_last_event_without_its_blank_line_is_sent_with_one(passed: Attempt, cut: Pieces) -> None:
    raw = BEGINNING + WORD + CLOSE + STOP + END
    pieces, error = run(passed, raw.rstrip(), cut)
    assert (b"".join(pieces), error) == (raw, None)


THINK = event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})


@cuts
@pytest.mark.parametrize("raw", [START + PING + THINK + PING, BEGINNING + WORD + MORE], ids=["thinks", "speaks"])
@pytest.mark.parametrize("client", DIALECTS)
def test_the_start_of_the_answer_is_reported_once(client: str, raw: bytes, cut: Pieces) -> None:
    told: list[int] = []
    attempt = new_attempt(client, stream=True)
    attempt.on_begun = lambda: told.append(1)
    run(attempt, raw, cut)
    assert told == [1]
    run(attempt, START + BLOCK + PING, cut)
    assert told == [1], "an empty block is not content"


def test_held_bytes_are_bounded(passed: Attempt) -> None:
    raw = START + PING * (2 * MAX_HELD // len(PING)) + ERROR
    pieces, error = run(passed, raw, by(1000))
    assert MAX_HELD < len(pieces[0]) < MAX_HELD + 2000
    assert (b"".join(pieces), error) == (raw, None)
    assert isinstance(passed.error, VendorError)
