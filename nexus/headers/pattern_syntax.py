"""Parses the text of a header name pattern into a tree."""

from __future__ import annotations

import string
from typing import TypeAlias

from nexus.dataclasses import dataclass

LONGEST = 500
DEEPEST = 20
MOST_REPEATS = 200

ALPHABET = frozenset(char for char in string.printable if char.isprintable() and char not in string.ascii_uppercase)
"""All characters of lower-case header names, and some more."""

_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_lowercase + string.digits + "_")
_CLASSES = {"d": _DIGITS, "w": _WORD, "D": ALPHABET - _DIGITS, "W": ALPHABET - _WORD}
_SPECIAL = frozenset(r"\.[]{}()*+?^$|/-")


@dataclass(frozen=True, slots=True)
class CharClass:
    """One character of a set."""

    chars: frozenset[str]


@dataclass(frozen=True, slots=True)
class Begin:
    """``^``: the beginning of the name."""


@dataclass(frozen=True, slots=True)
class End:
    """``$``: the end of the name."""


@dataclass(frozen=True, slots=True)
class Concatenation:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repetition; ``most`` is None if unlimited."""

    node: Node
    least: int
    most: int | None


Node: TypeAlias = CharClass | Begin | End | Concatenation | Alternation | Repetition


def parse(text: str) -> Node:
    """Parses a pattern. Raises ValueError, whose message has the position of the error."""
    if not text:
        raise ValueError("is empty")
    if len(text) > LONGEST:
        raise ValueError(f"has more than {LONGEST} characters")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("contains characters that are not allowed in a header name")
    # Matching ignores case anyway.
    reader = _Reader(text.removeprefix("(?i)"))
    node = reader.alternation(0)
    if reader.peek():
        raise reader.wrong("an unmatched )")
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.wrong("something unclosed")
        self._at += 1
        return char

    def accept(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"has {what}, at character {self._at + 1}")

    def alternation(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise self.wrong("groups nested too deeply")
        rows = [self.concatenation(depth)]
        while self.accept("|"):
            rows.append(self.concatenation(depth))
        return rows[0] if len(rows) == 1 else Alternation(tuple(rows))

    def concatenation(self, depth: int) -> Node:
        nodes: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            nodes.append(self.quantified(self.atom(depth)))
        return nodes[0] if len(nodes) == 1 else Concatenation(tuple(nodes))

    def atom(self, depth: int) -> Node:
        match self.take():
            case "(":
                if not self.accept("?:") and self.peek() == "?":
                    raise self.wrong("a group with ? other than (?: )")
                node = self.alternation(depth + 1)
                if not self.accept(")"):
                    raise self.wrong("an unclosed (")
                return node
            case "[":
                return CharClass(self.chars())
            case ".":
                return CharClass(ALPHABET)
            case "^":
                return Begin()
            case "$":
                return End()
            case "\\":
                return CharClass(self.escaped())
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise self.wrong("a quantifier without an operand, or a character that needs a \\ before it")
            case char:
                return CharClass(frozenset(char.lower()))

    def quantified(self, node: Node) -> Node:
        match self.peek():
            case "*":
                least, most = 0, None
            case "+":
                least, most = 1, None
            case "?":
                least, most = 0, 1
            case "{":
                return self.counted(node)
            case _:
                return node
        self.take()
        return self.repetition(node, least, most)

    def counted(self, node: Node) -> Node:
        self.take()
        least = self.number()
        most: int | None = least
        if self.accept(","):
            most = None if self.peek() == "}" else self.number()
        if not self.accept("}") or (most is not None and most < least) or max(least, most or 0) > MOST_REPEATS:
            raise self.wrong(f"a repetition other than {{m}}, {{m,}} or {{m,n}} up to {MOST_REPEATS}")
        return self.repetition(node, least, most)

    def repetition(self, node: Node, least: int, most: int | None) -> Node:
        """A repetition; a lazy one (``*?``) is the same, because only whether a name matches counts."""
        if isinstance(node, Begin | End):
            raise self.wrong("a repetition of ^ or $")
        self.accept("?")
        if self.peek() in ("*", "+", "?", "{") and self.peek():
            raise self.wrong("a repetition of a repetition")
        return Repetition(node, least, most)

    def number(self) -> int:
        digits = ""
        while self.peek() in _DIGITS and len(digits) < 4:
            digits += self.take()
        if not digits:
            raise self.wrong("a { without a number")
        return int(digits)

    def escaped(self) -> frozenset[str]:
        char = self.take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char not in _SPECIAL and char.isalnum():
            raise self.wrong("an unknown escape")
        return frozenset(char)

    def chars(self) -> frozenset[str]:
        opposite = self.accept("^")
        found: set[str] = set()
        first = True
        while first or self.peek() != "]":
            first = False
            found |= self.range()
        self.take()
        folded = {char.lower() for char in found}
        return ALPHABET - folded if opposite else frozenset(folded)

    def range(self) -> frozenset[str]:
        low = self.take()
        if low == "[":
            raise self.wrong("a [ within [ ], which must be escaped")
        if low == "\\":
            single = self.escaped()
            if len(single) > 1:
                return single
            (low,) = single
        if self.peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return frozenset(low)
        self.take()
        high = self.take()
        if high in "\\[" or high < low:
            raise self.wrong("a range in the wrong order")
        return frozenset(map(chr, range(ord(low), ord(high) + 1)))
