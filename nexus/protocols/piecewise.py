"""Decodes a long JSON text in pieces, so that other threads can run in between.

Pure; for a worker thread. One call of the JSON parser holds the interpreter from the first to the last byte: for 31 MiB
of ``[]`` that is seconds in which nothing else runs. A text with few values is left to the parser.
"""

from __future__ import annotations

import re
from typing import Any

from nexus.errors import RequestTooLarge
from nexus.late import pattern
from nexus.wire import Json, decode

LARGE = 256 * 1024
"""Texts of at least this many bytes are not parsed on the loop."""

MOST_VALUES = 4_000_000
"""Maximum number of values of a text: no vendor accepts more, and each costs some fifty bytes."""

FEW = 50_000
"""This many values are parsed within milliseconds."""

PIECE = 64 * 1024

DEEPEST = 200
"""The parser's own limit."""

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'(?:[^\[\]{}"]{1,256}+|' + _STRING + rb"){0,64}+"
_LEAF = rb"(?:\{" + _FLAT + rb"\}|\[" + _FLAT + rb"\])"
_LEAVES = _LEAF + rb"(?:[ \t\r\n]*+,[ \t\r\n]*+" + _LEAF + rb"){0,31}+"
_TOKEN = pattern(_LEAVES + b"|" + _STRING + rb"|[\[\]{}]" + rb'|,?[^\[\]{}"]{1,256}+|,', re.DOTALL)
_BLANK = b" \t\r\n"


def values_in(raw: bytes) -> int:
    """An upper bound on the number of values in the text."""
    return raw.count(b",") + raw.count(b"[") + raw.count(b"{")


def decode_large(raw: bytes) -> Json:
    """The value, as ``decode`` returns it. Raises ValueError, and RequestTooLarge for too many values."""
    values = values_in(raw)
    if values > MOST_VALUES:
        raise RequestTooLarge(f"the request body holds more than {MOST_VALUES:,} JSON values")
    return decode(raw) if values <= FEW else _Pieces(raw).decode()


class _Container:
    """A container that has not ended: what was parsed of it, and where the rest begins, including its comma."""

    __slots__ = ("bracket", "key", "place", "start", "value")

    def __init__(self, bracket: bytes, start: int, key: bytes) -> None:
        self.bracket = bracket
        self.start = start
        self.key = key
        self.place = start + 1
        self.value: list[Any] | dict[str, Any] | None = None
        """None until a part of it has been parsed separately."""


_CLOSES = {b"[": b"]", b"{": b"}"}


class _Pieces:
    """One text. Runs of small values are parsed together; a container larger than a piece is assembled here."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._open: list[_Container] = []
        self._root = _Container(b"", 0, b"")

    def decode(self) -> Json:
        """Raises ValueError."""
        raw, stack, key = self._raw, self._open, b""
        for token in _TOKEN.finditer(raw):
            start, end = token.span()
            first = raw[start : start + 1]
            if first == b'"':
                key = token.group()
            elif first == b",":
                if stack and start - stack[-1].place >= PIECE:
                    self._take(stack[-1], start)
            elif first in _CLOSES and end - start > 1:
                if not stack:
                    return decode(raw)
            elif first in _CLOSES:
                stack.append(_Container(first, start, key))
                if len(stack) > DEEPEST:
                    raise ValueError("nested too deeply")
            elif first in b"]}":
                self._close(first, start)
                if not stack:
                    return self._whole(start + 1)
        raise ValueError("it is truncated")

    def _close(self, bracket: bytes, place: int) -> None:
        stack = self._open
        if not stack or _CLOSES[stack[-1].bracket] != bracket:
            raise _malformed(place)
        ended = stack[-1]
        if len(stack) > 1 and ended.value is None and place - ended.start < PIECE:
            # Small enough to be parsed together with its neighbours.
            stack.pop()
            return
        self._take(ended, place, last=True)
        if len(stack) > 1:
            stack.pop()
            self._put(stack[-1], ended, place + 1)
        else:
            self._root = stack.pop()

    def _put(self, parent: _Container, child: _Container, end: int) -> None:
        """Parses what precedes a child, with null in place of the child."""
        self._take(parent, child.start, placeholder=b"null")
        if isinstance(parent.value, list):
            parent.value[-1] = child.value
        elif parent.value is not None:
            parent.value[decode(child.key)] = child.value
        parent.place = end

    def _take(self, into: _Container, end: int, *, placeholder: bytes = b"", last: bool = False) -> None:
        """Parses the rest of a container up to here. Raises ValueError."""
        text = self._raw[into.place : end].strip(_BLANK) + placeholder
        if into.value is not None:
            if not text and last:
                return
            if not text.startswith(b","):
                raise _malformed(into.place)
            text = text[1:].strip(_BLANK)
        if not text and (into.value is not None or not last):
            raise _malformed(into.place)
        try:
            values = decode(into.bracket + text + _CLOSES[into.bracket])
        except ValueError:
            raise _malformed(into.place) from None
        if into.value is None:
            into.value = values
        elif isinstance(into.value, list):
            into.value += values
        else:
            into.value |= values
        into.place = end

    def _whole(self, end: int) -> Json:
        root = self._root
        if self._raw[: root.start].strip(_BLANK) or self._raw[end:].strip(_BLANK):
            raise _malformed(end)
        return root.value


def _malformed(place: int) -> ValueError:
    return ValueError(f"malformed at or after byte {place}")
