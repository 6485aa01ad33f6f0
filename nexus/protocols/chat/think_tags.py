"""Thinking that servers leave in the content between tags: extracts it, and puts it back in a history.

Tags count only at the beginning of the content, after white space, where models think; a later tag is ordinary text.
White space around the thinking is removed. The result does not depend on how the tags are split into deltas.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal

Piece = tuple[Literal["text", "reasoning"], str]

_OPENS, _CLOSES = "<think>", "</think>"


def tagged(thought: str) -> str:
    """Thinking between tags, to be put before the text, for servers whose templates look for it there."""
    return f"{_OPENS}\n{thought}\n{_CLOSES}\n\n"


class _State(Enum):
    START = auto()
    OPENED = auto()
    THINKING = auto()
    CLOSED = auto()
    TEXT = auto()


class ThinkTags:
    """Takes the content in pieces. ``before`` counts its characters before the text."""

    def __init__(self) -> None:
        self.before = 0
        self._state = _State.START
        self._held = ""

    def feed(self, words: str) -> list[Piece]:
        pieces: list[Piece] = []
        words, self._held = self._held + words, ""
        while words:
            words = _STEPS[self._state](self, words, pieces)
        return pieces

    def finish(self) -> list[Piece]:
        """The text that was held back; thinking that broke off ends there."""
        held, self._held = self._held, ""
        if self._state is not _State.THINKING:
            return [("text", held)] if held else []
        return [("reasoning", thought)] if (thought := held.rstrip()) else []

    def _start(self, words: str, pieces: list[Piece]) -> str:
        begun = words.lstrip()
        if begun.startswith(_OPENS):
            self._state = _State.OPENED
            return self._behind(words, len(words) - len(begun) + len(_OPENS))
        if _OPENS.startswith(begun):
            self._held = words
            return ""
        self._state = _State.TEXT
        return words

    def _skip(self, words: str, pieces: list[Piece]) -> str:
        """Skips the white space after a tag."""
        rest = self._behind(words, len(words) - len(words.lstrip()))
        if rest:
            self._state = _State.THINKING if self._state is _State.OPENED else _State.TEXT
        return rest

    def _think(self, words: str, pieces: list[Piece]) -> str:
        thought, tag, _ = words.partition(_CLOSES)
        if tag:
            self._state = _State.CLOSED
            rest = self._behind(words, len(thought) + len(tag))
            thought = thought.rstrip()
        else:
            at = words.rfind("<", -len(_CLOSES))
            # White space, and what may be the beginning of the tag, is not thinking until something follows.
            thought = (words[:at] if at >= 0 and _CLOSES.startswith(words[at:]) else words).rstrip()
            self._held = words[len(thought) :]
            rest = self._behind(thought, len(thought))
        if thought:
            pieces.append(("reasoning", thought))
        return rest

    def _emit(self, words: str, pieces: list[Piece]) -> str:
        pieces.append(("text", words))
        return ""

    def _behind(self, words: str, length: int) -> str:
        self.before += length
        return words[length:]


_STEPS = {
    _State.START: ThinkTags._start,
    _State.OPENED: ThinkTags._skip,
    _State.THINKING: ThinkTags._think,
    _State.CLOSED: ThinkTags._skip,
    _State.TEXT: ThinkTags._emit,
}
