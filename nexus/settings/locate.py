"""Finds the line of a TOML text on which a key stands.

The real parser is the oracle. A path belongs to the first statement after which a prefix of the text holds it, so
every spelling that TOML has (dotted keys, inline tables, arrays of tables) is located without a parser of our own.
Runs only when there is a problem to report.
"""

from __future__ import annotations

import functools
import tomllib
from typing import Any

from nexus.settings.types import KeyPath


class Locator:
    """Line numbers of one TOML text that is known to be valid."""

    def __init__(self, text: str) -> None:
        # TOML ends lines with LF or CRLF only; splitlines() would also split at U+2028 and friends.
        self._lines = text.split("\n")
        self._read = functools.cache(self._parse)

    def line(self, path: KeyPath) -> int | None:
        """First line of the statement that brings in the path, or else its nearest parent that is written."""
        return self.place(path)[0]

    def place(self, path: KeyPath) -> tuple[int | None, int]:
        """The line, and how many steps of the path are written at all."""
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
        """The largest number of lines up to ``count`` that ends between two statements."""
        while self._read(count) is None:
            count -= 1
        return count

    def _parse(self, count: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(self._lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            return None
