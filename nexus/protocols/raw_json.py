"""Positions of values in raw JSON: the scanner of ``edit`` and ``rewrite``.

The input is valid JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nexus.late import pattern
from nexus.wire import decode

Span = tuple[int, int]

OPEN_OBJECT, OPEN_ARRAY, CLOSE_OBJECT, CLOSE_ARRAY, QUOTE, COLON, COMMA = b'{[}]":,'

_SPACE = pattern(rb"[ \t\r\n]*")
_STRING = pattern(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_COLON = pattern(rb"[ \t\r\n]*:[ \t\r\n]*")
_STRING_VALUE = pattern(rb'[ \t\r\n]*:[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_SCALAR = pattern(rb"[^,\]}\s]+")
# Up to and including the next bracket outside a string: one step in Python per bracket, not per string.
_BRACKET = pattern(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+[{}\[\]]', re.DOTALL)


def past_space(raw: bytes, position: int) -> int:
    match = _SPACE.match(raw, position)
    return match.end() if match else position


def string_end(raw: bytes, start: int) -> int:
    return _end(_STRING, raw, start)


def value_start(raw: bytes, key_end: int) -> int:
    """Start of the value whose key ends at ``key_end``."""
    return _end(_COLON, raw, key_end)


def string_value(raw: bytes, end: int) -> Span | None:
    """Position of the string value of the key that ends at ``end``; None if that is not a key, or the value not a
    string."""
    match = _STRING_VALUE.match(raw, end)
    return match.span(1) if match else None


def value_end(raw: bytes, start: int) -> int:
    opening = raw[start]
    if opening == QUOTE:
        return string_end(raw, start)
    if opening not in (OPEN_OBJECT, OPEN_ARRAY):
        return _end(_SCALAR, raw, start)
    depth = 0
    for match in _BRACKET.finditer(raw, start):
        end = match.end()
        depth += 1 if raw[end - 1] in b"{[" else -1
        if depth == 0:
            return end
    return len(raw)


def next_item(raw: bytes, end: int) -> int:
    """Start of the item after one that ends at ``end``, or the end of the container."""
    position = past_space(raw, end)
    return past_space(raw, position + 1) if raw[position] == COMMA else position


def members(raw: bytes, start: int) -> Iterator[tuple[str, Span]]:
    """The members of the object that opens at ``start``, with their keys decoded."""
    position = past_space(raw, start + 1)
    while raw[position] == QUOTE:
        key_end = string_end(raw, position)
        value = value_start(raw, key_end)
        end = value_end(raw, value)
        yield decode(raw[position:key_end]), (value, end)
        position = next_item(raw, end)


def _end(pattern: re.Pattern[bytes], raw: bytes, start: int) -> int:
    match = pattern.match(raw, start)
    return match.end() if match else len(raw)
