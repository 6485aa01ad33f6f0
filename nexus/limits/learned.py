"""What completed calls teach about the next ones: how far estimates of input are off, and how long answers are.

Law: any thread; per (provider, model), of which only configured ones exist, so that memory is bounded. Newer calls
count more, larger ones too but only so far, and what is learned stays within bounds, whatever vendors or clients send.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

LEAST_FACTOR, MOST_FACTOR = 0.25, 4.0

MEMORY = 0.95
"""How much of what is known outlives one call: half of it is gone after 14."""

PRIOR = 2000.0
"""Tokens of input that were estimated rightly before anything was seen, so that the first calls shift little."""

LARGEST = 100_000
"""Most tokens that one call counts for."""


@dataclass(slots=True)
class _Lesson:
    estimated: float = PRIOR
    reported: float = PRIOR
    output: float | None = None
    spread: float = 0.0


class Learned:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lessons: dict[tuple[str, str], _Lesson] = {}

    def factor(self, provider: str, model: str) -> float:
        """What an estimate of input is to be multiplied by."""
        lesson = self._lessons.get((provider, model))
        if lesson is None:
            return 1.0
        return min(MOST_FACTOR, max(LEAST_FACTOR, lesson.reported / lesson.estimated))

    def output(self, provider: str, model: str) -> int | None:
        """Tokens of an answer that is rather long for this model; None before the first."""
        lesson = self._lessons.get((provider, model))
        if lesson is None or lesson.output is None:
            return None
        return min(LARGEST, max(1, round(lesson.output + lesson.spread)))

    def saw_input(self, provider: str, model: str, estimated: int, reported: int) -> None:
        """``estimated`` without any factor. Sums are compared, so that large calls count as what they are."""
        if estimated <= 0 or reported <= 0:
            return
        scale = min(1.0, LARGEST / max(estimated, reported))
        with self._lock:
            lesson = self._lessons.setdefault((provider, model), _Lesson())
            # Forgets towards the prior, never to nothing: a few tiny calls would swing an empty scale.
            lesson.estimated = MEMORY * lesson.estimated + (1 - MEMORY) * PRIOR + estimated * scale
            lesson.reported = MEMORY * lesson.reported + (1 - MEMORY) * PRIOR + reported * scale

    def saw_output(self, provider: str, model: str, tokens: int) -> None:
        tokens = min(LARGEST, max(0, tokens))
        with self._lock:
            lesson = self._lessons.setdefault((provider, model), _Lesson())
            if lesson.output is None:
                lesson.output, lesson.spread = float(tokens), tokens / 2
                return
            lesson.spread = MEMORY * lesson.spread + (1 - MEMORY) * abs(tokens - lesson.output)
            lesson.output = MEMORY * lesson.output + (1 - MEMORY) * tokens
