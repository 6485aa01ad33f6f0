"""Finds the line of a key in a TOML text, and the position of the key or its value on the line.

Runs only on text that ``tomllib`` has accepted, so a scanner of brackets and strings is enough.
"""

from __future__ import annotations

import functools
import re
import tomllib
from typing import Any

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.settings.types import KeyPath


class Locator:
    """Line numbers in one TOML text that is known to be valid.

    Parses prefixes of the text with ``tomllib``: a path belongs to the first statement after which the prefix contains
    it. This handles every TOML spelling (dotted keys, inline tables, arrays of tables) without a parser of our own.
    Runs only when there is a problem to report.
    """

    def __init__(self, text: str) -> None:
        # TOML ends lines with LF or CRLF only; splitlines() would also split at U+2028 and others.
        self._lines = text.split("\n")
        self._read = functools.cache(self._parse)

    def place(self, path: KeyPath) -> tuple[int | None, int]:
        """First line of the statement that defines the path, or else its nearest ancestor in the file; and the number
        of steps of the path that are in the file."""
        for length in range(len(path), 0, -1):
            line = self._find(path[:length])
            if line is not None:
                return line, length
        return None, 0

    def _find(self, path: KeyPath) -> int | None:
        low, high = 0, len(self._lines)
        if not self._holds(high, path):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._holds(middle, path) else (middle, high)
        return self._settled(low) + 1

    def _holds(self, count: int, path: KeyPath) -> bool:
        value: Any = self._read(self._settled(count))
        for part in path:
            match value, part:
                case dict(), str() if part in value:
                    value = value[part]
                case list(), int() if 0 <= part < len(value):
                    value = value[part]
                case _:
                    return False
        return True

    def _settled(self, count: int) -> int:
        """The largest number of lines, up to ``count``, that ends between two statements."""
        while self._read(count) is None:
            count -= 1
        return count

    def _parse(self, count: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(self._lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            return None


_BLANK = pattern(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = pattern(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING = pattern(
    r"\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = pattern(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")


@dataclass(frozen=True, slots=True)
class Span:
    """``line`` counts from 1; ``start`` and ``end`` are characters of that line."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    start: int
    end: int


class Spans:
    """Positions of keys and values in one TOML text that is known to be valid."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def find(self, path: KeyPath, line: int, *, key: bool) -> Span | None:
        """The span of a path that the statement on ``line`` defines: its key if ``key`` is true or the value is a
        table, else its value. None if not found."""
        at = self._skip(self._lines[line - 1])
        if self._text.startswith("[", at):
            return self._in_header(path, at)
        keys, at = self._keys(at)
        at = self._skip(at + 1)
        for offset in reversed(range(len(path))):
            names = path[offset : offset + len(keys)]
            if names == tuple(one.name for one in keys[: len(names)]) and names:
                rest = path[offset + len(keys) :]
                found = self._below(rest, keys[len(names) - 1], at if len(names) == len(keys) else None)
                if found is not None:
                    return self._span(*found, key=key)
        return None

    def _in_header(self, path: KeyPath, at: int) -> Span | None:
        keys, _ = self._keys(at + (2 if self._text.startswith("[[", at) else 1))
        names = [part for part in path if isinstance(part, str)]
        return self._at(keys[len(names) - 1]) if names == [one.name for one in keys[: len(names)]] and names else None

    def _below(self, rest: KeyPath, key: _Key | None, value: int | None) -> tuple[_Key | None, int | None] | None:
        """The key and the start of the value at path ``rest`` below the value that starts at ``value``."""
        if not rest:
            return key, value
        if value is None:
            return None
        step, rest = rest[0], rest[1:]
        if isinstance(step, int) and self._text.startswith("[", value):
            starts, _ = self._members(value)
            return self._below(rest, None, starts[step]) if step < len(starts) else None
        if isinstance(step, str) and self._text.startswith("{", value):
            for start in self._members(value)[0]:
                keys, equals = self._keys(start)
                path = (step, *rest)
                names = path[: len(keys)]
                if names == tuple(one.name for one in keys[: len(names)]):
                    inner = self._skip(equals + 1) if len(names) == len(keys) else None
                    return self._below(path[len(keys) :], keys[len(names) - 1], inner)
        return None

    def _span(self, name: _Key | None, value: int | None, *, key: bool) -> Span | None:
        if name is not None and (key or value is None or self._text.startswith("{", value)):
            return self._at(name)
        return self._place(value, self._end(value)) if value is not None else None

    def _at(self, key: _Key) -> Span:
        return self._place(key.start, key.end)

    def _place(self, start: int, end: int) -> Span:
        line = next(number for number in range(len(self._lines), 0, -1) if self._lines[number - 1] <= start)
        first = self._lines[line - 1]
        stop = self._text.find("\n", start)
        return Span(line, start - first, min(end, stop if stop >= 0 else len(self._text)) - first)

    def _skip(self, at: int) -> int:
        match = _BLANK.match(self._text, at)
        return match.end() if match else at

    def _keys(self, at: int) -> tuple[list[_Key], int]:
        """The parts of a dotted key, and the position after it."""
        keys: list[_Key] = []
        while (match := _KEY.match(self._text, self._skip(at))) is not None:
            keys.append(_Key(_name(match[0]), match.start(), match.end()))
            at = self._skip(match.end())
            if not self._text.startswith(".", at):
                break
            at += 1
        return keys, at

    def _members(self, at: int) -> tuple[list[int], int]:
        """The starts of the elements of the array or inline table at ``at``, and the position after it."""
        starts: list[int] = []
        at = self._skip(at + 1)
        while at < len(self._text) and self._text[at] not in "]}":
            starts.append(at)
            keys, behind = self._keys(at)
            at = self._end(self._skip(behind + 1) if keys and self._text.startswith("=", behind) else at)
            at = self._skip(at)
            at = self._skip(at + 1) if self._text.startswith(",", at) else at
        return starts, at + 1

    def _end(self, at: int) -> int:
        """The position after the value that begins at ``at``."""
        if self._text.startswith(("[", "{"), at):
            return self._members(at)[1]
        match = _STRING.match(self._text, at) or _BARE.match(self._text, at)
        return match.end() if match else at + 1


def _name(written: str) -> str:
    if written[0] == '"':
        return str(next(iter(tomllib.loads(f"{written} = 0"))))
    return written[1:-1] if written[0] == "'" else written
