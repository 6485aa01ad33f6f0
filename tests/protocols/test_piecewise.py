"""Long JSON is parsed in pieces: the same values, the same errors, and other tasks run meanwhile."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.errors import RequestTooLarge
from nexus.protocols import piecewise
from nexus.protocols.piecewise import decode_large
from nexus.wire import decode

SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=40)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner), max_leaves=25
)
DOCUMENTS = st.lists(VALUES) | st.dictionaries(st.text(max_size=9), VALUES)
MARKS = st.sampled_from([b",", b"[", b"]", b"{", b"}", b'"', b":", b" ", b"\\", b"1", b""])


@pytest.fixture(autouse=True, scope="module")
def tiny_pieces() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piecewise, "PIECE", 16)
        patch.setattr(piecewise, "FEW", 0)
        yield


def outcome(read: Any, raw: bytes) -> Any:
    try:
        return read(raw)
    except ValueError:
        return ValueError


@given(DOCUMENTS, st.sampled_from([None, 1]))
def test_gives_the_same_values_as_the_parser(value: Any, indent: int | None) -> None:
    raw = json.dumps(value, indent=indent).encode()
    assert decode_large(raw) == decode(raw)


@given(DOCUMENTS, st.integers(0, 10_000), MARKS, st.booleans())
def test_rejects_what_the_parser_rejects(value: Any, place: int, mark: bytes, over: bool) -> None:
    raw = json.dumps(value).encode()
    place %= len(raw)
    raw = raw[:place] + mark + raw[place + over :]
    assert outcome(decode_large, raw) == outcome(decode, raw) or outcome(decode, raw) in (None, True, False)


BROKEN = {
    "an extra comma": b'{"a":[' + b'"xxxxxxxxxxxxxxxxxxxx",' * 9 + b"]}",
    "a missing comma": b'{"a":[' + b'["xxxxxxxxxxxxxxxxxxxx"]' * 9 + b"]}",
    "a missing comma, later": b'{"a":[' + b'["xxxxxxxxxxxxxxxxxxxx"],' * 2 + b'["xxxxxxxxxxxxxxxxxxxx"]' * 2 + b"]}",
    "a comma at the end": b'{"a":["xxxxxxxxxxxxxxxxxxxx",["xxxxxxxxxxxxxxxxxxxx"],]}',
    "a comma first": b'{"a":[,' + b'"xxxxxxxxxxxxxxxxxxxx"]}',
    "the wrong bracket": b'{"a":[' + b'"xxxxxxxxxxxxxxxxxxxx",' * 9 + b"1}]",
    "trailing text": b'{"a":["xxxxxxxxxxxxxxxxxxxx","xxxxxxxxxxxxxxxxxxxx"]} x',
    "a string without an end": b'{"a":["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
    "no end": b'{"a":["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"',
    "too deep": b"[" * 5000 + b"]" * 5000,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_broken_json_is_rejected(raw: bytes) -> None:
    with pytest.raises(ValueError):
        decode_large(raw)


def test_too_many_values_are_rejected() -> None:
    with pytest.raises(RequestTooLarge, match="values"):
        decode_large(b"[" + b"[]," * 10_000_000 + b"[]]")


BIG = {
    "many messages": b'{"messages":[' + b",".join([b'{"role":"user","content":"x"}'] * 400_000) + b"]}",
    "empty lists": b'{"messages":[' + b",".join([b"[]"] * 800_000) + b"]}",
}


@pytest.mark.parametrize("raw", BIG.values(), ids=BIG.keys())
def test_other_tasks_run_meanwhile(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call of the parser or the scanner, which hold the interpreter, spans more than two pieces."""
    piece, parsed = 64 * 1024, list[int]()
    monkeypatch.setattr(piecewise, "PIECE", piece)

    def parse(text: bytes) -> Any:
        parsed.append(len(text))
        return decode(text)

    monkeypatch.setattr(piecewise, "decode", parse)
    decode_large(raw)
    assert len(parsed) >= 20 and max(parsed) <= 2 * piece
    assert max(token.end() - token.start() for token in piecewise._TOKEN.finditer(raw)) <= piece
