"""The binary framing, against botocore's own decoder and against every way bytes can be cut or damaged."""

from __future__ import annotations

import random
import struct
import uuid
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from nexus.protocols.converse import eventstream
from nexus.protocols.converse.eventstream import (
    CorruptMessage,
    Decoder,
    EventMessage,
    HeaderValue,
    Timestamp,
    encode,
    event_message,
    exception_message,
    named,
)

HEADERS: dict[str, HeaderValue] = {
    "yes": True,
    "no": False,
    "small": -3,
    "large": 2**40,
    "raw": b"\x00\xff",
    "text": "grün ☃",
    "when": Timestamp(1_700_000_000_123),
    "who": uuid.UUID(int=5),
    "empty": "",
}


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


def by_botocore(raw: bytes) -> list[tuple[dict[str, object], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(raw)
    return [(dict(message.headers), message.payload) for message in buffer]


def with_headers(raw_headers: bytes) -> bytes:
    lengths = struct.pack(">II", len(raw_headers) + 16, len(raw_headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + raw_headers
    return body + struct.pack(">I", zlib.crc32(body))


def test_every_header_type_round_trips() -> None:
    message = EventMessage(b'{"a":1}', HEADERS)
    assert decoded(encode(message)) == [message]


def test_the_narrow_integers_are_read_too() -> None:
    raw = with_headers(b"\x01b\x02\xfe" + b"\x01s\x03\xff\xfd")
    assert decoded(raw)[0].headers == {"b": -2, "s": -3}


def test_botocore_reads_what_is_written() -> None:
    raw = (
        event_message("messageStop", b"{}") + exception_message("throttlingException", b"") + encode(EventMessage(b"x"))
    )
    assert by_botocore(raw) == [(message.headers, message.payload) for message in decoded(raw)]


def test_a_known_message_byte_for_byte() -> None:
    assert encode(EventMessage(b"", {})).hex() == "000000100000000005c248eb7d98c8ff"


header_values = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.builds(Timestamp, st.integers(-(2**63), 2**63 - 1)),
    st.uuids(),
)
messages_ = st.builds(
    EventMessage, st.binary(max_size=60), st.dictionaries(st.text(min_size=1, max_size=20), header_values, max_size=5)
)


@given(st.lists(messages_, max_size=5), st.lists(st.integers(1, 40), max_size=30))
def test_any_messages_in_any_chunking(messages: list[EventMessage], sizes: list[int]) -> None:
    raw = b"".join(map(encode, messages))
    assert decoded(raw, sizes) == messages
    assert decoded(raw, [1] * len(raw)) == messages


def test_every_damaged_bit_is_noticed() -> None:
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


def test_a_cut_anywhere_is_noticed() -> None:
    raw = event_message("a", b"{}")
    for end in range(1, len(raw)):
        decoder = Decoder()
        assert decoder.feed(raw[:end]) == []
        with pytest.raises(CorruptMessage, match="inside a message"):
            decoder.finish()


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (16, 1), (0, 0), (2**32 - 1, 0), (2**31, 2**30), (eventstream.MAX_PAYLOAD + 17, 0), (400_000, 131_073)],
)
def test_impossible_lengths_are_refused_before_any_payload(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(CorruptMessage, match="impossible lengths"):
        Decoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


@pytest.mark.parametrize(
    ("raw_headers", "why"),
    [
        (b"\x01a\x0a", "unknown type"),
        (b"\x01a\x00\x01a\x00", "repeated"),
        (b"\x05a", "cut short"),
        (b"\x01a\x07\x00\x09abc", "cut short"),
        (b"\x01a\x04\x00", "cut short"),
        (b"\x01a", "cut short"),
        (b"\x01\xff\x00", "UTF-8"),
        (b"\x01a\x07\x00\x01\xff", "UTF-8"),
    ],
)
def test_broken_headers(raw_headers: bytes, why: str) -> None:
    with pytest.raises(CorruptMessage, match=why):
        Decoder().feed(with_headers(raw_headers))


def test_noise_never_comes_out_as_a_message() -> None:
    seeded = random.Random(4)
    for _ in range(200):
        decoder = Decoder()
        with pytest.raises(CorruptMessage):
            assert decoder.feed(seeded.randbytes(seeded.randrange(1, 200))) == []
            decoder.finish()


def test_too_large_to_write() -> None:
    with pytest.raises(ValueError, match="too large"):
        encode(EventMessage(bytes(eventstream.MAX_PAYLOAD + 1)))
    with pytest.raises(ValueError, match="too long"):
        encode(EventMessage(b"", {"n" * 256: True}))
    with pytest.raises(ValueError, match="too long"):
        encode(EventMessage(b"", {"n": "x" * 65536}))
    with pytest.raises(ValueError, match="no header holds"):
        encode(EventMessage(b"", {"n": 1.5}))  # type: ignore[dict-item]


def test_names() -> None:
    error: dict[str, HeaderValue] = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "no"}
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
def test_messages_without_a_name(message: EventMessage) -> None:
    with pytest.raises(CorruptMessage):
        named(message)
