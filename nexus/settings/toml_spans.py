"""Finds where a TOML text defines a path: the positions of its key and of its value.

Runs only on text that ``tomllib`` has accepted, so a scanner of brackets and strings is enough, and only if there is a
problem to report.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

from nexus.dataclasses import dataclass
from nexus.late import pattern
from nexus.settings.types import KeyPath

_BLANK = pattern(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = pattern(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRING = pattern(r"\"\"\"(?:[^\\]|\\.)*?\"{3,5}|'''.*?'{3,5}|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'", re.DOTALL)
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
    """Positions of all keys and values in one TOML text that is known to be valid."""

    def __init__(self, text: str) -> None:
        # TOML ends lines with LF or CRLF only; splitlines() would also split at U+2028 and others.
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._found: dict[KeyPath, tuple[_Key | None, int | None]] = {}
        """By path, where it is first defined: its key, unless it is an element of an array, and the start of its
        value, if it is written behind the key."""

        self._tables: dict[KeyPath, int] = {}
        """How many elements each array of tables has so far."""

        self._scan()

    def find(self, path: KeyPath, *, key: bool) -> tuple[Span, int] | None:
        """The span of a path, or else of its nearest ancestor in the file, and how many steps of the path are in the
        file; None if none is. The span is the key's if ``key`` is true or the value is a table, else the value's."""
        for depth in range(len(path), 0, -1):
            if (found := self._found.get(path[:depth])) is not None:
                return self._span(*found, key=key or depth < len(path)), depth
        return None

    def _scan(self) -> None:
        table: KeyPath = ()
        at = self._skip(0)
        while at < len(self._text):
            if self._text.startswith("[", at):
                brackets = 2 if self._text.startswith("[[", at) else 1
                keys, at = self._keys(at + brackets)
                table = self._define((), keys, is_element=brackets == 2)
                at += brackets
            else:
                keys, at = self._keys(at)
                value = self._skip(at + 1)
                self._define(table, keys, value)
                at = self._end(value)
            at = self._skip(at)

    def _define(
        self, path: KeyPath, keys: list[_Key], value: int | None = None, *, is_element: bool = False
    ) -> KeyPath:
        """Records the parts of a dotted key below ``path``, and what its value holds; returns the path of the last."""
        for key in keys:
            path = (*path, key.name)
            self._found.setdefault(path, (key, value if key is keys[-1] else None))
            if is_element and key is keys[-1]:
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._found.setdefault(path, (key, None))
        if value is not None:
            self._define_inside(path, value)
        return path

    def _define_inside(self, path: KeyPath, value: int) -> None:
        if self._text.startswith("[", value):
            for index, start in enumerate(self._members(value)[0]):
                self._found[*path, index] = None, start
                self._define_inside((*path, index), start)
        elif self._text.startswith("{", value):
            for start in self._members(value)[0]:
                keys, equals = self._keys(start)
                self._define(path, keys, self._skip(equals + 1))

    def _span(self, named: _Key | None, value: int | None, *, key: bool) -> Span:
        if named is not None and (key or value is None or self._text.startswith("{", value)):
            return self._span_between(named.start, named.end)
        assert value is not None, "an element of an array has a value"
        return self._span_between(value, self._end(value))

    def _span_between(self, start: int, end: int) -> Span:
        line = bisect_right(self._lines, start)
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
