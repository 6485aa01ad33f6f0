"""Chunked bodies with any split of the bytes, and malformed chunks."""

from http.client import IncompleteRead

import pytest

from nexus.upstream.chunks import MAX_LINE, Chunks, ends_trailers

BODIES = {
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b"\r\n"),
    "several": (b"1\r\na\r\n10\r\n0123456789abcdef\r\n3\r\n\r\n!\r\n0\r\n\r\n", b"a0123456789abcdef\r\n!", b"\r\n"),
    "capital digits, an extension": (b"A;name=value\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b"\r\n"),
    "leading zeros": (b"0002\r\nok\r\n000\r\n\r\n", b"ok", b"\r\n"),
    "only line feeds after sizes": (b"2\nok\r\n0\n\n", b"ok", b"\n"),
    "trailers": (b"2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n", b"ok", b"x-sum: 1\r\n\r\n"),
    "nothing": (b"0\r\n\r\n", b"", b"\r\n"),
}


@pytest.mark.parametrize("raw, body, rest", BODIES.values(), ids=BODIES)
def test_the_body_does_not_depend_on_how_bytes_are_split(raw: bytes, body: bytes, rest: bytes) -> None:
    for size in range(1, len(raw) + 1):
        chunks = Chunks()
        found = b""
        for start in range(0, len(raw), size):
            if not chunks.ended:
                found += chunks.feed(raw[start : start + size])
                last = raw[start + size :]
        assert chunks.ended and found == body, size
        assert chunks.rest + last == rest, size
        assert ends_trailers(rest)


def test_received_bytes_are_returned_before_the_end_arrives() -> None:
    chunks = Chunks()
    assert chunks.feed(b"5\r\nhe") == b"he"
    assert chunks.feed(b"llo\r") == b"llo"
    assert chunks.feed(b"\n0\r\n") == b""
    assert chunks.ended


NONE = {
    "no number": b"xyz\r\n",
    "a negative one": b"-5\r\nhello\r\n",
    "no size": b"\r\n\r\n",
    "a line without an end": b"0" * (MAX_LINE + 1),
    "a chunk longer than its size": b"2\r\nlonger\r\n",
}


@pytest.mark.parametrize("raw", NONE.values(), ids=NONE)
def test_malformed_chunks_are_rejected(raw: bytes) -> None:
    with pytest.raises(IncompleteRead):
        Chunks().feed(raw)


def test_trailers_may_arrive_late() -> None:
    assert not ends_trailers(b"")
    assert not ends_trailers(b"\r")
    assert not ends_trailers(b"x-sum: 1\r\n")
