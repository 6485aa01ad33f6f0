"""The arguments of a call as they arrive in pieces."""

from __future__ import annotations

import re

from nexus.late import pattern
from nexus.wire import decode

_MARK = pattern(r'\\.|["{}\[\]]', re.DOTALL)


class GrowingJson:
    """``pieces`` are the text so far, ``length`` is its number of characters, ``is_blank`` says that it is only white
    space. Each piece is read once, however often ``kind`` is read in between."""

    __slots__ = ("_depth", "_in_string", "_kind", "_opened", "_rest", "_seen", "is_blank", "length", "pieces")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.pieces: list[str] = []
        self.length = 0
        self._seen = 0
        self._rest = ""
        self._depth = 0
        self.is_blank = True
        self._in_string = self._opened = False
        self._kind: type | None = None

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.length += len(piece)
        self.is_blank = self.is_blank and not piece.strip()

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def kind(self) -> type | None:
        """dict or list once the object or array is complete, so that only white space can follow; None before, and for
        anything else."""
        if self._seen == len(self.pieces):
            return self._kind
        for piece in self.pieces[self._seen :]:
            self._scan(piece)
        self._seen = len(self.pieces)
        self._kind = self._read() if self._opened and self._depth == 0 else None
        return self._kind

    def _scan(self, piece: str) -> None:
        text = self._rest + piece
        end = 0
        for mark in _MARK.finditer(text):
            end = mark.end()
            match mark[0]:
                case '"':
                    self._in_string = not self._in_string
                case "{" | "[" if not self._in_string:
                    self._depth += 1
                    self._opened = True
                case "}" | "]" if not self._in_string:
                    self._depth -= 1
        # The character that it escapes has not come.
        self._rest = "\\" if text.endswith("\\") and end < len(text) else ""

    def _read(self) -> type | None:
        try:
            return type(decode(self.text))
        except ValueError:
            # Nothing that follows can mend it.
            self._opened = False
            return None
