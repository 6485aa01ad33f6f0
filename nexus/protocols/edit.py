"""Edits named members of raw JSON objects and leaves every other byte as it was.

Law: the input is known to be valid JSON whose top level is an object. Nothing is parsed and written again, so
duplicate keys, number spelling, escapes and key order survive. A key that occurs several times is edited in all its
places: which one a vendor believes is not for us to guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from nexus.wire import Json, decode, encode

_SPACE = rb"[ \t\r\n]*"
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_KEY = re.compile(_SPACE + rb'("[^"\\]*(?:\\.[^"\\]*)*")' + _SPACE + rb":" + _SPACE, re.DOTALL)
_NEXT = re.compile(_SPACE + rb"([,}])")
_SCALAR = re.compile(rb"[^,\]}\s]+")
_NESTING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}

_QUOTE, _BRACE = b'"{'

Span = tuple[int, int]


def replace_member(raw: bytes, document: Mapping[str, Json], key: str, value: str) -> bytes:
    """``raw``, of which ``document`` is the decoded form, with its top-level string ``key`` holding ``value``."""
    if not isinstance(document.get(key), str):
        return raw
    only = _only_spelling(raw, key)
    return splice(raw, [(only, encode(value))]) if only else replace_string(raw, (key,), value)


def replace_string(raw: bytes, path: tuple[str, ...], value: str) -> bytes:
    """``raw`` with the strings at ``path`` holding ``value``; members of another type stay."""
    new = encode(value)
    return splice(raw, [(span, new) for span in find(raw, path) if raw[span[0]] == _QUOTE])


def splice(raw: bytes, edits: list[tuple[Span, bytes]]) -> bytes:
    """``raw`` with each span replaced; spans are in order and do not overlap."""
    if not edits:
        return raw
    pieces: list[bytes] = []
    position = 0
    for (start, end), new in edits:
        pieces += (raw[position:start], new)
        position = end
    pieces.append(raw[position:])
    return b"".join(pieces)


def insert_first(raw: bytes, key: str, value: bytes) -> bytes:
    """``raw``, a non-empty object, with one more member in front."""
    start = raw.index(b"{") + 1
    return b"%b%b:%b,%b" % (raw[:start], encode(key), value, raw[start:])


def find(raw: bytes, path: tuple[str, ...]) -> list[Span]:
    """Where the values at ``path`` stand; several where keys are repeated, none where there is no such member."""
    spans = [(raw.index(b"{"), len(raw))]
    for name in path:
        spans = [span for start, _ in spans if raw[start] == _BRACE for span in _values(raw, start, name)]
    return spans


def _only_spelling(raw: bytes, key: str) -> Span | None:
    """Where the string member ``key`` stands, found without a scan when the document spells it just once.

    Inside a JSON string its quotes would be escaped, so an occurrence is a whole string; a spelling of ASCII letters
    by escapes needs a backslash and ``u00``. One occurrence, and the document has the member: that is it.
    """
    quoted = encode(key)
    first = raw.find(quoted)
    if first < 0 or raw.find(quoted, first + 1) >= 0 or b"\\u00" in raw:
        return None
    match = _KEY.match(raw, first)
    value = _STRING.match(raw, match.end()) if match else None
    return value.span() if value else None


def _values(raw: bytes, start: int, name: str) -> Iterator[Span]:
    for key, span in _members(raw, start):
        if key == name:
            yield span


def _members(raw: bytes, start: int) -> Iterator[tuple[str, Span]]:
    """The members of the object that opens at ``start``, with their keys decoded."""
    position = start + 1
    while (key := _KEY.match(raw, position)) is not None:
        end = _value_end(raw, key.end())
        yield decode(key.group(1)), (key.end(), end)
        follows = _NEXT.match(raw, end)
        if follows is None or follows.group(1) == b"}":
            return
        position = follows.end()


def _value_end(raw: bytes, start: int) -> int:
    match raw[start]:
        case 0x22:  # a string
            return _end(_STRING.match(raw, start), start)
        case 0x7B | 0x5B:  # an object or an array
            depth = 0
            for token in _NESTING.finditer(raw, start):
                depth += _DEPTH.get(token.group(), 0)
                if depth == 0:
                    return token.end()
            return len(raw)
        case _:
            return _end(_SCALAR.match(raw, start), start)


def _end(match: re.Match[bytes] | None, start: int) -> int:
    return match.end() if match else start
