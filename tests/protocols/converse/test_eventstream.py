"""The binary event-stream framing, with bytes cut and damaged in every way."""

import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.protocols import eventstream
from nexus.protocols.eventstream import (
    CorruptMessage,
    Decoder,
    EventMessage,
    encode,
    event_message,
    exception_message,
    named,
)


def decoded(raw: bytes, sizes: list[int] | None = None) -> list[EventMessage]:
    decoder = Decoder()
    messages: list[EventMessage] = []
    at = 0
    for size in sizes or [len(raw)]:
        messages += decoder.feed(raw[at : at + size])
        at += size
    messages += decoder.feed(raw[at:])
    decoder.finish()
    return messages


def with_headers(raw_headers: bytes) -> bytes:
    lengths = struct.pack(">II", len(raw_headers) + 16, len(raw_headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + raw_headers
    return body + struct.pack(">I", zlib.crc32(body))


def test_a_known_message_is_encoded_byte_for_byte() -> None:
    assert encode(EventMessage(b"", {})).hex() == "000000100000000005c248eb7d98c8ff"


texts = st.text(max_size=20)
messages_ = st.builds(EventMessage, st.binary(max_size=60), st.dictionaries(texts, texts, max_size=5))


@given(st.lists(messages_, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_messages_are_decoded_in_any_chunking(messages: list[EventMessage], sizes: list[int]) -> None:
    raw = b"".join(map(encode, messages))
    assert decoded(raw, sizes) == messages
    assert decoded(raw, [1] * len(raw)) == messages


def test_every_flipped_bit_is_detected() -> None:
    first, second = event_message("a", b'{"x":1}'), event_message("b", b'{"y":22}')
    for bit in range(len(second) * 8):
        damaged = bytearray(second)
        damaged[bit // 8] ^= 1 << bit % 8
        decoder = Decoder()
        assert [message.payload for message in decoder.feed(first + bytes(damaged))] == [b'{"x":1}']
        with pytest.raises(CorruptMessage):
            decoder.finish()
        with pytest.raises(CorruptMessage):
            decoder.feed(b"")


def test_truncation_at_any_byte_is_detected() -> None:
    raw = event_message("a", b"{}")
    for end in range(1, len(raw)):
        decoder = Decoder()
        assert decoder.feed(raw[:end]) == []
        with pytest.raises(CorruptMessage, match="inside a message"):
            decoder.finish()


@pytest.mark.parametrize(
    ("total", "headers"),
    [(0, 0), (2**32 - 1, 0), (2**31, 2**30), (eventstream.MAX_PAYLOAD + 17, 0), (400_000, 131_073)],
)
def test_impossible_lengths_are_rejected_before_any_payload(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(CorruptMessage):
        Decoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


@pytest.mark.parametrize(
    "raw_headers",
    [
        b"\x01a\x0a",
        b"\x01a\x00\x01a\x00",
        b"\x05a",
        b"\x01a\x04\x00",
        b"\x01a",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
    ],
)
def test_broken_headers_are_rejected(raw_headers: bytes) -> None:
    with pytest.raises(CorruptMessage):
        Decoder().feed(with_headers(raw_headers))


def test_random_bytes_never_decode_to_a_message() -> None:
    seeded = random.Random(4)
    for _ in range(200):
        decoder = Decoder()
        with pytest.raises(CorruptMessage):
            assert decoder.feed(seeded.randbytes(seeded.randrange(1, 200))) == []
            decoder.finish()


def test_oversized_messages_are_not_written() -> None:
    with pytest.raises(ValueError, match="too large"):
        encode(EventMessage(bytes(eventstream.MAX_PAYLOAD + 1)))
    with pytest.raises(ValueError, match="too long"):
        encode(EventMessage(b"", {"n" * 256: ""}))
    with pytest.raises(ValueError, match="too long"):
        encode(EventMessage(b"", {"n": "x" * 65536}))


def test_messages_get_their_event_names() -> None:
    error = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "no"}
    assert named(decoded(event_message("metadata", b"{}"))[0]) == ("metadata", "{}")
    assert (
        named(decoded(exception_message("throttlingException", b'{"message":"slow"}'))[0])[0] == "throttlingException"
    )
    assert named(decoded(exception_message("modelTimeout", b"{}"))[0])[0] == "modelTimeoutException"
    assert named(EventMessage(b"", error)) == ("error", '{"__type":"InternalFailure","message":"no"}')


@pytest.mark.parametrize(
    "message",
    [
        EventMessage(b"{}"),
        EventMessage(b"{}", {":message-type": "event"}),
        EventMessage(b"{}", {":message-type": "event", ":event-type": 7}),
        EventMessage(b"{}", {":message-type": "other", ":event-type": "a"}),
        EventMessage(b"\xff", {":message-type": "event", ":event-type": "a"}),
    ],
)
def test_messages_without_a_name_are_rejected(message: EventMessage) -> None:
    with pytest.raises(CorruptMessage):
        named(message)
