"""Vectors that a server returns as numbers although base64 was requested, under every chunking."""

import base64
import json
import struct

import pytest

from nexus.protocols.answer_relay import Tap
from nexus.protocols.chat.packed import PackedVectors

NUMBERS = [0.5, -1, 1e-3]
ANSWER = {
    "object": "list",
    "data": [{"object": "embedding", "index": index, "embedding": NUMBERS} for index in range(3)],
    "model": "m",
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}
SPACED = json.dumps(ANSWER, indent=1).encode()
COMPACT = json.dumps(ANSWER, separators=(",", ":")).encode()


def passed(raw: bytes, size: int) -> tuple[bytes, Tap]:
    relay = PackedVectors({"encoding_format": "base64"}, tap := Tap())
    pieces = [relay.piece(raw[at : at + size]) for at in range(0, len(raw), size)]
    return b"".join(pieces) + relay.finish(), tap


def numbers(packed: str) -> list[float]:
    raw = base64.b64decode(packed)
    return [round(one, 6) for one in struct.unpack(f"<{len(raw) // 4}f", raw)]


@pytest.mark.parametrize("raw", [SPACED, COMPACT], ids=["spaced", "compact"])
def test_numbers_are_packed_and_everything_else_stays(raw: bytes) -> None:
    whole = PackedVectors({"encoding_format": "base64"}, Tap()).body(raw)
    for size in (1, 2, 3, 7, 31, 32, 33, 64, len(raw)):
        got, tap = passed(raw, size)
        assert got == whole
        assert tap.usage is not None and tap.usage.input == 5
    answer = json.loads(whole)
    assert [numbers(one["embedding"]) for one in answer["data"]] == [NUMBERS] * 3
    again = {**answer, "data": [{**one, "embedding": NUMBERS} for one in answer["data"]]}
    assert again == ANSWER and json.dumps(again, indent=1).encode() == SPACED


UNCHANGED = {
    "base64 already": b'{"data": [{"embedding": "AAAAPw=="}]}',
    "several vectors per text": b'{"data": [{"embedding": [[0.5], [1, 2]]}]}',
    "not numbers": b'{"data": [{"embedding": ["a", true]}]}',
    "empty": b'{"data": [{"embedding": []}]}',
    "a text that looks like one": rb'{"data": "\"embedding\": [1, 2]"}',
    "cut off": b'{"data": [{"embedding": [1, 2',
    "a very long one": b'{"data": [{"embedding": [' + b"1.25, " * 60_000 + b"1]}]}",
}


@pytest.mark.parametrize("raw", UNCHANGED.values(), ids=UNCHANGED.keys())
def test_other_bytes_pass_unchanged(raw: bytes) -> None:
    for size in (1, 5, 4096) if len(raw) < 100 else (4096, 100_000):
        assert passed(raw, size)[0] == raw
